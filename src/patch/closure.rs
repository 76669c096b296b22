//! Closures with captures as replacements.
//!
//! A function pointer carries no captures, so the patch leads to a stub that
//! does: it counts the call and goes on to a *thunk* of the target's own type
//! with the closure's [`Context`] ([`arrival`]).
//!
//! A call counts from the stub's first instruction until the closure is left.
//! Dropping the patch closes the context: a call that had come through the gate
//! before goes on to the original, and the closure itself is dropped by whoever
//! leaves it last. Context and stub are given back when nobody counts and no
//! thread is at that first instruction ([`super::limbo`]).

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
use aarch64 as stub;
#[cfg(target_arch = "x86_64")]
use x86_64 as stub;

use super::arrival;
use super::function::FnPtr;
use super::handle::{Patch, patch_raw};
use super::limbo::{Item, Other};
use super::registry::registry;
use crate::Error;
use crate::memory::arena::{Lifetime, Reach, Slot};
use std::cell::UnsafeCell;
use std::io;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

/// A closure that can replace functions of type `F`: it takes the same
/// arguments and returns the same type, and may be called by any thread.
///
/// Arguments passed in 256-bit or wider registers are not supported; Rust
/// passes such vectors in memory, only `extern "C"` functions use them.
pub trait Closure<F: FnPtr>: Send + Sync + 'static {
    /// A function of type `F` that pops the context and calls the closure.
    #[doc(hidden)]
    fn thunk() -> F;
}

/// What a stub hands to a thunk.
#[repr(C)]
struct Context {
    /// Where the dispatcher jumps: read by assembly, so it stays first.
    thunk: *const (),
    original: usize,
    /// Calls that have passed the stub, and [`CLOSED`]. In reach of the stub,
    /// which counts them.
    calls: Slot,
    /// A `Box<C>` made raw, where `C` is the closure that `thunk` knows.
    closure: UnsafeCell<*mut ()>,
    drop_closure: unsafe fn(*mut ()),
    dropped: AtomicBool,
}

// SAFETY: the closure is Send + Sync; the rest is written before it is shared.
unsafe impl Sync for Context {}

const CLOSED: usize = 1 << (usize::BITS - 1);

impl Context {
    /// Whether the patch is gone. A call that has entered before that finds the
    /// closure.
    fn is_closed(&self) -> bool {
        self.calls.load(Ordering::Acquire) & CLOSED != 0
    }

    /// A call ends. Nothing of this is touched once it does not count.
    fn leave(&self) {
        let mut calls = self.calls.load(Ordering::Acquire);
        loop {
            if calls == CLOSED | 1 {
                self.drop_once();
            }
            let left = self.calls.compare_exchange_weak(
                calls,
                calls - 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match left {
                Ok(_) => return,
                Err(now) => calls = now,
            }
        }
    }

    fn close(&self) {
        if self.calls.fetch_or(CLOSED, Ordering::AcqRel) == 0 {
            self.drop_once();
        }
    }

    /// A call that comes late enters and leaves a closed context, so that the
    /// count may come down to nothing more than once.
    fn drop_once(&self) {
        if !self.dropped.swap(true, Ordering::AcqRel) {
            // SAFETY: closed, nobody else inside, and only one thread gets here.
            unsafe { (self.drop_closure)(*self.closure.get()) };
        }
    }

    fn original(&self) -> *const () {
        self.original as *const ()
    }
}

/// Closes a closure's context when its patch goes.
///
/// What is left on a stack where one of these was must not look like a thread
/// that is on its way to the closure, so the addresses in it are none.
pub(super) struct Keeper {
    context: Inverted,
    stub: Inverted,
}

/// An address with all bits inverted.
#[derive(Clone, Copy)]
struct Inverted(usize);

impl Inverted {
    fn new(address: usize) -> Self {
        Self(!address)
    }

    fn address(self) -> usize {
        !self.0
    }
}

impl Keeper {
    fn context(&self) -> &Context {
        // SAFETY: lives until `Retired` is dropped, which is made of this.
        unsafe { &*(self.context.address() as *const Context) }
    }

    /// Where calls arrive after the stub.
    pub(super) fn thunk(&self) -> usize {
        self.context().thunk as usize
    }

