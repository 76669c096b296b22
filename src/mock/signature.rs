//! Types of functions, for what has to know their parameters.

use super::site::{Site, answer};
use crate::FnPtr;
use crate::patch::arrival;
use std::marker::PhantomData;

/// A function pointer whose functions can be mocked: of up to twelve parameters.
///
/// # Safety
///
/// The thunk is a function of this type whose first act is to pop its site.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the type of a function pointer that can be mocked",
    label = "this is no function, or one whose type has to be given",
    note = "give the type of an unsafe function or one of another ABI than Rust's: `mock!(path as unsafe extern \"C\" fn(_, _) -> _ => |a, b| …)`"
)]
pub unsafe trait Signature: FnPtr {
    /// The parameters, as a tuple.
    type Args: Arguments;
    /// The result.
    type Ret;
    /// What mocks of functions of this type are called by.
    #[doc(hidden)]
    fn thunk() -> Self;
    /// Calls the function.
    ///
    /// # Safety
    ///
    /// As for calling a function of this type.
    #[doc(hidden)]
    unsafe fn call(self, args: Self::Args) -> Self::Ret;
    /// Tells each argument's address.
    #[doc(hidden)]
    fn each(args: &Self::Args, tell: &mut dyn FnMut(usize, *const ()));
}

/// A function item or closure with parameters `Args`; `Pointer` is the type of
/// pointers to it, if its ABI is Rust's.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be mocked without its type",
    label = "this is no function, or one whose type has to be given",
    note = "give the type of an unsafe function or one of another ABI than Rust's: `mock!(path as unsafe extern \"C\" fn(_, _) -> _ => |a, b| …)`",
    note = "functions of up to twelve parameters can be mocked"
)]
pub trait Function<Args> {
    /// The pointer.
    type Pointer;
    /// What it returns.
    type Output;
}

/// The type of pointers to a function.
#[doc(hidden)]
pub fn hint<F: Function<Args>, Args>(_: &F) -> PhantomData<F::Pointer> {
    PhantomData
}

/// A pointer to a function, and what the compiler calls the function.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Target<P> {
    pub(super) pointer: P,
    pub(super) name: Option<&'static str>,
}

impl<P> Target<P> {
    /// The function whose type is called `name`.
    pub fn new(pointer: P, name: &'static str) -> Self {
        // The type of a function is called as the function is; that of a pointer is
        // not.
        let is_item = !name.contains("fn(");
        Self {
            pointer,
            name: is_item.then_some(name),
        }
    }
}

/// The pointer to a function: a place where one becomes the other.
#[doc(hidden)]
pub fn pointer<P>(_: PhantomData<P>, pointer: P) -> P {
    pointer
}

/// A tuple's element, or nothing behind its end.
#[doc(hidden)]
pub trait Position<const N: usize> {
    type Type;
}

macro_rules! positions {
    // The first parameters, each with its number, and the numbers behind them.
    ([$($generic:ident $n:tt)*] [$($behind:tt)*]) => {
        positions!(@each [$($generic)*] $([$generic $n])* $([() $behind])*);
    };
    (@each $all:tt $([$type:tt $n:tt])*) => {
        $(positions!(@one $all $type $n);)*
    };
    (@one [$($generic:ident)*] $type:tt $n:tt) => {
        impl<$($generic),*> Position<$n> for ($($generic,)*) {
            type Type = $type;
        }
    };
}

/// The parameters of a function, as a tuple.
///
/// # Safety
///
/// The sizes are those of the elements, in their order.
pub unsafe trait Arguments: Sized {
    #[doc(hidden)]
    const SIZES: &'static [usize];
    /// What the compiler calls their types.
    #[doc(hidden)]
    fn names() -> Vec<&'static str>;
    /// Copies the elements from `offsets` behind `from`.
    ///
    /// # Safety
    ///
    /// There are values of their types.
    #[doc(hidden)]
    unsafe fn read(from: *const u8, offsets: &[usize]) -> Self;
    /// Copies the elements to `offsets` behind `to`, over what is there.
    ///
    /// # Safety
    ///
    /// There is room for values of their types.
    #[doc(hidden)]
    unsafe fn write(self, to: *mut u8, offsets: &[usize]);
}

