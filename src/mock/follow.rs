//! Threads that are started see what their starter sees.
//!
//! Every thread of the process is made by `pthread_create`, also those of std,
//! rayon and tokio. While midair has mocks, that function is patched: the new
//! thread takes its starter's scope with it, and is known to [`super::cells`].

use super::cells;
use super::scope::{Scope, scope};
use crate::{Error, FnPtr};
use libc::{c_int, c_void, pthread_attr_t, pthread_t};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

type Start = extern "C-unwind" fn(*mut c_void) -> *mut c_void;
type Create =
    unsafe extern "C" fn(*mut pthread_t, *const pthread_attr_t, Start, *mut c_void) -> c_int;

unsafe extern "C" {
    // As libc declares it, but for a start that may be unwound by pthread_exit.
    fn pthread_create(
        thread: *mut pthread_t,
        attributes: *const pthread_attr_t,
        start: Start,
        argument: *mut c_void,
    ) -> c_int;
}

static ORIGINAL: AtomicUsize = AtomicUsize::new(0);

/// From now on threads are followed, until the process ends.
///
/// # Errors
///
/// As for [`patch`](crate::patch).
pub(super) fn start() -> Result<(), Error> {
    static STARTED: Mutex<bool> = Mutex::new(false);
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*started {
        let target: Create = pthread_create;
        // SAFETY: `create` makes the same thread, and is there for good.
        let patch = unsafe {
            crate::patch_raw(target.address(), |original| {
                ORIGINAL.store(original as usize, Ordering::Release);
                let replacement: Create = create;
                replacement.address()
            })
        }?;
        patch.leak();
        *started = true;
    }
    Ok(())
}

/// What a new thread takes with it.
struct Luggage {
    scope: Scope,
    start: Start,
    argument: *mut c_void,
}

/// # Safety
///
/// As for `pthread_create`.
unsafe extern "C" fn create(
    thread: *mut pthread_t,
    attributes: *const pthread_attr_t,
    start: Start,
    argument: *mut c_void,
) -> c_int {
    let luggage = Box::into_raw(Box::new(Luggage {
        scope: scope(),
        start,
        argument,
    }));
    // SAFETY: stored before anything could lead here.
    let original = unsafe { Create::from_address(ORIGINAL.load(Ordering::Acquire) as *const ()) };
    // SAFETY: the caller's promise; `arrive` takes what it is given.
    let result = unsafe { original(thread, attributes, arrive, luggage.cast()) };
    if result != 0 {
        // SAFETY: no thread was made, so nobody else has it.
        drop(unsafe { Box::from_raw(luggage) });
    }
    result
}

/// Where a new thread begins.
extern "C-unwind" fn arrive(luggage: *mut c_void) -> *mut c_void {
    // SAFETY: made by `create` for this thread alone.
    let Luggage {
        scope,
        start,
        argument,
    } = *unsafe { Box::from_raw(luggage.cast()) };
    if scope.is_empty() {
        cells::join();
    } else {
        // Left by the thread's end: destructors of thread-locals are in it.
        std::mem::forget(scope.enter());
    }
    drop(scope);
    start(argument)
}
