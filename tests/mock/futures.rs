//! `async fn`s.

use midair::mock;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

#[derive(Clone, Debug, PartialEq)]
enum Fault {
    Offline,
}

async fn fetch(id: u32, of: String) -> Result<String, Fault> {
    tick().await;
    Ok(format!("{of} {}", black_box(id)))
}

async fn nothing() -> u8 {
    black_box(3)
}

struct Client {
    base: String,
}

impl Client {
    async fn get(&self, path: &str) -> String {
        tick().await;
        format!("{}{path}", self.base)
    }
}

async fn echo<T: Clone>(t: T) -> T {
    tick().await;
    t.clone()
}

/// Pending once.
async fn tick() {
    let mut ready = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut ready, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The result, or none if nobody would wake it.
fn run<F: Future>(future: F) -> Option<F::Output> {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        if !woken.0.swap(false, Ordering::Relaxed) {
            return None;
        }
    }
}

#[test]
fn a_value_and_an_error() {
    let mock = mock!(async fetch).returns_in_order([Ok("one".into()), Err(Fault::Offline)]);
    assert_eq!(run(fetch(1, "a".into())), Some(Ok("one".into())));
    assert_eq!(run(fetch(2, "b".into())), Some(Err(Fault::Offline)));
    let calls = mock.calls();
    assert_eq!(calls[1].arguments, ["2", "\"b\""]);
    drop(mock);
    assert_eq!(run(fetch(2, "b".into())), Some(Ok("b 2".into())));
}

#[test]
fn arguments_are_moved_to_the_closure() {
    let _mock = mock!(async fetch => |id, of| Ok(of + &"!".repeat(id as usize)));
    assert_eq!(run(fetch(3, "hey".into())), Some(Ok("hey!!!".into())));
    let _client = mock!(async Client::get => |client, path| format!("{} and {path}", client.base));
    let client = Client {
        base: "base".into(),
    };
    assert_eq!(run(client.get("path")), Some("base and path".into()));
    drop(_client);
    assert_eq!(run(client.get("path")), Some("basepath".into()));
}

#[test]
fn a_future_that_is_never_polled_or_never_ready_is_dropped() {
    let counted = Arc::new(());
    let _mock = mock!(async echo::<Arc<()>>).pending();
    drop(echo(Arc::clone(&counted)));
    assert_eq!(Arc::strong_count(&counted), 1);
    assert_eq!(run(echo(Arc::clone(&counted))), None);
    assert_eq!(Arc::strong_count(&counted), 1);
}

#[test]
fn an_async_closure_calls_the_original() {
    let _mock = mock!(async fetch => async |id, of| {
        tick().await;
        let own = call_original!(id + 1, of).await?;
        tick().await;
        Ok(own + "?")
    });
    assert_eq!(run(fetch(1, "x".into())), Some(Ok("x 2?".into())));
}

#[test]
fn a_condition_looks_at_the_arguments() {
    let mock = mock!(async fetch)
        .when(|(id, _)| *id > 1)
        .returns(Err(Fault::Offline));
    assert_eq!(run(fetch(1, "x".into())), Some(Ok("x 1".into())));
    assert_eq!(run(fetch(2, "x".into())), Some(Err(Fault::Offline)));
    assert_eq!(mock.count(), 1);
    let spy = mock!(async nothing).passthrough().times(1);
    assert_eq!(run(nothing()), Some(3));
    spy.verify().unwrap();
}
