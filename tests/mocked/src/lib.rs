//! Code as it is written every day, on other people's crates: what the tests
//! beside it are of. It knows of no mock.

use chrono::{DateTime, Datelike as _, Utc};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rayon::prelude::*;
use rusqlite::Connection;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Whatever goes wrong.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What a server has at a path.
pub async fn fetch(server: SocketAddr, path: &str) -> Result<String, Error> {
    let stream = tokio::net::TcpStream::connect(server).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header("host", "localhost")
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    if response.status() != StatusCode::OK {
        return Err(format!("the server says {}", response.status()).into());
    }
    let body = response.into_body().collect().await?.to_bytes();
    drop(sender);
    connection.await??;
    Ok(String::from_utf8(body.to_vec())?)
}

/// A file, read as tokio reads files: by a thread of its own for that.
pub async fn settings(path: PathBuf) -> std::io::Result<usize> {
    Ok(tokio::fs::read_to_string(path).await?.lines().count())
}

/// The names in a table.
pub fn names(database: &str) -> rusqlite::Result<Vec<String>> {
    let database = Connection::open(database)?;
    let mut statement = database.prepare("select name from people order by name")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Whether a year is over that began at a time.
pub fn is_over(since: DateTime<Utc>) -> bool {
    Utc::now().year() > since.year()
}

/// What a thing costs; slow.
pub fn price(of: u64) -> u64 {
    std::hint::black_box(of) * 2
}

/// What all things up to the last cost, by the threads of the current pool.
pub fn prices(last: u64) -> u64 {
    (1..=last).into_par_iter().map(price).sum()
}
