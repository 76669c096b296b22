//! Calls that go one way or the other, by the thread that makes them.
//!
//! A *selector* is code near a function to which a patch of it leads. Where the
//! calling thread's cell for the function, a counter in thread-local storage at a
//! fixed distance from the thread pointer, is negative, it goes to the *thunk*
//! of the layer above ([`super::arrival`]); otherwise it counts the call there
//! and goes on to the original: one addition and two jumps. Who makes a cell
//! negative, and what a thunk does, is the business of the layer above.
//!
//! Selectors stay for good: a thread may be in one at any time.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
use aarch64 as machine;
#[cfg(target_arch = "x86_64")]
use x86_64 as machine;

pub(crate) use machine::thread_pointer;

use super::registry::registry;
use crate::Error;
use crate::machine::frame::CALLED;
use crate::memory::arena::Lifetime;

/// The code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selector {
    at: usize,
}

impl Selector {
    /// A selector for the function at `target`, whose original is at `original`.
    /// `cell` is the distance from the thread pointer to the calling thread's
    /// cell; without one all calls go to the thunk. What `arrival` points to
    /// begins with the address of the thunk, and stays for good.
    pub(crate) fn new(
        target: usize,
        original: usize,
        cell: Option<isize>,
        arrival: usize,
    ) -> Result<Self, Error> {
        let code = machine::code(original, cell.and_then(|d| i32::try_from(d).ok()), arrival);
        let mut registry = registry();
        let (arena, _) = registry.memory();
        let at = arena
            .code_if_possible_near(Lifetime::Kept, target, code.len())
            .map_err(|source| Error::Memory { target, source })?;
        registry.write_code(at, code, CALLED)?;
        Ok(Self { at })
    }

    /// Where calls are told apart.
    pub(crate) fn by_thread(self) -> *const () {
        self.at as *const ()
    }

    /// Where the original is called by what does not know whether it is C-variadic.
    pub(crate) fn original(self) -> *const () {
        (self.at + machine::ORIGINAL) as *const ()
    }

    /// Where all calls go to the thunk.
    pub(crate) fn always(self) -> *const () {
        (self.at + machine::ALWAYS) as *const ()
    }
}
