//! The library that `cargo midair run` preloads into a program: it starts
//! midair's hot reload agent before `main`.
//!
//! It does nothing in a process that was not started by `cargo midair run`.

extern "C" fn start() {
    midair::agent();
}

// SAFETY: the section holds addresses of functions without parameters.
#[unsafe(link_section = ".init_array")]
#[used]
static START: extern "C" fn() = start;
