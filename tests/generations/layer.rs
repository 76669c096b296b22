//! A tower service whose requests are pinned.

use crate::agent::agent;
use crate::versions::{fresh, request, sum, swaps};
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tower_layer::Layer as _;
use tower_service::Service;

/// Answers with what a request gives when it comes in, and with what it gives when it
/// has been waited for.
struct Handler;

impl Service<()> for Handler {
    type Response = [u64; 2];
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<[u64; 2], Infallible>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: ()) -> Self::Future {
        let before = request();
        let mut is_ready = false;
        Box::pin(async move {
            std::future::poll_fn(|_| match std::mem::replace(&mut is_ready, true) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
            Ok([before, request()])
        })
    }
}

#[test]
fn a_request_of_a_service_has_the_code_with_which_it_came_in() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    fresh(agent);
    let mut service = midair::tower::PinLayer.layer(Handler);
    let mut plain = Handler;
    let context = &mut Context::from_waker(Waker::noop());
    assert_eq!(service.poll_ready(context), Poll::Ready(Ok(())));
    let (mut old, mut unpinned) = (pin!(service.call(())), plain.call(()));
    assert!(old.as_mut().poll(context).is_pending());
    assert!(unpinned.as_mut().poll(context).is_pending());
    agent.reload(&swaps(&[0; 4], &[20; 4]));
    let new = sum(&[20; 4]);
    let mut next = pin!(service.call(()));
    assert!(next.as_mut().poll(context).is_pending());
    assert_eq!(old.as_mut().poll(context), Poll::Ready(Ok([0, 0])));
    assert_eq!(next.as_mut().poll(context), Poll::Ready(Ok([new, new])));
    // What the layer is for.
    assert_eq!(unpinned.as_mut().poll(context), Poll::Ready(Ok([0, new])));
}
