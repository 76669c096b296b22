//! A layer for tower's services, such as axum's: each request is answered by the code of
//! one generation.
//!
//! With midair's feature `tower`.

use crate::reload::{Pinned, pin, pinned};
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Each request runs on the generation of the code at which it came in, until its
/// response is there; requests that come later run the newest.
///
/// ```
/// use tower_layer::Layer as _;
/// # struct Router;
/// # let router = Router;
/// let service = midair::tower::PinLayer.layer(router);
/// // With axum: Router::new().route(…).layer(midair::tower::PinLayer)
/// # drop(service);
/// ```
///
/// What the handler spawns is not pinned with it ([`midair::pinned`](crate::pinned)), and
/// neither is a body that is streamed after the response has begun.
#[derive(Clone, Copy, Debug, Default)]
pub struct PinLayer;

impl<S> Layer<S> for PinLayer {
    type Service = PinService<S>;

    fn layer(&self, inner: S) -> PinService<S> {
        PinService { inner }
    }
}

/// A service whose requests are pinned: made by [`PinLayer`].
#[derive(Clone, Copy, Debug)]
pub struct PinService<S> {
    inner: S,
}

impl<R, S: Service<R>> Service<R> for PinService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pinned<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        // The future takes over the generation at which it is made.
        let _pin = pin();
        pinned(self.inner.call(request))
    }
}
