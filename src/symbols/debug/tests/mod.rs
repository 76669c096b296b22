//! Real crates, compiled in every way that matters, and asked.

mod build;
mod copies;
mod coroutines;
mod folded;
mod inlined;
mod signatures;
mod timing;