/// A C-variadic function that is called with certain arguments behind the named
/// ones. On Linux they are passed as if they were named (System V ABI for x86-64,
/// AAPCS64), if no smaller than an `int`; that x86-64 also passes a bound of the number
/// of vector registers is the selector's business.
#[doc(hidden)]
pub trait Variadic<More>: FnPtr {
    type Fixed: FnPtr;
}

/// The function as one that takes just these arguments.
#[doc(hidden)]
pub fn fixed<P: Variadic<More>, More>(target: Target<P>) -> Target<P::Fixed> {
    Target {
        // SAFETY: the thunk and the calls of this type pass arguments as variadic
        // ones.
        pointer: unsafe { P::Fixed::from_address(target.pointer.address()) },
        name: target.name,
    }
}

/// What may be passed behind the named arguments.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument behind the `...` of a C function",
    note = "smaller types are passed as `c_int` or `c_double`"
)]
pub trait Promoted {}

macro_rules! promoted {
    ($($type:ty)*) => {
        $(impl Promoted for $type {})*
    };
}

promoted!(i32 u32 i64 u64 isize usize f64);
impl<T> Promoted for *const T {}
impl<T> Promoted for *mut T {}

macro_rules! variadic {
    ([$($generic:ident)*] $($more:ident)*) => {
        impl<Ret, $($generic,)* $($more: Promoted),*> Variadic<($($more,)*)>
            for unsafe extern "C" fn($($generic,)* ...) -> Ret
        {
            type Fixed = unsafe extern "C" fn($($generic,)* $($more),*) -> Ret;
        }
    };
}

macro_rules! variadic_with_up_to_four {
    ($($named:tt)*) => {
        variadic!([$($named)*] X);
        variadic!([$($named)*] X Y);
        variadic!([$($named)*] X Y Z);
        variadic!([$($named)*] X Y Z W);
    };
}

variadic_with_up_to_four!(A);
variadic_with_up_to_four!(A B);
variadic_with_up_to_four!(A B C);
variadic_with_up_to_four!(A B C D);

macro_rules! implement {
    ([$($qualifier:tt)*] $($arg:ident $generic:ident $n:tt)*) => {
        // SAFETY: the thunk is of the type, and pops first.
        #[diagnostic::do_not_recommend]
        unsafe impl<Ret, $($generic),*> Signature for $($qualifier)* fn($($generic),*) -> Ret {
            type Args = ($($generic,)*);
            type Ret = Ret;

            fn thunk() -> Self {
                // The target's own parameters, however many.
                #[allow(clippy::too_many_arguments)]
                $($qualifier)* fn thunk<Ret, $($generic),*>($($arg: $generic),*) -> Ret {
                    // SAFETY: the stubs that lead here are those of sites, which
                    // stay and begin with their thunk.
                    let site = unsafe { arrival::pop::<Site>() };
                    answer::<$($qualifier)* fn($($generic),*) -> Ret>(site, ($($arg,)*))
                }
                thunk::<Ret, $($generic),*>
            }

            unsafe fn call(self, args: Self::Args) -> Ret {
                let ($($arg,)*) = args;
                // SAFETY: the caller's promise.
                #[allow(unused_unsafe)]
                unsafe {
                    self($($arg),*)
                }
            }

            #[allow(unused_variables)]
            fn each(args: &Self::Args, tell: &mut dyn FnMut(usize, *const ())) {
                $(tell($n, std::ptr::from_ref(&args.$n).cast());)*
            }
        }
    };
}

