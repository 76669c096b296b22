//! Pins: who holds on to a generation of the code.
//!
//! - `held`: who does.
//! - `interface`: the program's midair asks the agent's, which is another copy.
//!
//! What users have of it is here: [`pin`] and [`pinned`].

pub(super) mod held;
mod interface;

pub use interface::{Interface, interface};

use held::Ticket;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin as Pinning;
use std::task::{Context, Poll};

pub(super) use interface::{activate, deactivate, find};

/// Holds the calling thread on the generation of the code that runs now.
///
/// While the guard lives, everything that this thread calls, however deep, is the
/// code of that generation, whatever reloads come meanwhile; other threads run
/// the newest. So a request that is answered by one thread sees one generation:
///
/// ```
/// # fn read() -> u32 { 1 }
/// # fn answer(_: u32) {}
/// fn serve() {
///     let _pin = midair::pin();
///     let request = read();
///     answer(request); // of the same generation as `read`
/// }
/// # serve();
/// ```
///
/// A pin inside of another one holds the outer one's generation. Threads that are
/// started are not pinned by it. The guard stays in its thread, which is pinned
/// until the last guard is dropped, or ends; in async code, where a task goes from
/// thread to thread, there is [`pinned`].
///
/// Without hot reload (in a program that `cargo midair run` has not started) the
/// guard does nothing and costs a few nanoseconds. It is not for signal handlers.
///
/// Data are of no generation: a `static` has one value for all, and so has an
/// immutable one whose value an edit has changed.
pub fn pin() -> Pin {
    let interface = find();
    Pin {
        held: interface.map(|interface| (interface, interface.enter())),
        thread: PhantomData,
    }
}

/// Holds a thread on a generation: made by [`pin`].
#[must_use = "the thread is pinned until this is dropped: bind it (`let _pin = …`, not `let _ = …`)"]
pub struct Pin {
    held: Option<(&'static Interface, Ticket)>,
    /// It stays in its thread.
    thread: PhantomData<*const ()>,
}

impl Pin {
    /// The number of the generation; none without hot reload.
    pub fn generation(&self) -> Option<u64> {
        self.held.as_ref().map(|(_, ticket)| ticket.era - 1)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        if let Some((interface, ticket)) = self.held.take() {
            interface.leave(ticket);
        }
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pin")
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}

/// Holds a future on the generation of the code that runs when this is called: on
/// that of the caller, if the caller is pinned.
///
/// Whichever thread polls it is pinned meanwhile. The generation is held until the
/// future is dropped.
///
/// ```
/// # async fn handle(_: u32) -> u32 { 1 }
/// # let request = 0;
/// let future = midair::pinned(handle(request)); // give it to an executor
/// # drop(future);
/// ```
///
/// Tasks that it spawns are not pinned by it: give `midair::pinned(…)` to the
/// executor there, too, which takes over the generation. The future's own drop runs
/// on that generation.
pub fn pinned<F>(future: F) -> Pinned<F> {
    Pinned {
        held: Held(find().map(|interface| (interface, interface.hold()))),
        future: Some(future),
    }
}

/// A future on a generation: made by [`pinned`].
#[must_use = "futures do nothing unless they are polled"]
pub struct Pinned<F> {
    held: Held,
    /// Dropped on its generation, before that is released.
    future: Option<F>,
}

impl<F> Pinned<F> {
    /// The number of the generation; none without hot reload.
    pub fn generation(&self) -> Option<u64> {
        self.held.0.map(|(_, era)| era - 1)
    }
}

/// A future's hold on an era.
struct Held(Option<(&'static Interface, u64)>);

impl Held {
    /// Until what comes back is dropped, the calling thread is on that era.
    fn begin(&self) -> Turn {
        Turn(
            self.0
                .map(|(interface, era)| (interface, interface.begin(era))),
        )
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some((interface, era)) = self.0.take() {
            interface.release(era);
        }
    }
}

/// A thread's turn at a future: also a panic ends it.
struct Turn(Option<(&'static Interface, u64)>);

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some((interface, before)) = self.0.take() {
            interface.end(before);
        }
    }
}

impl<F: Future> Future for Pinned<F> {
    type Output = F::Output;

    fn poll(self: Pinning<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the future is never moved out, and dropped where it is.
        let this = unsafe { self.get_unchecked_mut() };
        let _turn = this.held.begin();
        let future = this.future.as_mut().expect("there until it is dropped");
        // SAFETY: pinned as the whole is.
        unsafe { Pinning::new_unchecked(future) }.poll(context)
    }
}

impl<F> Drop for Pinned<F> {
    fn drop(&mut self) {
        let _turn = self.held.begin();
        // In place, so that this holds for what is pinned.
        self.future = None;
    }
}

impl<F> fmt::Debug for Pinned<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinned")
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}
