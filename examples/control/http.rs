//! As much of HTTP as the examples need: one request a connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// Reads a request and returns its path, with what stands behind `?`.
pub(crate) fn path_of_request(stream: &TcpStream) -> std::io::Result<String> {
    let mut lines = BufReader::new(stream.take(16 << 10));
    let mut first = String::new();
    lines.read_line(&mut first)?;
    let mut line = String::new();
    while lines.read_line(&mut line)? > 2 {
        line.clear();
    }
    let path = first.split(' ').nth(1).unwrap_or("/");
    Ok(path.to_owned())
}

/// Sends an answer and ends the connection.
pub(crate) fn answer(mut stream: &TcpStream, status: &str, body: &str) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