macro_rules! for_each_abi {
    ($($arg:ident $generic:ident $n:tt)*) => {
        // SAFETY: so it is.
        unsafe impl<$($generic),*> Arguments for ($($generic,)*) {
            const SIZES: &'static [usize] = &[$(size_of::<$generic>()),*];

            fn names() -> Vec<&'static str> {
                vec![$(std::any::type_name::<$generic>()),*]
            }

            #[allow(unused_variables, clippy::unused_unit)]
            unsafe fn read(from: *const u8, offsets: &[usize]) -> Self {
                // SAFETY: the caller's promise; a future may be packed tighter
                // than its arguments.
                ($(unsafe { from.add(offsets[$n]).cast::<$generic>().read_unaligned() },)*)
            }

            #[allow(unused_variables, clippy::unused_unit)]
            unsafe fn write(self, to: *mut u8, offsets: &[usize]) {
                let ($($arg,)*) = self;
                // SAFETY: the caller's promise.
                $(unsafe { to.add(offsets[$n]).cast::<$generic>().write_unaligned($arg) };)*
            }
        }

        implement!([] $($arg $generic $n)*);
        implement!([extern "C"] $($arg $generic $n)*);
        implement!([extern "C-unwind"] $($arg $generic $n)*);
        implement!([extern "system"] $($arg $generic $n)*);
        implement!([unsafe] $($arg $generic $n)*);
        implement!([unsafe extern "C"] $($arg $generic $n)*);
        implement!([unsafe extern "C-unwind"] $($arg $generic $n)*);
        implement!([unsafe extern "system"] $($arg $generic $n)*);

        impl<Func, Ret, $($generic),*> Function<($($generic,)*)> for Func
        where
            Func: Fn($($generic),*) -> Ret,
        {
            type Pointer = fn($($generic),*) -> Ret;
            type Output = Ret;
        }
    };
}

for_each_abi!();
for_each_abi!(a A 0);
for_each_abi!(a A 0 b B 1);
for_each_abi!(a A 0 b B 1 c C 2);
for_each_abi!(a A 0 b B 1 c C 2 d D 3);
for_each_abi!(a A 0 b B 1 c C 2 d D 3 e E 4);
for_each_abi!(a A 0 b B 1 c C 2 d D 3 e E 4 f F 5);
for_each_abi!(a A 0 b B 1 c C 2 d D 3 e E 4 f F 5 g G 6);
for_each_abi!(a A 0 b B 1 c C 2 d D 3 e E 4 f F 5 g G 6 h H 7);
for_each_abi!(a A 0 b B 1 c C 2 d D 3 e E 4 f F 5 g G 6 h H 7 i I 8);
for_each_abi!(a A 0 b B 1 c C 2 d D 3 e E 4 f F 5 g G 6 h H 7 i I 8 j J 9);
for_each_abi!(a A 0 b B 1 c C 2 d D 3 e E 4 f F 5 g G 6 h H 7 i I 8 j J 9 k K 10);
for_each_abi!(a A 0 b B 1 c C 2 d D 3 e E 4 f F 5 g G 6 h H 7 i I 8 j J 9 k K 10 l L 11);
positions!([] [0 1 2 3 4 5 6 7 8 9 10 11]);
positions!([A 0] [1 2 3 4 5 6 7 8 9 10 11]);
positions!([A 0 B 1] [2 3 4 5 6 7 8 9 10 11]);
positions!([A 0 B 1 C 2] [3 4 5 6 7 8 9 10 11]);
positions!([A 0 B 1 C 2 D 3] [4 5 6 7 8 9 10 11]);
positions!([A 0 B 1 C 2 D 3 E 4] [5 6 7 8 9 10 11]);
positions!([A 0 B 1 C 2 D 3 E 4 F 5] [6 7 8 9 10 11]);
positions!([A 0 B 1 C 2 D 3 E 4 F 5 G 6] [7 8 9 10 11]);
positions!([A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7] [8 9 10 11]);
positions!([A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8] [9 10 11]);
positions!([A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9] [10 11]);
positions!([A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10] [11]);
positions!([A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11] []);
