//! Function pointers as targets and replacements.

/// A function pointer: `fn`, `unsafe fn`, `extern "C" fn` and so on, of up to
/// twelve parameters; C-variadic ones of up to six named parameters.
///
/// A function whose signature is higher-ranked (`fn(&str) -> usize` takes a
/// reference of *any* lifetime) has to be given as a pointer for *one* lifetime,
/// by a cast that leaves it to be inferred:
///
/// ```
/// fn len(s: &str) -> usize { s.len() }
/// fn none(_: &str) -> usize { 0 }
///
/// // SAFETY: both have the same signature, and nobody relies on `len`.
/// let patch = unsafe { midair::patch(len as fn(_) -> usize, none as fn(_) -> usize) }?;
/// # drop(patch);
/// # Ok::<(), midair::Error>(())
/// ```
///
/// or by [`fn_ptr!`](crate::fn_ptr), which checks the whole signature.
///
/// # Safety
///
/// Implementors are function pointers: as large as a data pointer, never null,
/// and every valid one is the address of code.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function pointer",
    note = "cast a function: `f as fn(u32) -> u32`; if it takes references: `f as fn(_) -> usize` or `midair::fn_ptr!(f: fn(&str) -> usize)`; for a closure use `midair::patch_closure`"
)]
pub unsafe trait FnPtr: Copy {
    /// The address of the code.
    fn address(self) -> *const ();

    /// The function pointer for code at `address`.
    ///
    /// # Safety
    ///
    /// At `address` is a function of this type.
    unsafe fn from_address(address: *const ()) -> Self;
}

macro_rules! implement {
    ($fn:ty, $($generic:ident)*) => {
        // SAFETY: it is a function pointer.
        unsafe impl<Ret, $($generic),*> FnPtr for $fn {
            fn address(self) -> *const () {
                self as *const ()
            }

            unsafe fn from_address(address: *const ()) -> Self {
                // SAFETY: same size; the caller says that the type is right.
                unsafe { std::mem::transmute::<*const (), Self>(address) }
            }
        }
    };
}

macro_rules! for_each_abi {
    ($($generic:ident)*) => {
        implement!(fn($($generic),*) -> Ret, $($generic)*);
        implement!(unsafe fn($($generic),*) -> Ret, $($generic)*);
        implement!(extern "C" fn($($generic),*) -> Ret, $($generic)*);
        implement!(unsafe extern "C" fn($($generic),*) -> Ret, $($generic)*);
        implement!(extern "C-unwind" fn($($generic),*) -> Ret, $($generic)*);
        implement!(unsafe extern "C-unwind" fn($($generic),*) -> Ret, $($generic)*);
        implement!(extern "system" fn($($generic),*) -> Ret, $($generic)*);
        implement!(unsafe extern "system" fn($($generic),*) -> Ret, $($generic)*);
    };
}

for_each_abi!();
for_each_abi!(A);
for_each_abi!(A B);
for_each_abi!(A B C);
for_each_abi!(A B C D);
for_each_abi!(A B C D E);
for_each_abi!(A B C D E F);
for_each_abi!(A B C D E F G);
for_each_abi!(A B C D E F G H);
for_each_abi!(A B C D E F G H I);
for_each_abi!(A B C D E F G H I J);
for_each_abi!(A B C D E F G H I J K);
for_each_abi!(A B C D E F G H I J K L);

implement!(unsafe extern "C" fn(A, ...) -> Ret, A);
implement!(unsafe extern "C" fn(A, B, ...) -> Ret, A B);
implement!(unsafe extern "C" fn(A, B, C, ...) -> Ret, A B C);
implement!(unsafe extern "C" fn(A, B, C, D, ...) -> Ret, A B C D);
implement!(unsafe extern "C" fn(A, B, C, D, E, ...) -> Ret, A B C D E);
implement!(unsafe extern "C" fn(A, B, C, D, E, F, ...) -> Ret, A B C D E F);

/// A function as a pointer for one lifetime, its whole signature checked.
///
/// `midair::fn_ptr!(path: for<…> fn(…) -> …)` first makes sure that `path` has
/// the signature, and then forgets that it is higher-ranked, so that the
/// result is a [`FnPtr`].
///
/// ```
/// fn first<'a>(a: &'a str, _: &str) -> &'a str { a }
/// fn empty<'a>(_: &'a str, _: &str) -> &'a str { "" }
///
/// let target = midair::fn_ptr!(first: for<'a> fn(&'a str, &str) -> &'a str);
/// let replacement = midair::fn_ptr!(empty: for<'a> fn(&'a str, &str) -> &'a str);
/// // SAFETY: both have the signature that the macro checked.
/// let patch = unsafe { midair::patch(target, replacement) }?;
/// assert_eq!(std::hint::black_box(first as fn(_, _) -> _)("a", "b"), "");
/// # drop(patch);
/// # Ok::<(), midair::Error>(())
/// ```
#[macro_export]
macro_rules! fn_ptr {
    ($path:path : $(for<$($life:lifetime),*>)? fn($($arg:ty),* $(,)?) $(-> $ret:ty)?) => {{
        let whole: $(for<$($life),*>)? fn($($arg),*) $(-> $ret)? = $path;
        $crate::__one_lifetime!(whole; $($arg),*)
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __one_lifetime {
    ($f:expr;) => {
        $f as fn() -> _
    };
    ($f:expr; $a:ty) => {
        $f as fn(_) -> _
    };
    ($f:expr; $a:ty, $b:ty) => {
        $f as fn(_, _) -> _
    };
    ($f:expr; $a:ty, $b:ty, $c:ty) => {
        $f as fn(_, _, _) -> _
    };
    ($f:expr; $a:ty, $b:ty, $c:ty, $d:ty) => {
        $f as fn(_, _, _, _) -> _
    };
    ($f:expr; $a:ty, $b:ty, $c:ty, $d:ty, $e:ty) => {
        $f as fn(_, _, _, _, _) -> _
    };
    ($f:expr; $a:ty, $b:ty, $c:ty, $d:ty, $e:ty, $g:ty) => {
        $f as fn(_, _, _, _, _, _) -> _
    };
}
