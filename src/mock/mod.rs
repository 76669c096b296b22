//! Mocks: functions that do something else for one test.
//!
//! [`mock!`](crate::mock!) takes the path of any function, of this crate, another
//! one, `std` or a C library, and needs nothing in the code under test: no trait,
//! no attribute, no feature. The function is patched by the engine below; a
//! *selector* at its entry asks whether the calling thread sees a mock of it, so
//! that tests that run at the same time never meet.
//!
//! ```
//! # #[inline(never)] fn price(of: &str) -> u32 { std::hint::black_box(of.len() as u32) }
//! # #[inline(never)] fn total(n: u32) -> u32 { n * price("tea") }
//! let mock = midair::mock!(price => |of| if of == "tea" { 5 } else { call_original!(of) });
//! assert_eq!(total(3), 15);
//! assert_eq!(mock.calls()[0].arguments, ["\"tea\""]);
//! drop(mock);
//! assert_eq!(total(3), 9);
//! ```
//!
//! - `signature`: types of functions; `show`: what the macro finds out about
//!   their parameters.
//! - `builder`: from a function to a mock; `guard`: what the test holds;
//!   `future`: the same for `async fn`s, whose futures `layout` knows; `state`: what
//!   both share; `expect`: how often it has to be called.
//! - `site`: a mocked function, its copies, and who answers a call.
//! - `scope`: which mocks a thread sees; `follow`: threads that are started;
//!   `cells`: how the others get past at the price of a counter.
//! - `inspect`: copies, inlined callers and folded functions.
//!
//! What this does not do: reach callers into which the function was inlined (that
//! is an error); follow work that is handed to threads that ran before
//! ([`Scope::enter`] does).

mod builder;
mod cells;
mod error;
mod expect;
mod follow;
mod future;
mod guard;
mod inspect;
mod layout;
mod scope;
mod show;
mod signature;
mod site;
mod state;

pub use builder::Builder;
pub use error::MockError;
pub use future::FutureBuilder;
pub use guard::{Mock, Times, reset_all};
pub use scope::{Attached, Entered, Scope, scope};
pub use signature::{Function, Signature};
pub use state::Call;

/// What [`mock!`](crate::mock!) expands to.
#[doc(hidden)]
pub mod __macro {
    pub use super::builder::Exact;
    pub use super::future::Original;
    pub use super::show::{
        Anchor, ByDebug, ByName, Known, Parameter, Shown, TieMutable, TieNothing, TieShared,
    };
    pub use super::signature::{Position, Target, fixed, hint, pointer};
    pub use super::site::original_of;

    /// The function of that name, of the type of `_like`.
    ///
    /// # Panics
    ///
    /// If there is none of that name and type.
    #[track_caller]
    pub fn named<P: super::Signature>(name: &str, _like: P) -> Target<P> {
        match super::inspect::named(name) {
            Ok(pointer) => Target {
                pointer,
                name: None,
            },
            Err(error) => panic!("{error}"),
        }
    }

    /// The same, of lifetimes that nobody checks.
    ///
    /// # Safety
    ///
    /// The function has the type that is given in all lifetimes: debug information
    /// says nothing about them.
    ///
    /// # Panics
    ///
    /// As [`named`].
    #[track_caller]
    pub unsafe fn promised<P: super::Signature>(name: &str, like: P) -> Target<P> {
        named(name, like)
    }

    /// Calls the original of a function past all mocks.
    ///
    /// # Safety
    ///
    /// As for calling the function.
    pub unsafe fn call<P: super::Signature>(target: Target<P>, args: P::Args) -> P::Ret {
        // SAFETY: the caller's promise.
        unsafe { original_of(target.pointer).call(args) }
    }
}

