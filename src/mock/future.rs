//! Mocks of `async fn`s.
//!
//! Calling an `async fn` makes a future that holds the arguments and has done
//! nothing yet. So what is mocked is not the call but the first *poll*: the
//! `poll` function of the future's type is patched. There the arguments are moved
//! out of the future, which becomes one that has returned and owns nothing, and
//! the mock gives the result, at once or through a future of its own, which is
//! kept by the address of the one that it stands for: a future that was polled
//! does not move.
//!
//! Where a future has its arguments and its state is in the debug information
//! ([`super::layout`]), so mocks of `async fn`s need it; and the future has to be that
//! of an `async fn`, not one that somebody wrote by hand.
//!
//! Who sees the mock is whoever polls.

use super::builder::{Invariant, check_parameters, check_result, exhausted};
use super::error::MockError;
use super::guard::Mock;
use super::layout::{Layout, take};
use super::show::{Anchor, Parameter, Shown, Shows};
use super::signature::{Arguments, Function, Position};
use super::site::{Site, original_of};
use super::state::{Act, Action, Record, State, When};
use std::any::type_name;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

/// The type of the function that polls a future.
pub(super) type PollFn<'l, Fut> =
    fn(Pin<&'l mut Fut>, &'l mut Context<'l>) -> Poll<<Fut as Future>::Output>;

fn address<Fut>(future: &Pin<&mut Fut>) -> *const u8 {
    std::ptr::from_ref::<Fut>(future).cast()
}

/// An `async fn` that is about to be mocked; made by `mock!(async path)`.
#[must_use = "nothing is mocked yet: say `.returns(…)`, `.with(…)` or `.passthrough()`"]
pub struct FutureBuilder<'l, Args: Arguments, Fut: Future> {
    poll: PollFn<'l, Fut>,
    shown: Option<Shown>,
    when: Vec<When<PollFn<'l, Fut>>>,
    layout: Result<Arc<Layout>, MockError>,
    /// Why a closure cannot be trusted with the lifetimes of the result.
    result: Option<MockError>,
    is_everywhere: bool,
    is_checked: bool,
    made_at: &'static Location<'static>,
    types: Invariant<(Args, PollFn<'l, Fut>)>,
    anchor: PhantomData<&'l Anchor>,
}

impl<Args: Arguments, Fut: Future> fmt::Debug for FutureBuilder<'_, Args, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FutureBuilder")
            .field("future", &type_name::<Fut>())
            .finish()
    }
}

/// What a mock answers.
enum Step<T> {
    Now(T),
    Later(Later<T>),
}

