//! From a function to a mock of it.

use super::error::MockError;
use super::guard::Mock;
use super::show::{Anchor, Known, Parameter, Shown, Shows};
use super::signature::{Position, Signature, Target};
use super::site::Site;
use super::state::{Act, Action, Record, State, When};
use std::any::{TypeId, type_name};
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::{Mutex, PoisonError};

/// A type that does not get other lifetimes on the way.
pub(super) type Invariant<T> = PhantomData<fn(T) -> T>;

/// A function that is about to be mocked; made by [`mock!`](crate::mock!).
#[must_use = "nothing is mocked yet: say `.returns(…)`, `.with(…)` or `.passthrough()`"]
pub struct Builder<'l, P: Signature> {
    target: P,
    /// What the compiler calls the function, if it was given as one.
    item: Option<&'static str>,
    shown: Option<Shown>,
    when: Vec<When<P>>,
    is_everywhere: bool,
    is_checked: bool,
    error: Option<MockError>,
    made_at: &'static Location<'static>,
    types: Invariant<P>,
    anchor: PhantomData<&'l Anchor>,
}

impl<P: Signature> std::fmt::Debug for Builder<'_, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("target", &self.target.address())
            .finish()
    }
}

/// What a mock does once it has given all values that it had.
#[track_caller]
pub(super) fn exhausted(name: &str, given: usize) -> ! {
    panic!("`{name}` is mocked to return {given} values in order, and was called once more")
}

impl<'l, P: Signature> Builder<'l, P> {
    #[doc(hidden)]
    #[track_caller]
    pub fn new(
        target: Target<P>,
        anchor: &'l Anchor,
        know: impl FnOnce(&Self, &'l Anchor) -> Shown,
    ) -> Self {
        let mut builder = Self::of(target);
        let shown = know(&builder, anchor);
        builder.error = check_lifetimes(&shown, type_name::<P::Ret>(), type_name::<P>()).err();
        builder.shown = Some(shown);
        builder
    }

    #[track_caller]
    fn of(target: Target<P>) -> Self {
        Self {
            target: target.pointer,
            item: target.name,
            shown: None,
            when: Vec::new(),
            is_everywhere: false,
            is_checked: true,
            error: None,
            made_at: Location::caller(),
            types: PhantomData,
            anchor: PhantomData,
        }
    }

    #[doc(hidden)]
    pub fn parameter<const N: usize>(&self) -> Parameter<<P::Args as Position<N>>::Type>
    where
        P::Args: Position<N>,
    {
        Parameter::new()
    }

    /// Lets all threads of the process see the mock, also those that were there
    /// before. Other tests that run at the same time meet it.
    pub fn everywhere(mut self) -> Self {
        self.is_everywhere = true;
        self
    }

    /// Mocks the function although it is inlined into some callers, which go on with
    /// what they have, or may be.
    pub fn even_if_inlined(mut self) -> Self {
        self.is_checked = false;
        self
    }

    /// Mocks calls with such arguments only: the condition gets a reference to the
    /// tuple of them. For others the function is what it was: an older mock, or
    /// the original.
    ///
    /// ```
    /// # #[inline(never)] fn root(n: u32) -> u32 { std::hint::black_box(n).isqrt() }
    /// let mock = midair::mock!(root).when(|&(n,)| n > 100).returns(7);
    /// assert_eq!((root(16), root(144)), (4, 7));
    /// ```
    pub fn when(mut self, when: impl Fn(&P::Args) -> bool + Send + Sync + 'static) -> Self {
        self.when.push(Box::new(when));
        self
    }

    /// Calls go to the original, and are counted and recorded.
    ///
    /// # Panics
    ///
    /// If the function cannot be mocked.
    #[track_caller]
    pub fn passthrough(self) -> Mock {
        self.act(Act::Original)
    }

    /// Makes the function return copies of a value.
    ///
    /// If it returns a reference that is bound to an argument, use a closure:
    /// `mock!(name_of => |_| "midair")`.
    ///
    /// # Panics
    ///
    /// If the function cannot be mocked.
    #[track_caller]
    pub fn returns(self, value: P::Ret) -> Mock
    where
        P::Ret: Clone + Send + Sync + 'static,
    {
        self.answer(move |_| value.clone())
    }

    /// Makes the function return these values, one for each call. A call more is a
    /// panic in the caller.
    ///
    /// # Panics
    ///
    /// If the function cannot be mocked.
    #[track_caller]
    pub fn returns_in_order(self, values: impl IntoIterator<Item = P::Ret>) -> Mock
    where
        P::Ret: Send + 'static,
    {
        let values: VecDeque<P::Ret> = values.into_iter().collect();
        let given = values.len();
        let values = Mutex::new(values);
        let at = self.target.address() as usize;
        self.answer(move |_| {
            let next = values
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_front();
            next.unwrap_or_else(|| exhausted(&super::inspect::name(at), given))
        })
    }

    /// Makes a function whose result is an `impl Trait` return copies of a value of
    /// the type that is behind it.
    ///
    /// # Panics
    ///
    /// If the type behind it is another one, or the function cannot be mocked.
    #[track_caller]
    pub fn returns_hidden<V: Clone + Send + Sync + 'static>(self, value: V) -> Mock
    where
        P::Ret: 'static,
    {
        assert!(
            TypeId::of::<V>() == TypeId::of::<P::Ret>(),
            "the function returns a `{}`, not a `{}`",
            type_name::<P::Ret>(),
            type_name::<V>()
        );
        self.answer(move |_| {
            let value = std::mem::ManuallyDrop::new(value.clone());
            // SAFETY: the two types are one.
            unsafe { std::mem::transmute_copy::<V, P::Ret>(&value) }
        })
    }

    #[track_caller]
    fn answer(self, answer: impl Fn(P::Args) -> P::Ret + Send + Sync + 'static) -> Mock {
        self.act(Act::Answer(Box::new(answer)))
    }

    #[track_caller]
    fn act(self, act: Act<P>) -> Mock {
        match self.try_act(act) {
            Ok(mock) => mock,
            Err(error) => panic!("{error}"),
        }
    }

    fn try_act(self, act: Act<P>) -> Result<Mock, MockError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let site = Site::of(self.target)?;
        site.check_one(self.item)?;
        if self.is_checked {
            site.check_reach()?;
        }
        let record = Record::Arguments(Box::new(Shows(self.shown.unwrap_or([Known::NOTHING; 12]))));
        let state = State::new(
            site,
            Action {
                when: self.when,
                act,
                record,
            },
        );
        Mock::new(state, self.is_everywhere, self.made_at)
    }
}

