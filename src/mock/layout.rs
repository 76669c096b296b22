//! Where the future of an `async fn` has its arguments and its state.
//!
//! The debug information says it ([`crate::symbols::debug`]); here that is compared
//! with the sizes of the types that the compiler has for the mock, and a new future
//! is made one that has returned.

use super::error::MockError;
use super::future::PollFn;
use super::signature::Arguments;
use crate::symbols::debug::{self, Coroutine};
use std::any::type_name;
use std::future::Future;
use std::pin::Pin;

/// Where a future has what.
#[derive(Debug)]
pub(super) struct Layout {
    coroutine: Coroutine,
    pub(super) offsets: Vec<usize>,
}

impl Layout {
    pub(super) fn of<Args: Arguments, Fut: Future>(
        poll: PollFn<'_, Fut>,
    ) -> Result<Self, MockError> {
        let future = type_name::<Fut>();
        let refuse = |why: String| MockError::Future {
            future: future.to_owned(),
            why,
        };
        let coroutine =
            debug::coroutine(poll as usize).map_err(|unknown| refuse(unknown.to_string()))?;
        let mine = Args::SIZES;
        let theirs: Vec<usize> = coroutine
            .arguments
            .iter()
            .map(|a| (a.place.end - a.place.start) as usize)
            .collect();
        if coroutine.size as usize != size_of::<Fut>() || theirs != mine {
            return Err(refuse(format!(
                "its debug information says {} bytes with arguments of {theirs:?} bytes; \
                 it has {} with {mine:?}",
                coroutine.size,
                size_of::<Fut>(),
            )));
        }
        let offsets = coroutine
            .arguments
            .iter()
            .map(|a| a.place.start as usize)
            .collect();
        Ok(Self { coroutine, offsets })
    }

    /// The state of a future.
    ///
    /// # Safety
    ///
    /// There is a future of this layout.
    unsafe fn state(&self, future: *const u8) -> u64 {
        let place = &self.coroutine.state;
        let mut bytes = [0_u8; 8];
        let len = (place.end - place.start) as usize;
        // SAFETY: in the future, by the caller's promise, and always initialised.
        unsafe {
            future
                .add(place.start as usize)
                .copy_to_nonoverlapping(bytes.as_mut_ptr(), len)
        };
        u64::from_le_bytes(bytes)
    }

    /// # Safety
    ///
    /// As for [`state`](Self::state).
    pub(super) unsafe fn is_new(&self, future: *const u8) -> bool {
        // SAFETY: the caller's promise.
        unsafe { self.state(future) == self.coroutine.unresumed }
    }

    /// The future has returned from here on.
    ///
    /// # Safety
    ///
    /// As for [`state`](Self::state); what it owned is owned by somebody else.
    unsafe fn set_returned(&self, future: *mut u8) {
        let place = &self.coroutine.state;
        let bytes = self.coroutine.returned.to_le_bytes();
        let len = (place.end - place.start) as usize;
        // SAFETY: as above, and nobody else looks at a future that is polled.
        unsafe {
            future
                .add(place.start as usize)
                .copy_from_nonoverlapping(bytes.as_ptr(), len)
        };
    }
}

/// Moves the arguments out of a new future, which has returned from then on.
///
/// # Safety
///
/// It is a future of this layout, and new.
pub(super) unsafe fn take<Args: Arguments, Fut>(future: Pin<&mut Fut>, layout: &Layout) -> Args {
    // SAFETY: nothing is moved out of a pinned value but what is not pinned: an
    // argument before the first poll.
    let at = std::ptr::from_mut(unsafe { future.get_unchecked_mut() }).cast::<u8>();
    // SAFETY: the caller's promise.
    let args = unsafe { Args::read(at, &layout.offsets) };
    // SAFETY: they are owned by `args` now.
    unsafe { layout.set_returned(at) };
    args
}