type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<'l, Args: Arguments, Fut: Future> FutureBuilder<'l, Args, Fut> {
    #[doc(hidden)]
    #[track_caller]
    pub fn new<F: Function<Args, Output = Fut>>(
        _: &F,
        anchor: &'l Anchor,
        know: impl FnOnce(&Self, &'l Anchor) -> Shown,
    ) -> Self {
        let poll: PollFn<'l, Fut> = Fut::poll;
        let mut builder = Self {
            poll,
            shown: None,
            when: Vec::new(),
            layout: Layout::of::<Args, Fut>(poll).map(Arc::new),
            result: None,
            is_everywhere: false,
            is_checked: true,
            made_at: Location::caller(),
            types: PhantomData,
            anchor: PhantomData,
        };
        let shown = know(&builder, anchor);
        let result = type_name::<Fut::Output>();
        let signature = type_name::<fn(Args)>();
        if let Err(error) = check_parameters(&shown, signature) {
            builder.layout = Err(error);
        }
        builder.result = check_result(&shown, result, Some(type_name::<F>()), signature).err();
        builder.shown = Some(shown);
        builder
    }

    #[doc(hidden)]
    pub fn parameter<const N: usize>(&self) -> Parameter<<Args as Position<N>>::Type>
    where
        Args: Position<N>,
    {
        Parameter::new()
    }

    /// As [`Builder::everywhere`](super::Builder::everywhere).
    pub fn everywhere(mut self) -> Self {
        self.is_everywhere = true;
        self
    }

    /// As [`Builder::even_if_inlined`](super::Builder::even_if_inlined).
    pub fn even_if_inlined(mut self) -> Self {
        self.is_checked = false;
        self
    }

    /// As [`Builder::owned_result`](super::Builder::owned_result).
    pub fn owned_result(mut self) -> Self
    where
        Fut::Output: 'static,
    {
        self.result = None;
        self
    }

    /// As [`Builder::when`](super::Builder::when).
    pub fn when(mut self, when: impl Fn(&Args) -> bool + Send + Sync + 'static) -> Self {
        if let Ok(layout) = &self.layout {
            let layout = Arc::clone(layout);
            self.when.push(Box::new(move |(future, _)| {
                let at = address(future);
                // SAFETY: a future of this layout.
                if unsafe { !layout.is_new(at) } {
                    return true;
                }
                // SAFETY: it has its arguments still.
                let lent = unsafe { Lent::<Args>::of(at.cast_mut(), &layout) };
                when(&lent.args)
            }));
        }
        self
    }

    /// The original is polled, and calls are counted and recorded.
    ///
    /// # Panics
    ///
    /// If the function cannot be mocked.
    #[track_caller]
    pub fn passthrough(mut self) -> Mock {
        self.result = None;
        self.act(|_| Act::Original)
    }

    /// Makes the function return copies of a value.
    ///
    /// # Panics
    ///
    /// If the function cannot be mocked.
    #[track_caller]
    pub fn returns(self, value: Fut::Output) -> Mock
    where
        Fut::Output: Clone + Send + Sync + 'static,
    {
        self.steps(move |_| Step::Now(value.clone()))
    }

    /// Makes the function return these values, one for each call. A call more is a
    /// panic in the caller.
    ///
    /// # Panics
    ///
    /// If the function cannot be mocked.
    #[track_caller]
    pub fn returns_in_order(self, values: impl IntoIterator<Item = Fut::Output>) -> Mock
    where
        Fut::Output: Send + 'static,
    {
        let values: VecDeque<Fut::Output> = values.into_iter().collect();
        let given = values.len();
        let values = Mutex::new(values);
        self.steps(move |_| {
            let next = values
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_front();
            Step::Now(next.unwrap_or_else(|| exhausted(type_name::<Fut>(), given)))
        })
    }

    /// Makes the function never be ready, and never wake whoever polls it.
    ///
    /// # Panics
    ///
    /// If the function cannot be mocked.
    #[track_caller]
    pub fn pending(self) -> Mock
    where
        Fut::Output: Send + 'static,
    {
        self.steps(|_| Step::Later(Box::pin(std::future::pending())))
    }

    /// The closure gives the result at once.
    #[track_caller]
    fn at_once(self, answer: impl Fn(Args) -> Fut::Output + Send + Sync + 'static) -> Mock {
        self.act(|layout| {
            Act::Answer(Box::new(move |(future, _)| {
                // SAFETY: what comes here is new: see `act`.
                Poll::Ready(answer(unsafe { take::<Args, Fut>(future, &layout) }))
            }))
        })
    }

    #[track_caller]
    fn steps(mut self, step: impl Fn(Args) -> Step<Fut::Output> + Send + Sync + 'static) -> Mock
    where
        Fut::Output: 'static,
    {
        self.result = None; // owned, as it is 'static
        let running: Arc<Running<Fut::Output>> = Arc::default();
        let is_running = Arc::clone(&running);
        let mine = move |at: *const u8| is_running.has(at as usize);
        self.act_with(mine, |layout| {
            Act::Answer(Box::new(move |(future, context)| {
                let at = address(&future) as usize;
                // SAFETY: a future of this layout.
                let mut later = if unsafe { layout.is_new(address(&future)) } {
                    // SAFETY: it is new.
                    match step(unsafe { take::<Args, Fut>(future, &layout) }) {
                        Step::Now(value) => return Poll::Ready(value),
                        Step::Later(later) => later,
                    }
                } else {
                    match running.remove(at) {
                        Some(later) => later,
                        None => return Poll::Pending,
                    }
                };
                let polled = later.as_mut().poll(context);
                if polled.is_pending() {
                    running.insert(at, later);
                }
                polled
            }))
        })
    }

    #[track_caller]
    fn act(self, make: impl FnOnce(Arc<Layout>) -> Act<PollFn<'l, Fut>>) -> Mock {
        self.act_with(|_| false, make)
    }

    /// Polls are for the mock if the future is new, or one that it has begun to
    /// answer; the first are the calls.
    #[track_caller]
    fn act_with(
        mut self,
        is_mine: impl Fn(*const u8) -> bool + Send + Sync + 'static,
        make: impl FnOnce(Arc<Layout>) -> Act<PollFn<'l, Fut>>,
    ) -> Mock {
        let layout = match self.result {
            Some(error) => self.layout.and(Err(error)),
            None => self.layout,
        };
        let made = layout.and_then(|layout| {
            let name = super::inspect::async_name;
            let site = Site::named(self.poll, name)?;
            site.check_one(None)?;
            if self.is_checked {
                site.check_reach()?;
            }
            let known = Arc::clone(&layout);
            self.when.insert(
                0,
                Box::new(move |(future, _)| {
                    let at = address(future);
                    // SAFETY: a future of this layout.
                    unsafe { known.is_new(at) || is_mine(at) }
                }),
            );
            let shows = self.shown.map(Shows);
            let shown = Arc::clone(&layout);
            let record = Record::By(Box::new(move |(future, _)| {
                let at = address(future);
                // SAFETY: a future of this layout.
                if unsafe { !shown.is_new(at) } {
                    return None;
                }
                let show = |(n, &offset): (usize, &usize)| {
                    let argument = at.wrapping_add(offset).cast();
                    // SAFETY: a new future has its arguments there.
                    shows.map_or_else(String::new, |shows| unsafe { shows.show(n, argument) })
                };
                Some(shown.offsets.iter().enumerate().map(show).collect())
            }));
            let state = State::new(
                site,
                Action {
                    when: self.when,
                    act: make(layout),
                    record,
                },
            );
            Mock::new(state, self.is_everywhere, self.made_at)
        });
        match made {
            Ok(mock) => mock,
            Err(error) => panic!("{error}"),
        }
    }
}

/// The arguments of a new future, as a tuple. They go back when this is dropped:
/// whoever looks at them may change what is in a `Cell`.
struct Lent<'l, Args: Arguments> {
    args: ManuallyDrop<Args>,
    future: *mut u8,
    layout: &'l Layout,
}

impl<'l, Args: Arguments> Lent<'l, Args> {
    /// # Safety
    ///
    /// There is a new future of this layout, which nobody looks at meanwhile.
    unsafe fn of(future: *mut u8, layout: &'l Layout) -> Self {
        // SAFETY: the caller's promise.
        let args = unsafe { Args::read(future, &layout.offsets) };
        Self {
            args: ManuallyDrop::new(args),
            future,
            layout,
        }
    }
}

impl<Args: Arguments> Drop for Lent<'_, Args> {
    fn drop(&mut self) {
        // SAFETY: taken here, used no more.
        let args = unsafe { ManuallyDrop::take(&mut self.args) };
        // SAFETY: the future has not changed, so these are the places.
        unsafe { args.write(self.future, &self.layout.offsets) };
    }
}

