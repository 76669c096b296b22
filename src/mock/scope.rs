//! Which mocks a thread sees: its *scope*.
//!
//! A scope is a list of mocks, newest first, that is never changed: making a mock
//! gives the calling thread a longer list, and a thread that is started gets the
//! list that its starter has at that moment ([`super::follow`]). So a mock is seen
//! by the thread that made it and by all that it starts afterwards, directly or
//! not, and by nobody else. A mock that is dropped is dead in all lists.

use super::cells;
use super::state::State;
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

struct Node {
    state: Arc<State>,
    older: List,
}

type List = Option<Arc<Node>>;

thread_local! {
    static OWN: RefCell<List> = const { RefCell::new(None) };
    /// The calling thread is in this layer: what it calls meanwhile, in a signal
    /// handler, a `when` or a `Debug`, is not mocked.
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// The calling thread is in this layer until this is dropped.
pub(super) struct Busy(PhantomData<*const ()>);

impl Busy {
    /// None if it is in it already.
    pub(super) fn enter() -> Option<Self> {
        // Not `then_some`: one that is made and dropped would leave.
        (!BUSY.replace(true)).then(|| Self(PhantomData))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.set(false);
    }
}

/// The mocks that a thread sees, to be [entered](Scope::enter) by another one.
///
/// Threads and tasks that are started under a mock see it by themselves. What
/// cannot be followed is a thread that ran before the mock was made, such as one
/// of a pool: there, code that is to see the mocks enters their scope, and a future
/// is [attached](Self::attach) to it.
///
/// ```
/// # #[inline(never)] fn answer() -> u32 { std::hint::black_box(41) }
/// let (jobs, queue) = std::sync::mpsc::channel::<Box<dyn FnOnce() + Send>>();
/// let worker = std::thread::spawn(move || queue.into_iter().for_each(|job| job()));
///
/// let mock = midair::mock!(answer).returns(42);
/// let scope = midair::mock::scope();
/// jobs.send(Box::new(|| assert_eq!(answer(), 41)))?;
/// jobs.send(Box::new(move || {
///     let _entered = scope.enter();
///     assert_eq!(answer(), 42);
/// }))?;
/// drop(jobs);
/// worker.join().unwrap();
/// # Ok::<(), std::sync::mpsc::SendError<Box<dyn FnOnce() + Send>>>(())
/// ```
#[derive(Clone, Default)]
pub struct Scope(List);

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mocks = nodes(&self.0).map(|node| node.state.name());
        f.debug_tuple("Scope")
            .field(&mocks.collect::<Vec<_>>())
            .finish()
    }
}

/// The mocks that the calling thread sees now.
pub fn scope() -> Scope {
    let _busy = Busy::enter();
    Scope(OWN.try_with(|own| own.borrow().clone()).unwrap_or_default())
}

/// The calling thread is in a [`Scope`] until this is dropped.
#[must_use = "the scope is left when this is dropped"]
#[derive(Debug)]
pub struct Entered {
    before: Scope,
    thread: PhantomData<*const ()>,
}

impl Scope {
    /// The calling thread sees these mocks instead of its own until the result is
    /// dropped.
    pub fn enter(&self) -> Entered {
        Entered {
            before: Self(replace(self.0.clone())),
            thread: PhantomData,
        }
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether no mock in it is live.
    pub(super) fn is_over(&self) -> bool {
        nodes(&self.0).all(|node| !node.state.is_live())
    }

    /// A future that sees these mocks wherever it is polled: for one that is handed
    /// to a runtime whose threads ran before the mocks were made.
    ///
    /// ```
    /// # #[inline(never)] fn answer() -> u32 { std::hint::black_box(41) }
    /// let mock = midair::mock!(answer).returns(42);
    /// let task = midair::mock::scope().attach(async { answer() });
    /// // tokio::spawn(task)
    /// # drop(task);
    /// ```
    pub fn attach<F: Future>(&self, future: F) -> Attached<F> {
        Attached {
            scope: self.clone(),
            future,
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        replace(self.before.0.take());
    }
}

/// A future that is in a [`Scope`], by [`Scope::attach`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are polled"]
pub struct Attached<F> {
    scope: Scope,
    future: F,
}

impl<F: Future> Future for Attached<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _entered = self.scope.enter();
        // SAFETY: the future is pinned as the whole is; nothing moves it.
        unsafe { self.map_unchecked_mut(|attached| &mut attached.future) }.poll(context)
    }
}

/// Gives the calling thread a list; returns the one that it had.
fn replace(list: List) -> List {
    let busy = Busy::enter();
    let known = Scope(list.clone());
    let before = OWN.try_with(|own| own.replace(list)).unwrap_or_default();
    cells::set_scope(known);
    drop(busy);
    before
}

/// Adds a mock to those that the calling thread sees.
pub(super) fn add(state: Arc<State>) {
    change(|mut states| {
        states.push(state);
        states
    });
}

/// Forgets mocks of the calling thread that are dead.
pub(super) fn forget_dead() {
    change(|states| states);
}

/// All live mocks that the calling thread sees, oldest first.
pub(super) fn own() -> Vec<Arc<State>> {
    let scope = scope();
    let mut states: Vec<_> = nodes(&scope.0)
        .map(|node| Arc::clone(&node.state))
        .collect();
    states.reverse();
    states.retain(|state| state.is_live());
    states
}

fn change(make: impl FnOnce(Vec<Arc<State>>) -> Vec<Arc<State>>) {
    let list = make(own())
        .into_iter()
        .fold(None, |older, state| Some(Arc::new(Node { state, older })));
    drop(replace(list));
}

/// Asks `f` about the mocks that the calling thread sees, newest first, until it
/// has an answer.
pub(super) fn find<R>(mut f: impl FnMut(&Arc<State>) -> Option<R>) -> Option<R> {
    OWN.try_with(|own| nodes(&own.borrow()).find_map(|node| f(&node.state)))
        .ok()?
}

fn nodes(list: &List) -> impl Iterator<Item = &Node> {
    std::iter::successors(list.as_deref(), |node| node.older.as_deref())
}
