//! A client of HTTP, with one connection that stays.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    /// To an address as the servers print it.
    pub(crate) fn new(address: &str) -> Self {
        let address = address.replace("http://", "");
        Self(BufReader::new(TcpStream::connect(address).unwrap()))
    }

    /// The status and the body.
    pub(crate) fn ask(&mut self, path: &str) -> (u16, String) {
        self.send("GET", path, "")
    }

    /// What is answered to a body.
    pub(crate) fn post(&mut self, path: &str, body: &str) -> (u16, String) {
        self.send("POST", path, body)
    }

    fn send(&mut self, method: &str, path: &str, body: &str) -> (u16, String) {
        let len = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {len}");
        let request = format!("{head}\r\n\r\n{body}");
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let status = self.line();
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut len = 0;
        loop {
            let header = self.line().to_lowercase();
            match header.split_once(": ") {
                Some(("content-length", value)) => len = value.parse().unwrap(),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; len];
        self.0.read_exact(&mut body).unwrap();
        (status.unwrap(), String::from_utf8(body).unwrap())
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "cut off");
        line.trim().to_owned()
    }
}
