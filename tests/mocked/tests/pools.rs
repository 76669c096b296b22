//! Threads of pools: rayon's and tokio's.

use midair::mock;
use midair_mocked::{price, prices, settings};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::{Builder, Runtime};

const REAL: u64 = 100 * 101;

fn pool() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new()
        .num_threads(4)
        .build()
        .unwrap()
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .unwrap()
}

fn failure(mock: midair::mock::Mock) -> String {
    let panic = std::panic::AssertUnwindSafe(|| drop(mock));
    *std::panic::catch_unwind(panic)
        .unwrap_err()
        .downcast()
        .unwrap()
}

#[test]
fn rayon_with_a_pool_of_the_test() {
    let mock = mock!(price => |of| of);
    assert_eq!(pool().install(|| prices(100)), REAL / 2);
    assert_eq!(mock.count(), 100);
}

#[test]
fn rayon_with_a_pool_that_is_older() {
    let pool = pool();
    assert_eq!(pool.install(|| prices(100)), REAL);
    let mock = mock!(price => |of| of).times(100);
    assert_eq!(pool.install(|| prices(100)), REAL);
    let text = failure(mock);
    assert!(text.contains("have called the original"), "{text}");

    let mock = mock!(price => |of| of);
    let scope = midair::mock::scope();
    let entered = AtomicUsize::new(0);
    // Every worker enters it, until it leaves.
    pool.broadcast(|_| {
        let _entered = scope.enter();
        entered.fetch_add(price(7) as usize, Ordering::Relaxed);
    });
    assert_eq!((entered.into_inner(), mock.count()), (28, 4));
}

/// All tests of a process share rayon's global pool: its threads see what the
/// test saw that used it first, and nothing later.
#[test]
fn rayon_with_the_global_pool_needs_a_pool_of_the_test() {
    rayon::broadcast(|_| ());
    let mock = mock!(price => |of| of);
    assert_eq!(prices(100), REAL);
    assert_eq!(pool().install(|| prices(100)), REAL / 2);
    drop(mock);
}

#[test]
fn tokio_spawn_and_spawn_blocking() {
    let mock = mock!(price => |of| of + 1);
    let runtime = runtime();
    let sum: u64 = runtime.block_on(async {
        let tasks: Vec<_> = (0..100)
            .map(|n| tokio::spawn(async move { price(n) }))
            .collect();
        let blocking = tokio::task::spawn_blocking(|| price(1000));
        let mut sum = blocking.await.unwrap();
        for task in tasks {
            sum += task.await.unwrap();
        }
        sum
    });
    assert_eq!((sum, mock.count()), (1001 + 4950 + 100, 101));
}

#[test]
fn tokio_with_a_runtime_that_is_older() {
    let runtime = runtime();
    runtime.block_on(async { tokio::spawn(async { price(1) }).await.unwrap() });
    let mock = mock!(price => |of| of + 1);
    let scope = midair::mock::scope();
    runtime.block_on(async {
        assert_eq!(price(1), 2); // by this thread
        assert_eq!(tokio::spawn(async { price(2) }).await.unwrap(), 4);
        let task = scope.attach(async {
            let before = price(3);
            tokio::task::yield_now().await;
            before + price(4)
        });
        assert_eq!(tokio::spawn(task).await.unwrap(), 9);
        let blocking = move || {
            let _entered = scope.enter();
            price(5)
        };
        assert_eq!(tokio::task::spawn_blocking(blocking).await.unwrap(), 6);
    });
    assert_eq!(mock.count(), 4);
}

/// What tokio's file system does in a thread of its own.
#[test]
fn tokio_fs_reads_a_mocked_file() {
    let mock = mock!(std::fs::read_to_string::<PathBuf> => |path| {
        assert_eq!(path, PathBuf::from("/none/settings"));
        Ok("a\nb\nc".to_owned())
    })
    .once();
    let lines = runtime().block_on(settings(PathBuf::from("/none/settings")));
    assert_eq!(lines.unwrap(), 3);
    drop(mock);
    let _mock = mock!(async tokio::fs::read_to_string as fn(PathBuf) -> _)
        .returns_in_order([Err(std::io::ErrorKind::PermissionDenied.into())]);
    let denied = runtime().block_on(settings(PathBuf::from("/none/settings")));
    assert_eq!(
        denied.unwrap_err().kind(),
        std::io::ErrorKind::PermissionDenied
    );
}

/// As most people have it: the runtime's one thread is the test's.
#[tokio::test]
async fn a_test_of_tokio_mocks_for_its_own_tasks() {
    let mock = mock!(price).returns(3);
    assert_eq!(tokio::spawn(async { price(1) }).await.unwrap(), 3);
    // The pool for blocking work is started by this thread, now.
    assert_eq!(tokio::task::spawn_blocking(|| price(1)).await.unwrap(), 3);
    assert_eq!(mock.count(), 2);
}
