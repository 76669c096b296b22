//! The agent's heap, as that of a program with several threads.

#[path = "../src/heap.rs"]
mod heap;

use heap::Heap;
use std::thread;

#[global_allocator]
static HEAP: Heap = Heap::new();

extern "C" fn before() {
    HEAP.lock();
}

extern "C" fn after() {
    HEAP.unlock();
}

#[test]
fn children_of_forks_have_a_heap_while_other_threads_use_it() {
    // SAFETY: as in `agent/src/lib.rs`.
    unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after)) };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for n in 0..20_000_usize {
                    drop(std::hint::black_box(vec![0_u8; 1 + n % 5000]));
                }
            });
        }
        for _ in 0..50 {
            // SAFETY: the child allocates, which is what is tested, and ends.
            let child = unsafe { libc::fork() };
            if child == 0 {
                drop(std::hint::black_box(vec![1_u8; 10_000]));
                // SAFETY: ends the child.
                unsafe { libc::_exit(0) };
            }
            let mut status = -1;
            // SAFETY: its own child; there is room for the status.
            let waited = unsafe { libc::waitpid(child, &mut status, 0) };
            assert_eq!((waited, status), (child, 0));
        }
    });
}
