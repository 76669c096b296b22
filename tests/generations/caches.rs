//! What the program remembers of its modules, set back by a reload.

use crate::agent::agent;
use midair::reload::protocol::{Bytes, Guarded, Load};
use std::cell::UnsafeCell;
use std::sync::Mutex;
use std::time::{Duration, Instant};

#[repr(C)]
struct Cache {
    lock: Mutex<()>,
    bytes: UnsafeCell<[u8; 4]>,
}

// SAFETY: who reads or writes the bytes has the lock.
unsafe impl Sync for Cache {}

static CACHE: Cache = Cache {
    lock: Mutex::new(()),
    bytes: UnsafeCell::new(*b"full"),
};

fn cached() -> [u8; 4] {
    let _lock = CACHE.lock.lock().unwrap();
    // SAFETY: the lock is taken.
    unsafe { *CACHE.bytes.get() }
}

#[test]
fn a_cache_that_is_in_use_during_a_reload_is_set_back_when_it_is_not_any_more() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    // A backtrace is written that takes longer than a reload waits.
    let lock = CACHE.lock.lock().unwrap();
    let cache = Guarded {
        lock: &raw const CACHE.lock as u64,
        bytes: Bytes {
            address: CACHE.bytes.get() as u64,
            bytes: b"none".to_vec(),
        },
    };
    agent
        .load(Load {
            caches: vec![cache],
            ..Load::default()
        })
        .unwrap();
    drop(lock);
    let begun = Instant::now();
    while cached() != *b"none" {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(10));
    }
    agent.undo_all();
}
