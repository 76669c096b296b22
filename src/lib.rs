//! Change native code while it runs: patch any function of this process by its
//! symbol, call the original, take the patch off again.
//!
//! ```
//! #[inline(never)]
//! fn greet(n: u32) -> u32 { std::hint::black_box(n) + 1 }
//!
//! // SAFETY: the closure has the signature of `greet`, and nobody relies on it.
//! let patch = unsafe {
//!     midair::patch_closure(greet as fn(u32) -> u32, |original| move |n| original(n) * 100)
//! }?;
//! assert_eq!(greet(1), 200);
//! drop(patch);
//! assert_eq!(greet(1), 2);
//! # Ok::<(), midair::Error>(())
//! ```
//!
//! - [`symbol`] and [`symbols()`] find functions by name, glob or address in
//!   everything that is loaded.
//! - [`patch`], [`patch_symbol`], [`patch_raw`] and [`patch_closure`] replace
//!   one; [`Transaction`] changes many; [`unpatch_all`] takes all off.
//! - [`can_patch`] is the dry run: how a function would be patched, or why not.
//!
//! The entry of a patched function is a jump, written safely while other
//! threads run the function; the instructions that it displaces go on in a
//! relocated copy. What cannot be relocated with certainty is refused, with the
//! instruction and the reason ([`Refusal`]).
//!
//! What midair does not do: reach callers into which the compiler has inlined
//! the function (in release builds mark such functions `#[inline(never)]`, and
//! make their results opaque with `std::hint::black_box`); patch other
//! processes; work as non-root on a kernel that forbids both `/proc/self/mem`
//! and writable code. `ARCHITECTURE.md` tells how it works.

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("midair patches x86-64 and aarch64");

mod agent;
pub mod control;
mod error;
mod memory;
pub mod mock;
mod patch;
pub mod reload;
pub mod symbols;
mod threads;
#[cfg(feature = "tower")]
pub mod tower;

#[cfg(target_arch = "aarch64")]
use midair_arch::aarch64 as machine;
#[cfg(target_arch = "x86_64")]
use midair_arch::x86_64 as machine;

pub use agent::agent;
pub use error::Error;
pub use machine::{Displaced, Line, Strategy, disassemble};
pub use midair_arch::{Reason, Refusal};
pub use patch::{
    Closure, Committed, Consistency, FnPtr, Holdout, ImageSurroundings, Patch, Patches,
    PerfMapError, Plan, RawPatch, Reclaimed, Stats, Transactable, Transaction, Transition,
    Whereabouts, can_patch, patch, patch_closure, patch_raw, patch_symbol, perf_map, reclaim,
    stats, unpatch_all,
};
pub use reload::{generations, pin, pinned};
pub use symbols::{Symbol, SymbolError, SymbolKind, symbol, symbols};
#[cfg(target_arch = "aarch64")]
pub use threads::live::allow_unsanctioned_stores;
