//! Notes on axum: routes, state, a task in the background, and a database file.
//!
//! ```sh
//! cd examples/notes
//! cargo midair run -- notes.db 8080
//! curl -d 'buy milk' localhost:8080/notes    # 1
//! curl localhost:8080/notes
//! curl localhost:8080/status
//! ```
//!
//! Then edit `list`, `sweep` or `tidy` in the library `store`, save, and ask again.
//! The database stays open, connections stay, and so do all counts.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Router, serve};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use store::Store;
use tokio::net::TcpListener;

/// What all handlers share.
struct Shared {
    store: Store,
    requests: AtomicU64,
    sweeps: AtomicU64,
}

type Answer = Result<String, (StatusCode, String)>;

fn failed(error: store::Error) -> (StatusCode, String) {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

async fn add(State(shared): State<Arc<Shared>>, text: String) -> Answer {
    shared.requests.fetch_add(1, Ordering::Relaxed);
    let number = shared.store.add(&text).map_err(failed)?;
    Ok(number.to_string())
}

async fn list(State(shared): State<Arc<Shared>>) -> Answer {
    shared.requests.fetch_add(1, Ordering::Relaxed);
    let notes = shared.store.all().map_err(failed)?;
    Ok(notes.iter().map(|note| line(note)).collect())
}

/// A note as it is shown.
fn line(note: &str) -> String {
    format!("- {note}\n")
}

async fn status(State(shared): State<Arc<Shared>>) -> Answer {
    let requests = shared.requests.load(Ordering::Relaxed);
    let sweeps = shared.sweeps.load(Ordering::Relaxed);
    Ok(format!("{requests} requests, {sweeps} sweeps"))
}

/// Looks after the notes, ten times a second.
async fn look_after(shared: Arc<Shared>) {
    let mut turns = tokio::time::interval(Duration::from_millis(100));
    loop {
        turns.tick().await;
        sweep(&shared);
    }
}

/// One turn of it.
fn sweep(shared: &Shared) {
    shared.sweeps.fetch_add(1, Ordering::Relaxed);
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().unwrap_or_else(|| "notes.db".to_owned());
    let port = args.next().map_or(Ok(0), |port| port.parse())?;
    let shared = Arc::new(Shared {
        store: Store::open(Path::new(&file))?,
        requests: AtomicU64::new(0),
        sweeps: AtomicU64::new(0),
    });
    tokio::spawn(look_after(Arc::clone(&shared)));
    let routes = Router::new()
        .route("/notes", post(add).get(list))
        .route("/status", get(status))
        .with_state(shared);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}", listener.local_addr()?);
    serve(listener, routes).await?;
    Ok(())
}
