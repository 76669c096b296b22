//! The library that `cargo midair run` preloads into a program: it starts
//! midair's hot reload agent before `main`, and opens the control socket.
//!
//! It does nothing in a process that was not started by `cargo midair run`. A program that
//! is linked with midair has a second copy of it: what that has to offer over the
//! socket, it offers by the two functions here (`midair::control`).

mod heap;

use heap::Heap;

#[global_allocator]
static HEAP: Heap = Heap::new();

extern "C" fn start() {
    // A child of a fork gets the heap unlocked. Registered before midair's own
    // handlers, so the heap is locked after all else, and unlocked first.
    // SAFETY: the handlers live as long as this library, which is never unloaded.
    unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after)) };
    // Something is in it from here on.
    drop(std::hint::black_box(Box::new(0_u8)));
    midair::reload::own_heap(HEAP.range());
    midair::agent();
}

extern "C" fn before() {
    HEAP.lock();
}

extern "C" fn after() {
    HEAP.unlock();
}

// SAFETY: the section holds addresses of functions without parameters.
#[unsafe(link_section = ".init_array")]
#[used]
static START: extern "C" fn() = start;

/// The program's copy of midair answers what is asked about `Var`s and `Slot`s.
// SAFETY: nothing else has this name.
#[cfg(feature = "control")]
#[unsafe(no_mangle)]
pub extern "C" fn midair_agent_join_1(ask: midair::control::__Ask) {
    midair::control::__joined(ask);
}

/// The program asks for its socket.
///
/// # Safety
///
/// `told` may be called with `to`.
// SAFETY: nothing else has this name.
#[cfg(feature = "control")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midair_agent_serve_1(
    port: i32,
    told: midair::control::__Told,
    to: *mut std::ffi::c_void,
) {
    // SAFETY: the caller's promise.
    unsafe { midair::control::__serve(port, told, to) };
}

/// By this the program's own midair, another copy, finds this one.
// SAFETY: nothing else has this name.
#[unsafe(no_mangle)]
pub extern "C" fn midair_pins_v1() -> *const midair::reload::Interface {
    midair::reload::interface()
}
