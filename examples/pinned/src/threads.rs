//! A thread for each connection.

use crate::steps;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

pub fn serve(listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || {
            if let Err(error) = connection(stream) {
                eprintln!("{error}");
            }
        });
    }
}

fn connection(mut stream: TcpStream) -> std::io::Result<()> {
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    // From here on until the answer is written: one generation.
    let _pin = midair::pin();
    if line.starts_with("GET /hold") {
        return hold(&mut stream);
    }
    let body = answer();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn answer() -> String {
    let first = steps::first();
    std::thread::sleep(Duration::from_millis(100));
    let second = steps::second();
    std::thread::sleep(Duration::from_millis(100));
    format!("{first} {second} {}", steps::third())
}

/// A request that lasts until the client sends one byte more: the steps before it and
/// after it.
fn hold(stream: &mut TcpStream) -> std::io::Result<()> {
    writeln!(stream, "{}", steps::all(" "))?;
    stream.read_exact(&mut [0])?;
    writeln!(stream, "{}", steps::all(" "))
}