/// The futures that mocks have begun to answer with.
struct Running<T>(Mutex<HashMap<usize, Later<T>>>);

impl<T> Default for Running<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Running<T> {
    fn has(&self, at: usize) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(&at)
    }

    fn remove(&self, at: usize) -> Option<Later<T>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&at)
    }

    /// One that was there is of a future that was dropped.
    fn insert(&self, at: usize, later: Later<T>) {
        let before = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(at, later);
        drop(before);
    }
}

/// The original of an `async fn`, called past all mocks.
#[doc(hidden)]
#[derive(Debug)]
pub struct Original<Fut>(Fut);

impl<Fut> Original<Fut> {
    #[doc(hidden)]
    pub fn new(future: Fut) -> Self {
        Self(future)
    }
}

impl<Fut: Future> Future for Original<Fut> {
    type Output = Fut::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Fut::Output> {
        // SAFETY: the field is pinned as the whole is.
        let future = unsafe { self.map_unchecked_mut(|original| &mut original.0) };
        let poll: fn(_, _) -> _ = Fut::poll;
        original_of(poll)(future, context)
    }
}

macro_rules! with {
    ($($arg:ident $generic:ident)*) => {
        impl<'l, Fut: Future, $($generic),*> FutureBuilder<'l, ($($generic,)*), Fut> {
            /// Makes the function do what a closure does, which gives the result at
            /// once.
            ///
            /// # Panics
            ///
            /// If the function cannot be mocked.
            #[track_caller]
            pub fn with<Closure>(self, closure: Closure) -> Mock
            where
                Closure: Fn($($generic),*) -> Fut::Output + Send + Sync + 'static,
            {
                self.at_once(move |($($arg,)*)| closure($($arg),*))
            }

            /// Makes the function do what the future does that a closure makes. The
            /// future owns what it needs: it cannot borrow from the arguments.
            ///
            /// # Panics
            ///
            /// If the function cannot be mocked.
            #[track_caller]
            pub fn with_async<Closure, Made>(self, closure: Closure) -> Mock
            where
                Closure: Fn($($generic),*) -> Made + Send + Sync + 'static,
                Made: Future<Output = Fut::Output> + Send + 'static,
                Fut::Output: 'static,
            {
                self.steps(move |($($arg,)*)| Step::Later(Box::pin(closure($($arg),*))))
            }
        }
    };
}

with!();
with!(a A);
with!(a A b B);
with!(a A b B c C);
with!(a A b B c C d D);
with!(a A b B c C d D e E);
with!(a A b B c C d D e E f F);
with!(a A b B c C d D e E f F g G);
with!(a A b B c C d D e E f F g G h H);
with!(a A b B c C d D e E f F g G h H i I);
with!(a A b B c C d D e E f F g G h H i I j J);
with!(a A b B c C d D e E f F g G h H i I j J k K);
with!(a A b B c C d D e E f F g G h H i I j J k K l L);