    /// Nothing leads to these closures any more: closes them, and has their
    /// memory given back in time.
    pub(super) fn retire(keepers: impl IntoIterator<Item = Self>) {
        let item = |keeper: Self| {
            let (at, stub) = (keeper.context, keeper.stub);
            let calls = keeper.context().calls;
            drop(keeper); // runs the user's code: without the lock
            Item {
                code: vec![(stub.address(), STUB)],
                slots: vec![calls],
                other: Some(Box::new(Retired(at))),
                ..Item::default()
            }
        };
        let items: Vec<Item> = keepers.into_iter().map(item).collect();
        if items.is_empty() {
            return;
        }
        let mut registry = registry();
        for item in items {
            registry.store.limbo.push(item);
        }
        registry.reclaim_if_due();
    }
}

/// The closure goes; memory that something may still lead to stays.
impl Drop for Keeper {
    fn drop(&mut self) {
        self.context().close();
    }
}

/// A closed context in limbo.
struct Retired(Inverted);

impl Other for Retired {
    fn is_unused(&self) -> bool {
        // SAFETY: freed by this value's drop alone.
        let context = unsafe { &*(self.0.address() as *const Context) };
        context.calls.load(Ordering::Acquire) == CLOSED && context.dropped.load(Ordering::Acquire)
    }

    fn bytes(&self) -> usize {
        size_of::<Context>()
    }
}

impl Drop for Retired {
    fn drop(&mut self) {
        // SAFETY: made by `Box::leak`; limbo has made sure that nobody counts
        // nor will.
        drop(unsafe { Box::from_raw(self.0.address() as *mut Context) });
    }
}

pub(super) use stub::STUB;

/// Replaces `target` by a closure. `make` gets the callable original and
/// returns the closure.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// #[inline(never)]
/// fn double(n: u32) -> u32 { std::hint::black_box(n) * 2 }
///
/// let calls = Arc::new(AtomicU32::new(0));
/// let seen = Arc::clone(&calls);
/// // SAFETY: the same signature, and the same result but one.
/// let patch = unsafe {
///     midair::patch_closure(double as fn(u32) -> u32, move |original| {
///         move |n: u32| {
///             seen.fetch_add(1, Ordering::Relaxed);
///             original(n) + 1
///         }
///     })
/// }?;
/// assert_eq!(double(4), 9);
/// drop(patch); // safe while another thread is inside of the closure
/// assert_eq!((double(4), calls.load(Ordering::Relaxed)), (8, 1));
/// # Ok::<(), midair::Error>(())
/// ```
///
/// # Errors
///
/// As for [`patch`](crate::patch), and [`Error::Memory`] if no memory for the
/// stub is to be had.
///
/// # Safety
///
/// As for [`patch`](crate::patch). Where `F` was cast from a higher-ranked
/// signature, the closure must not keep what its references point to: its
/// arguments live for the call only, whatever lifetime was inferred.
pub unsafe fn patch_closure<F: FnPtr, C: Closure<F>>(
    target: F,
    make: impl FnOnce(F) -> C,
) -> Result<Patch<F>, Error> {
    let mut keeper = None;
    let mut failed = None;
    let lead = |original: *const ()| {
        // SAFETY: the original has the type of the target.
        let closure = make(unsafe { F::from_address(original) });
        match context_of::<F, C>(target.address(), original, closure) {
            Ok((stub, kept)) => {
                keeper = Some(kept);
                stub
            }
            Err(e) => {
                failed = Some(e);
                original
            }
        }
    };
    // SAFETY: the caller's promise; the thunk has type F.
    let mut raw = unsafe { patch_raw(target.address(), lead) }?;
    if let Some(e) = failed {
        return Err(e);
    }
    if let Some(keeper) = keeper {
        raw.keep(keeper);
    }
    // SAFETY: the target is of type F.
    Ok(unsafe { Patch::from_raw(raw) })
}

fn context_of<F: FnPtr, C: Closure<F>>(
    target: *const (),
    original: *const (),
    closure: C,
) -> Result<(*const (), Keeper), Error> {
    /// # Safety
    ///
    /// `closure` came from `Box::into_raw` of a `Box<C>` and is not used again.
    unsafe fn drop_closure<C>(closure: *mut ()) {
        // SAFETY: the caller's promise.
        drop(unsafe { Box::from_raw(closure.cast::<C>()) });
    }
    let memory = |source| Error::Memory {
        target: target as usize,
        source,
    };
    let mut locked = registry();
    let arena = &mut locked.store.arena;
    let at = arena
        .code_if_possible_near(Lifetime::Freed, target as usize, STUB)
        .map_err(memory)?;
    let calls = arena.slot(Lifetime::Freed, Reach::Of(at)).map_err(memory)?;
    calls.store(0, Ordering::Release);
    drop(locked);
    let context: &'static Context = Box::leak(Box::new(Context {
        thunk: C::thunk().address(),
        original: original as usize,
        calls,
        closure: UnsafeCell::new(Box::into_raw(Box::new(closure)).cast()),
        drop_closure: drop_closure::<C>,
        dropped: AtomicBool::new(false),
    }));
    let keeper = Keeper {
        context: Inverted::new(std::ptr::from_ref(context) as usize),
        stub: Inverted::new(at),
    };
    let out_of_reach = || memory(io::Error::from_raw_os_error(libc::ENOMEM));
    let counts_at = std::ptr::from_ref(context.calls) as usize;
    let context = std::ptr::from_ref(context) as usize;
    let code = stub::code(at, counts_at, context).ok_or_else(out_of_reach)?;
    registry().write_code(at, code, stub::FRAMES)?;
    Ok((at as *const (), keeper))
}

