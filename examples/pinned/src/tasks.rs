//! A task for each connection, which goes from thread to thread.

use crate::steps;
use std::net::TcpListener;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

pub async fn serve(listener: TcpListener) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async {
            if let Err(error) = connection(stream).await {
                eprintln!("{error}");
            }
        });
    }
}

async fn connection(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    if line.starts_with("GET /hold") {
        return midair::pinned(hold(&mut stream)).await;
    }
    let body = midair::pinned(answer()).await;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await
}

pub async fn answer() -> String {
    let first = steps::first();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let second = steps::second();
    tokio::time::sleep(Duration::from_millis(100)).await;
    format!("{first} {second} {}", steps::third())
}

/// A request that lasts until the client sends one byte more: the steps before it and
/// after it.
async fn hold(stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    let before = steps::all(" ") + "\n";
    stream.write_all(before.as_bytes()).await?;
    stream.read_exact(&mut [0]).await?;
    let after = steps::all(" ") + "\n";
    stream.write_all(after.as_bytes()).await
}