/// Replaces a function for this test.
///
/// `mock!(path => closure)` makes the function at `path` do what the closure does,
/// for the calling thread and for all threads that it starts afterwards, until the
/// [`Mock`](crate::mock::Mock) that it returns is dropped. In the closure,
/// `call_original!(…)` calls what is replaced.
///
/// `mock!(path)` is a [`Builder`](crate::mock::Builder), which has more ways to
/// say what the function is to do:
///
/// ```
/// # #[inline(never)] fn roll(sides: u32) -> u32 { std::hint::black_box(sides) }
/// let mock = midair::mock!(roll).returns_in_order([6, 1]).times(2);
/// assert_eq!((roll(20), roll(20)), (6, 1));
/// ```
///
/// A path can be anything that names a function: `Type::method`,
/// `<Type as Trait>::method`, `module::generic::<u32>`, `std::env::var::<&str>`.
///
/// Unsafe functions and those of another ABI than Rust's are cast to their type, in
/// which `_` is inferred; a C-variadic one says which arguments it is called with
/// behind the named ones:
///
/// ```
/// let mock = midair::mock!(libc::time as unsafe extern "C" fn(_) -> _ => |_| 0);
/// // SAFETY: null is allowed.
/// assert_eq!(unsafe { libc::time(std::ptr::null_mut()) }, 0);
///
/// let mock = midair::mock!(
///     libc::open as unsafe extern "C" fn(_, _, ...) -> _; libc::c_uint => |_, _, _mode| 42
/// );
/// # drop(mock);
/// ```
///
/// Private functions of other crates are given by their path as a string, with
/// their type, which is checked against their debug information:
///
/// ```ignore
/// let mock = midair::mock!("shop::till::discount": fn(&str) -> u32 => |_| 9);
/// ```
///
/// Debug information says nothing about lifetimes. So where the types have others
/// than those of references which are parameters, the signature is given with `for`,
/// and that it is right is a promise:
///
/// ```ignore
/// let mock = unsafe {
///     midair::mock!("shop::till::name": for<'a> fn(&'a Till<'_>) -> &'a str => |_| "till")
/// };
/// ```
///
/// Closures are checked with all lifetimes of the signature: one that keeps a
/// reference which it was given does not compile. Where the macro cannot see
/// lifetimes, because they are inside of other types or relate parameters to each
/// other, the mock is refused until the whole signature is given, with `for`:
///
/// ```
/// # #[inline(never)]
/// fn longer<'a>(a: &'a str, b: &'a str) -> &'a str {
///     if a.len() > b.len() { a } else { b }
/// }
/// let mock = midair::mock!(longer: for<'a> fn(&'a str, &'a str) -> &'a str => |a, _| a);
/// assert_eq!(longer("a", "bc"), "a");
/// ```
///
/// # Panics
///
/// If the function cannot be mocked; the message says why and what helps.
#[macro_export]
macro_rules! mock {
    (async $path:expr) => {
        $crate::__async_mock!($path)
    };
    (async $path:expr => async $(move)? |$($argument:pat_param),* $(,)?| $body:expr) => {
        $crate::__async_with!(
            ($path); with_async (move |$($argument),*| async move { $body }); $
        )
    };
    (async $path:expr => $closure:expr) => {
        $crate::__async_with!(($path); with ($closure); $)
    };
    ($name:literal : for<$($life:lifetime),* $(,)?> $($signature:tt)+) => {
        $crate::__signature!(@qualifiers [promised [$($life)*] $name] $($signature)+)
    };
    ($name:literal : $($signature:tt)+) => {
        $crate::__signature!(@qualifiers [named [] $name] $($signature)+)
    };
    ($path:path : for<$($life:lifetime),* $(,)?> $($signature:tt)+) => {
        $crate::__signature!(@qualifiers [[$($life)*] $path] $($signature)+)
    };
    (<$type:ty as $trait:path>::$method:ident $(::<$($generic:ty),*>)? : for<$($life:lifetime),* $(,)?> $($signature:tt)+) => {
        $crate::__signature!(
            @qualifiers [[$($life)*] <$type as $trait>::$method $(::<$($generic),*>)?] $($signature)+
        )
    };
    ($path:path as $type:ty $(=> $closure:expr)?) => {
        $crate::__maybe_with!(($crate::__typed!($path, $type)); (__mock); $($closure)?)
    };
    (<$own:ty as $trait:path>::$method:ident $(::<$($generic:ty),*>)? as $type:ty $(=> $closure:expr)?) => {
        $crate::__maybe_with!(
            ($crate::__typed!(<$own as $trait>::$method $(::<$($generic),*>)?, $type));
            (__mock); $($closure)?
        )
    };
    ($path:path as $type:ty; $($more:ty),+ $(=> $closure:expr)?) => {
        $crate::__maybe_with!(
            ($crate::mock::__macro::fixed::<_, ($($more,)+)>($crate::__typed!($path, $type)));
            (__mock); $($closure)?
        )
    };
    ($function:expr $(=> $closure:expr)?) => {
        $crate::__maybe_with!(($crate::__pointer!($function)); (__mock); $($closure)?)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __pointer {
    ($function:expr) => {
        $crate::mock::__macro::Target::new(
            $crate::mock::__macro::pointer($crate::mock::__macro::hint(&$function), $function),
            ::std::any::type_name_of_val(&$function),
        )
    };
}

/// The pointer of a type that was given: not by a cast, whose `_` would be known
/// too late.
#[doc(hidden)]
#[macro_export]
macro_rules! __typed {
    ($function:expr, $type:ty) => {{
        let item = $function;
        let name = ::std::any::type_name_of_val(&item);
        let pointer: $type = item;
        $crate::mock::__macro::Target::new(pointer, name)
    }};
}

/// A function whose signature is given.
#[doc(hidden)]
#[macro_export]
macro_rules! __signature {
    (@qualifiers $of:tt unsafe extern $abi:literal fn $($rest:tt)+) => {
        $crate::__signature!(@types $of [unsafe extern $abi] $($rest)+)
    };
    (@qualifiers $of:tt extern $abi:literal fn $($rest:tt)+) => {
        $crate::__signature!(@types $of [extern $abi] $($rest)+)
    };
    (@qualifiers $of:tt unsafe fn $($rest:tt)+) => {
        $crate::__signature!(@types $of [unsafe] $($rest)+)
    };
    (@qualifiers $of:tt fn $($rest:tt)+) => {
        $crate::__signature!(@types $of [] $($rest)+)
    };

    (@types $of:tt $qualifiers:tt ($($type:ty),* $(,)?) -> $ret:ty $(=> $closure:expr)?) => {
        $crate::__signature!(@done $of $qualifiers [$([$type])*] [$ret] $($closure)?)
    };
    (@types $of:tt $qualifiers:tt ($($type:ty),* $(,)?) $(=> $closure:expr)?) => {
        $crate::__signature!(@done $of $qualifiers [$([$type])*] [()] $($closure)?)
    };

    (@done [named [$($life:lifetime)*] $name:literal] [$($qualifier:tt)*] [$([$type:ty])*] [$ret:ty] $($closure:expr)?) => {{
        #[allow(clippy::extra_unused_lifetimes, clippy::needless_lifetimes, clippy::too_many_arguments)]
        $($qualifier)* fn declared<$($life),*>($(_: $type),*) -> $ret {
            unreachable!("only its type is used")
        }
        #[allow(unused)]
        fn checked<C: for<$($life),*> Fn($($type),*) -> $ret>(closure: C) -> C {
            closure
        }
        $crate::__maybe_with!(
            ($crate::mock::__macro::named($name, {
                let like: $($qualifier)* fn($($crate::__any!($type)),*) -> $crate::__any!($ret) =
                    declared;
                like
            }));
            (__mock); $(checked($closure))?
        )
    }};
    // What debug information does not say, a promise has to: lifetimes.
    (@done [promised [$($life:lifetime)*] $name:literal] [$($qualifier:tt)*] [$([$type:ty])*] [$ret:ty] $($closure:expr)?) => {{
        #[allow(clippy::extra_unused_lifetimes, clippy::needless_lifetimes, clippy::too_many_arguments)]
        $($qualifier)* fn declared<$($life),*>($(_: $type),*) -> $ret {
            unreachable!("only its type is used")
        }
        #[allow(unused)]
        fn checked<C: for<$($life),*> Fn($($type),*) -> $ret>(closure: C) -> C {
            closure
        }
        $crate::__maybe_with!(
            ($crate::mock::__macro::promised($name, {
                let like: $($qualifier)* fn($($crate::__any!($type)),*) -> $crate::__any!($ret) =
                    declared;
                like
            }));
            (__promised [$($life)*] $([$type])*); $(checked($closure))?
        )
    }};
    (@done [[$($life:lifetime)*] $path:expr] [$($qualifier:tt)*] [$([$type:ty])*] [$ret:ty]) => {{
        $crate::__signature!(@same [$($life)*] $path; [$($qualifier)*] [$([$type])*] [$ret]);
        $crate::__exact!(
            ($crate::__typed!($path, $($qualifier)* fn($($crate::__any!($type)),*) -> $crate::__any!($ret)))
            [$($life)*] $([$type])*
        )
    }};
    (@done [[$($life:lifetime)*] $path:expr] [$($qualifier:tt)*] [$([$type:ty])*] [$ret:ty] $closure:expr) => {{
        $crate::__signature!(@same [$($life)*] $path; [$($qualifier)*] [$([$type])*] [$ret]);
        fn checked<C: for<$($life),*> Fn($($type),*) -> $ret>(closure: C) -> C {
            closure
        }
        $crate::__with!(
            ($crate::__typed!($path, $($qualifier)* fn($($crate::__any!($type)),*) -> $crate::__any!($ret)));
            (__exact [$($life)*] $([$type])*); (checked($closure)); $
        )
    }};

    // Two functions of different types have a pointer type in common only if they
    // are the same in all lifetimes.
    (@same [$($life:lifetime)*] $path:expr; [$($qualifier:tt)*] [$([$type:ty])*] [$ret:ty]) => {
        #[allow(clippy::extra_unused_lifetimes, clippy::needless_lifetimes, clippy::too_many_arguments)]
        $($qualifier)* fn declared<$($life),*>($(_: $type),*) -> $ret {
            unreachable!("only its type is used")
        }
        let _ = if true { $path } else { declared };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __any {
    ($type:ty) => {
        _
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __mock {
    (($pointer:expr)) => {
        $crate::mock::Builder::new(
            $pointer,
            &$crate::mock::__macro::Anchor::new(),
            |of, anchor| $crate::__know!(of, anchor; 0 1 2 3 4 5 6 7 8 9 10 11),
        )
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __exact {
    (($pointer:expr) $($types:tt)*) => {
        $crate::mock::__macro::Exact::new($pointer, &$crate::__show!($($types)*))
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __promised {
    (($pointer:expr) $($types:tt)*) => {
        $crate::mock::__macro::Exact::unchecked($pointer, &$crate::__show!($($types)*))
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __maybe_with {
    (($pointer:expr); ($make:ident $($types:tt)*);) => {
        $crate::$make!(($pointer) $($types)*)
    };
    (($pointer:expr); $make:tt; $closure:expr) => {
        $crate::__with!(($pointer); $make; ($closure); $)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __with {
    (($pointer:expr); ($make:ident $($types:tt)*); ($closure:expr); $dollar:tt) => {
        $crate::$make!(($pointer) $($types)*).with({
            #[allow(unused_macros)]
            macro_rules! call_original {
                        ($dollar($dollar argument:expr),* $dollar(,)?) => {
                            {
                                let (target, arguments) = ($pointer, ($dollar($dollar argument,)*));
                                // SAFETY: a replacement may call what it replaces.
                                unsafe { $crate::mock::__macro::call(target, arguments) }
                            }
                        };
                    }
            $closure
        })
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __async_mock {
    ($path:expr) => {
        $crate::mock::FutureBuilder::new(
            &$path,
            &$crate::mock::__macro::Anchor::new(),
            |of, anchor| $crate::__know!(of, anchor; 0 1 2 3 4 5 6 7 8 9 10 11),
        )
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __async_with {
    (($path:expr); $how:ident ($closure:expr); $dollar:tt) => {
        $crate::__async_mock!($path).$how({
            #[allow(unused_macros)]
            macro_rules! call_original {
                        ($dollar($dollar argument:expr),* $dollar(,)?) => {
                            $crate::mock::__macro::Original::new($path($dollar($dollar argument),*))
                        };
                    }
            $closure
        })
    };
}
