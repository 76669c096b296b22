//! Arguments in words, and lifetimes of parameters.
//!
//! What [`mock!`](crate::mock!) is given is a function whose types are known where
//! the macro stands and nowhere else. So it asks there about each parameter, by a
//! method that is found with less or more references before it: has the type a
//! `Debug`? Is it a reference?
//!
//! A parameter that is a reference is of *some* lifetime, and a closure that takes
//! it must not rely on a longer one than the shortest that a caller may have. So
//! its lifetime is tied to that of an [`Anchor`], which ends with the statement
//! that makes the mock: a closure that keeps the reference does not compile.

use std::any::type_name;
use std::fmt::Debug;
use std::marker::PhantomData;

/// What lives no longer than the statement that it is in.
#[doc(hidden)]
#[derive(Debug)]
pub struct Anchor(());

impl Anchor {
    #[doc(hidden)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(())
    }
}

/// A parameter's type.
#[doc(hidden)]
#[derive(Debug)]
pub struct Parameter<T>(PhantomData<fn(T) -> T>);

impl<T> Parameter<T> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

/// What is known about one parameter.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub(super) show: unsafe fn(*const ()) -> String,
    pub(super) type_name: &'static str,
    /// It is a reference, whose lifetime is tied.
    pub(super) is_tied: bool,
}

impl Known {
    pub(super) const NOTHING: Self = Self {
        show: by_name::<()>,
        type_name: "()",
        is_tied: false,
    };
}

/// About all that a signature can have.
#[doc(hidden)]
pub type Shown = [Known; 12];

/// How arguments are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shows(pub(super) Shown);

impl Shows {
    /// # Safety
    ///
    /// At `at` is a value of the parameter's type.
    pub(super) unsafe fn show(&self, n: usize, at: *const ()) -> String {
        // SAFETY: the caller's promise.
        self.0
            .get(n)
            .map_or_else(String::new, |known| unsafe { (known.show)(at) })
    }
}

unsafe fn by_debug<T: Debug>(at: *const ()) -> String {
    // SAFETY: the caller's promise.
    format!("{:?}", unsafe { &*at.cast::<T>() })
}

unsafe fn by_name<T>(_: *const ()) -> String {
    format!("<{}>", type_name::<T>())
}

/// The type has a `Debug`.
#[doc(hidden)]
pub trait ByDebug {
    fn show(&self) -> unsafe fn(*const ()) -> String;
}

impl<T: Debug> ByDebug for &Parameter<T> {
    fn show(&self) -> unsafe fn(*const ()) -> String {
        by_debug::<T>
    }
}

/// It has none.
#[doc(hidden)]
pub trait ByName {
    fn show(&self) -> unsafe fn(*const ()) -> String;
}

impl<T> ByName for Parameter<T> {
    fn show(&self) -> unsafe fn(*const ()) -> String {
        by_name::<T>
    }
}

/// A shared reference.
#[doc(hidden)]
pub trait TieShared<'l> {
    fn tie(&self, _: &'l Anchor) -> bool {
        true
    }
}

impl<'l, T: ?Sized> TieShared<'l> for &&Parameter<&'l T> {}

/// A mutable reference.
#[doc(hidden)]
pub trait TieMutable<'l> {
    fn tie(&self, _: &'l Anchor) -> bool {
        true
    }
}

impl<'l, T: ?Sized> TieMutable<'l> for &Parameter<&'l mut T> {}

/// Something else.
#[doc(hidden)]
pub trait TieNothing {
    fn tie(&self, _: &Anchor) -> bool {
        false
    }
}

impl<T> TieNothing for Parameter<T> {}

impl<T> Parameter<T> {
    #[doc(hidden)]
    pub fn known(&self, show: unsafe fn(*const ()) -> String, is_tied: bool) -> Known {
        Known {
            show,
            type_name: type_name::<T>(),
            is_tied,
        }
    }
}

#[doc(hidden)]
#[macro_export]
macro_rules! __know {
    ($of:ident, $anchor:ident; $($n:literal)*) => {{
        #[allow(unused_imports)]
        use $crate::mock::__macro::{ByDebug, ByName, TieMutable, TieNothing, TieShared};
        [$({
            let parameter = $of.parameter::<$n>();
            let show = (&&parameter).show();
            let is_tied = (&&&parameter).tie($anchor);
            parameter.known(show, is_tied)
        }),*]
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __show {
    ($of:ident; $($n:literal)*) => {{
        #[allow(unused_imports)]
        use $crate::mock::__macro::{ByDebug, ByName};
        [$({
            let parameter = $of.parameter::<$n>();
            let show = (&&parameter).show();
            parameter.known(show, false)
        }),*]
    }};
}