/// A function whose whole signature was given, so that its closure is checked by
/// the macro.
#[doc(hidden)]
#[derive(Debug)]
#[must_use = "nothing is mocked yet: say `.returns(…)` or `.passthrough()`"]
pub struct Exact<P: Signature>(Builder<'static, P>);

impl<P: Signature> Exact<P> {
    #[doc(hidden)]
    #[track_caller]
    pub fn new(target: Target<P>, show: impl FnOnce(&Builder<'static, P>) -> Shown) -> Self {
        let mut builder = Builder::of(target);
        builder.shown = Some(show(&builder));
        Self(builder)
    }

    /// As [`Builder::everywhere`].
    pub fn everywhere(self) -> Self {
        Self(self.0.everywhere())
    }

    /// As [`Builder::even_if_inlined`].
    pub fn even_if_inlined(self) -> Self {
        Self(self.0.even_if_inlined())
    }

    /// As [`Builder::passthrough`].
    #[track_caller]
    pub fn passthrough(self) -> Mock {
        self.0.passthrough()
    }

    /// As [`Builder::returns`].
    #[track_caller]
    pub fn returns(self, value: P::Ret) -> Mock
    where
        P::Ret: Clone + Send + Sync + 'static,
    {
        self.0.returns(value)
    }

    /// As [`Builder::returns_in_order`].
    #[track_caller]
    pub fn returns_in_order(self, values: impl IntoIterator<Item = P::Ret>) -> Mock
    where
        P::Ret: Send + 'static,
    {
        self.0.returns_in_order(values)
    }
}

/// Whether all lifetimes in a signature are tied: a reference is, one inside of
/// another type is not.
pub(super) fn check_lifetimes(
    shown: &Shown,
    result: &str,
    signature: &str,
) -> Result<(), MockError> {
    let has_lifetime = |name: &str| name.contains('&') || name.contains("'_");
    let refuse = || MockError::Lifetimes {
        signature: signature.to_owned(),
    };
    let mut tied = 0;
    for known in shown {
        let name = known.type_name;
        let rest = if known.is_tied {
            name.trim_start_matches("&mut ").trim_start_matches('&')
        } else {
            name
        };
        tied += usize::from(known.is_tied);
        if has_lifetime(rest) {
            return Err(refuse());
        }
    }
    // A result that borrows from one parameter borrows from that one.
    if tied > 1 && has_lifetime(result) {
        return Err(refuse());
    }
    Ok(())
}

macro_rules! with {
    ([$($qualifier:tt)*] $($arg:ident $generic:ident)*) => {
        impl<'l, Ret, $($generic),*> Builder<'l, $($qualifier)* fn($($generic),*) -> Ret> {
            /// Makes the function do what a closure does.
            ///
            /// # Panics
            ///
            /// If the function cannot be mocked.
            #[track_caller]
            pub fn with<Closure>(self, closure: Closure) -> Mock
            where
                Closure: Fn($($generic),*) -> Ret + Send + Sync + 'static,
            {
                self.answer(move |($($arg,)*)| closure($($arg),*))
            }
        }

        impl<Ret, $($generic),*> Exact<$($qualifier)* fn($($generic),*) -> Ret> {
            #[doc(hidden)]
            #[track_caller]
            pub fn with<Closure>(self, closure: Closure) -> Mock
            where
                Closure: Fn($($generic),*) -> Ret + Send + Sync + 'static,
            {
                self.0.with(closure)
            }
        }
    };
}

macro_rules! for_each_abi {
    ($($arg:ident $generic:ident)*) => {
        with!([] $($arg $generic)*);
        with!([extern "C"] $($arg $generic)*);
        with!([extern "C-unwind"] $($arg $generic)*);
        with!([extern "system"] $($arg $generic)*);
        with!([unsafe] $($arg $generic)*);
        with!([unsafe extern "C"] $($arg $generic)*);
        with!([unsafe extern "C-unwind"] $($arg $generic)*);
        with!([unsafe extern "system"] $($arg $generic)*);
    };
}

for_each_abi!();
for_each_abi!(a A);
for_each_abi!(a A b B);
for_each_abi!(a A b B c C);
for_each_abi!(a A b B c C d D);
for_each_abi!(a A b B c C d D e E);
for_each_abi!(a A b B c C d D e E f F);
for_each_abi!(a A b B c C d D e E f F g G);
for_each_abi!(a A b B c C d D e E f F g G h H);
for_each_abi!(a A b B c C d D e E f F g G h H i I);
for_each_abi!(a A b B c C d D e E f F g G h H i I j J);
for_each_abi!(a A b B c C d D e E f F g G h H i I j J k K);
for_each_abi!(a A b B c C d D e E f F g G h H i I j J k K l L);
