//! axum, with a layer that pins each request.

use crate::{steps, tasks};
use axum::Router;
use axum::routing::{get, post};
use std::net::TcpListener;

pub async fn serve(listener: TcpListener) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let router = Router::new()
        .route("/", get(tasks::answer))
        .route("/hold", post(hold))
        .layer(midair::tower::PinLayer);
    axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await
}

/// A request that lasts until its body is there: the steps before it and after it.
async fn hold(request: axum::extract::Request) -> String {
    let before = steps::all(" ");
    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await;
    match body {
        Ok(_) => format!("{before}, {}", steps::all(" ")),
        Err(error) => error.to_string(),
    }
}
