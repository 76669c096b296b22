//! Threads that call functions all the time, while patches come and go.
//!
//! - [`everything`]: 64 threads walk over every shape of prologue, under
//!   pass-throughs, replacements, closures and stacks of two.
//! - [`observed`]: the same in a process of its own, with a profiling timer
//!   whose handler calls patched functions, and under `perf record`.
//! - [`one_function`]: one hot function, turned on and off and patched anew.
//!
//! CI runs a bounded number of cycles; `MIDAIR_CYCLES` sets another, such as
//! 1,000,000 for the long run (see CONTRIBUTING.md).
//!
//! On aarch64 the fixtures are fewer and the threads are eight: CI emulates them.

mod bag;
mod everything;
mod load;
mod observed;
mod one_function;
mod targets;