/// A call that has entered a context whose closure is a `C`.
struct Inside<C> {
    context: &'static Context,
    closure: PhantomData<fn() -> C>,
}

impl<C> Inside<C> {
    /// The call that the stub has just made.
    fn pending() -> Self {
        Self {
            // SAFETY: the stub that led here pushed a context, and counted, so it stays.
            context: unsafe { arrival::pop::<Context>() },
            closure: PhantomData,
        }
    }

    /// The closure, unless the patch is gone.
    fn closure(&self) -> Option<&C> {
        (!self.context.is_closed()).then(|| {
            // SAFETY: entered and not closed, so nobody drops it before this
            // call leaves; the thunk is that of C.
            unsafe { &**self.context.closure.get().cast::<*const C>() }
        })
    }
}

impl<C> Drop for Inside<C> {
    fn drop(&mut self) {
        self.context.leave();
    }
}

macro_rules! implement {
    ([$($qualifier:tt)*] $($arg:ident: $generic:ident),*) => {
        impl<Func, Ret, $($generic),*> Closure<$($qualifier)* fn($($generic),*) -> Ret> for Func
        where
            Func: Fn($($generic),*) -> Ret + Send + Sync + 'static,
        {
            fn thunk() -> $($qualifier)* fn($($generic),*) -> Ret {
                // The target's own parameters, however many.
                #[allow(clippy::too_many_arguments)]
                $($qualifier)* fn thunk<Func, Ret, $($generic),*>($($arg: $generic),*) -> Ret
                where
                    Func: Fn($($generic),*) -> Ret,
                {
                    let inside = Inside::<Func>::pending();
                    if let Some(closure) = inside.closure() {
                        return closure($($arg),*);
                    }
                    let original = inside.context.original();
                    drop(inside);
                    type Original<Ret, $($generic),*> = unsafe $($qualifier)* fn($($generic),*) -> Ret;
                    // SAFETY: the original has the type of the target.
                    unsafe { Original::<Ret, $($generic),*>::from_address(original)($($arg),*) }
                }
                thunk::<Func, Ret, $($generic),*>
            }
        }
    };
}

macro_rules! for_each_abi {
    ($($arg:ident: $generic:ident),*) => {
        implement!([] $($arg: $generic),*);
        implement!([extern "C"] $($arg: $generic),*);
        implement!([extern "C-unwind"] $($arg: $generic),*);
        implement!([extern "system"] $($arg: $generic),*);
    };
}

for_each_abi!();
for_each_abi!(a: A);
for_each_abi!(a: A, b: B);
for_each_abi!(a: A, b: B, c: C);
for_each_abi!(a: A, b: B, c: C, d: D);
for_each_abi!(a: A, b: B, c: C, d: D, e: E);
for_each_abi!(a: A, b: B, c: C, d: D, e: E, f: F);
for_each_abi!(a: A, b: B, c: C, d: D, e: E, f: F, g: G);
for_each_abi!(a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H);
