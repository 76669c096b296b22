//! Runs each workload over our libraries and the system's, and prints the
//! digests and how long it took.
//!
//! ```text
//! cargo run --release -p midair-libraries --example workloads [ROWS]
//! ```

use midair_libraries::workload::{crypto::Crypto, sqlite::Sqlite, zlib::Zlib};
use midair_libraries::{Digest, Result, installed, sqlite, zlib};
use std::path::Path;
use std::time::Instant;

fn main() -> Result<()> {
    let rows = match std::env::args().nth(1) {
        None => 100_000,
        Some(text) => text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}")),
    };
    let zlibs = [Some(zlib().to_path_buf()), installed("libz.so.1")];
    for path in zlibs.into_iter().flatten() {
        let zlib = Zlib::load(&path)?;
        show(&path, || zlib.round_trip(1, 1 << 20))?;
    }
    let sqlites = [Some(sqlite().to_path_buf()), installed("libsqlite3.so.0")];
    for path in sqlites.into_iter().flatten() {
        let sqlite = Sqlite::load(&path)?;
        show(&path, || sqlite.run(rows))?;
    }
    match installed("libcrypto.so.3") {
        None => println!("libcrypto.so.3 is not installed"),
        Some(path) => {
            let crypto = Crypto::load(&path)?;
            show(&path, || crypto.run(1))?;
        }
    }
    Ok(())
}

fn show(path: &Path, run: impl Fn() -> Result<Digest>) -> Result<()> {
    let start = Instant::now();
    let digest = run()?;
    let file = path.file_name().unwrap_or(path.as_os_str()).display();
    println!(
        "{digest}  {:7.1} ms  {file}",
        start.elapsed().as_secs_f64() * 1e3
    );
    Ok(())
}
