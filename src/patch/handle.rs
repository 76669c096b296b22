//! What users hold of a patch: it is taken off when this is dropped.

use super::closure::Keeper;
use super::function::FnPtr;
use super::registry::{LayerId, registry};
use crate::{Error, symbols};
use std::fmt;

/// A patch of a function of any type; made by [`patch_raw`] or a
/// [`Transaction`](crate::Transaction). Dropping it takes the patch off.
///
/// If that cannot be done when it is dropped (somebody else has written over
/// the entry, say), it stays as it is; [`RawPatch::remove`] tells, and
/// [`unpatch_all`](crate::unpatch_all) tries again.
#[must_use = "the patch is taken off when this is dropped: bind it (`let patch = …`, not `let _ = …`), or `leak` it"]
pub struct RawPatch {
    layer: LayerId,
    original: *const (),
    keeper: Option<Keeper>,
    leaked: bool,
}

// SAFETY: a handle; every operation takes the registry's lock.
unsafe impl Send for RawPatch {}
// SAFETY: as above.
unsafe impl Sync for RawPatch {}

impl RawPatch {
    /// The address of the callable original: what the function was, or the
    /// patch below this one. It stays callable for good, also after this patch
    /// is gone; once the function's memory was reclaimed, calling it is calling
    /// the function.
    pub fn original(&self) -> *const () {
        self.original
    }

    /// The address of the patched function.
    pub fn target(&self) -> *const () {
        self.layer.target as *const ()
    }

    /// Turns the patch on; nothing happens if it is on.
    ///
    /// # Errors
    ///
    /// [`Error::Removed`], [`Error::Unloaded`], [`Error::Write`].
    pub fn enable(&self) -> Result<(), Error> {
        registry().switch(&[(self.layer, true)])
    }

    /// Turns the patch off: calls go to what is below it.
    ///
    /// # Errors
    ///
    /// [`Error::Removed`], [`Error::Unloaded`], [`Error::Write`].
    pub fn disable(&self) -> Result<(), Error> {
        registry().switch(&[(self.layer, false)])
    }

    /// Whether the patch is on; a removed one is not.
    pub fn is_enabled(&self) -> bool {
        registry()
            .layer(self.layer)
            .is_ok_and(|layer| layer.enabled)
    }

    /// Makes the patch lead to `destination` from now on.
    ///
    /// # Errors
    ///
    /// [`Error::Removed`], [`Error::Unloaded`], [`Error::BadReplacement`],
    /// [`Error::Write`].
    ///
    /// # Safety
    ///
    /// As for [`patch_raw`].
    pub unsafe fn retarget(&self, destination: *const ()) -> Result<(), Error> {
        check_replacement(self.layer.target, destination)?;
        let mut registry = registry();
        registry.retire_if_unloaded(self.layer.target);
        let before = registry.set_destination(self.layer, destination as usize)?;
        registry
            .settle(&[self.layer.target])
            .or_else(|e| registry.set_destination(self.layer, before).and(Err(e)))
    }

    /// Leaves the patch on for good.
    pub fn leak(mut self) {
        self.leaked = true;
        std::mem::forget(self.keeper.take());
    }

    /// Takes the patch off, and says if that cannot be done.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] or [`Error::Refused`]; then the entry may still lead to
    /// the replacement.
    pub fn remove(mut self) -> Result<(), Error> {
        self.leaked = true;
        self.take_off()
    }

    fn take_off(&mut self) -> Result<(), Error> {
        let keeper = self.keeper.take();
        take_off(&[self.layer], keeper)
    }

    pub(super) fn new(layer: LayerId, original: usize) -> Self {
        Self {
            layer,
            original: original as *const (),
            keeper: None,
            leaked: false,
        }
    }

    pub(super) fn layer(&self) -> LayerId {
        self.layer
    }

    /// The patch leads to a closure.
    pub(super) fn keep(&mut self, keeper: Keeper) {
        registry().set_code(self.layer, keeper.thunk());
        self.keeper = Some(keeper);
    }
}

/// Takes layers off. What still leads to a closure when this fails keeps its
/// memory.
fn take_off(layers: &[LayerId], keepers: impl IntoIterator<Item = Keeper>) -> Result<(), Error> {
    let removed = registry().remove(layers);
    match removed {
        Ok(()) => Keeper::retire(keepers),
        Err(_) => keepers.into_iter().for_each(drop),
    }
    removed
}

impl Drop for RawPatch {
    fn drop(&mut self) {
        if !self.leaked {
            // What cannot be written stays: see the type.
            let _ = self.take_off();
        }
    }
}

impl fmt::Debug for RawPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawPatch")
            .field("target", &self.target())
            .field("original", &self.original)
            .field("enabled", &self.is_enabled())
            .finish()
    }
}

/// Several patches, such as those that a [`Transaction`](crate::Transaction) has
/// made. Dropping them takes them off in one pass, each for itself: a thread may
/// meet some of the functions patched and others not. Where that matters, give
/// them to [`Transaction::remove`](crate::Transaction::remove).
#[derive(Debug, Default)]
#[must_use = "the patches are taken off when this is dropped"]
pub struct Patches(Vec<RawPatch>);

/// More patches, to be taken off with the others.
impl Extend<RawPatch> for Patches {
    fn extend<I: IntoIterator<Item = RawPatch>>(&mut self, patches: I) {
        self.0.extend(patches);
    }
}

impl Patches {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    pub(super) fn push(&mut self, patch: RawPatch) {
        self.0.push(patch);
    }

    /// Takes all of them off, and says if that cannot be done.
    ///
    /// # Errors
    ///
    /// As for [`RawPatch::remove`], for the first function that cannot be
    /// restored; all others are.
    pub fn remove(mut self) -> Result<(), Error> {
        self.take_off()
    }

    /// Leaves all of them on for good.
    pub fn leak(mut self) {
        std::mem::take(&mut self.0)
            .into_iter()
            .for_each(RawPatch::leak);
    }

    fn take_off(&mut self) -> Result<(), Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut patches = std::mem::take(&mut self.0);
        let layers: Vec<LayerId> = patches.iter().map(RawPatch::layer).collect();
        let mut keepers = Vec::new();
        for patch in &mut patches {
            patch.leaked = true;
            keepers.extend(patch.keeper.take());
        }
        take_off(&layers, keepers)
    }
}

impl Drop for Patches {
    fn drop(&mut self) {
        // What cannot be written stays: see `RawPatch`.
        let _ = self.take_off();
    }
}

impl std::ops::Deref for Patches {
    type Target = [RawPatch];
    fn deref(&self) -> &[RawPatch] {
        &self.0
    }
}

/// Each is on its own from now on.
impl IntoIterator for Patches {
    type Item = RawPatch;
    type IntoIter = std::vec::IntoIter<RawPatch>;
    fn into_iter(mut self) -> Self::IntoIter {
        std::mem::take(&mut self.0).into_iter()
    }
}

/// A patch of a function of type `F`; made by [`patch`] and its kin. Dropping
/// it takes the patch off; see [`RawPatch`].
#[must_use = "the patch is taken off when this is dropped: bind it (`let patch = …`, not `let _ = …`), or `leak` it"]
pub struct Patch<F> {
    raw: RawPatch,
    original: F,
}

impl<F: FnPtr> Patch<F> {
    /// The callable original: what the function was, or the patch below this
    /// one. It stays callable for good, also after this patch is gone.
    pub fn original(&self) -> F {
        self.original
    }

    /// Turns the patch on; nothing happens if it is on.
    ///
    /// # Errors
    ///
    /// [`Error::Removed`], [`Error::Unloaded`], [`Error::Write`].
    pub fn enable(&self) -> Result<(), Error> {
        self.raw.enable()
    }

    /// Turns the patch off: calls go to what is below it.
    ///
    /// # Errors
    ///
    /// [`Error::Removed`], [`Error::Unloaded`], [`Error::Write`].
    pub fn disable(&self) -> Result<(), Error> {
        self.raw.disable()
    }

    /// Whether the patch is on.
    pub fn is_enabled(&self) -> bool {
        self.raw.is_enabled()
    }

    /// Makes the patch lead to another replacement: one store, once the patch
    /// has been changed before.
    ///
    /// # Errors
    ///
    /// [`Error::Removed`], [`Error::Unloaded`], [`Error::BadReplacement`],
    /// [`Error::Write`].
    pub fn retarget(&self, replacement: F) -> Result<(), Error> {
        // SAFETY: of the type that whoever made the patch vouched for.
        unsafe { self.raw.retarget(replacement.address()) }
    }

    /// Leaves the patch on for good.
    pub fn leak(self) {
        self.raw.leak();
    }

    /// Takes the patch off, and says if that cannot be done.
    ///
    /// # Errors
    ///
    /// As for [`RawPatch::remove`].
    pub fn remove(self) -> Result<(), Error> {
        self.raw.remove()
    }

    /// The patch without its type.
    pub fn into_raw(self) -> RawPatch {
        self.raw
    }

    pub(super) fn raw(&self) -> &RawPatch {
        &self.raw
    }

    /// # Safety
    ///
    /// The patched function is of type `F`.
    pub(super) unsafe fn from_raw(raw: RawPatch) -> Self {
        // SAFETY: the original has the type of the function.
        let original = unsafe { F::from_address(raw.original()) };
        Self { raw, original }
    }
}

impl<F> fmt::Debug for Patch<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}

/// Replaces `target` by `replacement` for all its callers, at once, while they
/// run.
///
/// ```
/// #[inline(never)]
/// fn price(n: u32) -> u32 { std::hint::black_box(n) * 3 }
/// fn sale(n: u32) -> u32 { n * 2 }
///
/// // SAFETY: both have the same signature, and no caller relies on the factor.
/// let patch = unsafe { midair::patch(price as fn(u32) -> u32, sale) }?;
/// assert_eq!(price(10), 20);
/// assert_eq!(patch.original()(10), 30);
/// drop(patch);
/// assert_eq!(price(10), 30);
/// # Ok::<(), midair::Error>(())
/// ```
///
/// A caller into which the compiler has inlined `target` is not reached.
/// Signatures with references: see [`FnPtr`].
///
/// # Errors
///
/// [`Error::Refused`] says which instruction stands in the way; nothing was
/// written then.
///
/// # Safety
///
/// `replacement` may stand in for `target` wherever that is called, from any
/// thread: it keeps to what its callers and the compiler rely on (also what
/// `unsafe` code relies on). It lives until the patch is gone and no call is
/// inside of it. No other code writes to the function meanwhile. No thread begins
/// to block SIGTRAP and comes to the function's first bytes within the few
/// milliseconds in which midair does not notice, such as in a signal handler that
/// blocks all signals: the kernel kills a process that traps there. (Threads that
/// have blocked it for longer are made to let it through.)
pub unsafe fn patch<F: FnPtr>(target: F, replacement: F) -> Result<Patch<F>, Error> {
    // SAFETY: the caller's promise.
    let raw = unsafe { patch_raw(target.address(), |_| replacement.address()) }?;
    // SAFETY: the target is of type F.
    Ok(unsafe { Patch::from_raw(raw) })
}

/// Replaces the function called `name`, found as by
/// [`symbol`](crate::symbol).
///
/// # Errors
///
/// [`Error::Symbol`] with the candidates if the name does not say which; else
/// as for [`patch`].
///
/// # Safety
///
/// As for [`patch`]; and the function of that name has type `F`, which nothing
/// can check.
pub unsafe fn patch_symbol<F: FnPtr>(name: &str, replacement: F) -> Result<Patch<F>, Error> {
    let symbol = symbols::symbol(name)?;
    // SAFETY: the caller's promise.
    let raw = unsafe { patch_raw(symbol.address, |_| replacement.address()) }?;
    // SAFETY: the caller's promise.
    Ok(unsafe { Patch::from_raw(raw) })
}

/// Patches the function at `target`, whatever its type: `make` gets the address
/// of the callable original and returns where calls shall go. Returning the
/// original makes a pass-through.
///
/// ```
/// let target = std::process::id as fn() -> u32 as *const ();
/// // SAFETY: the original is a replacement that nobody can tell from it.
/// let patch = unsafe { midair::patch_raw(target, |original| original) }?;
/// assert!(std::process::id() > 0);
/// # drop(patch);
/// # Ok::<(), midair::Error>(())
/// ```
///
/// # Errors
///
/// As for [`patch`].
///
/// # Safety
///
/// As for [`patch`], of what `make` returns. C-variadic functions take a
/// replacement that is variadic as well (written in C), or a pass-through.
pub unsafe fn patch_raw(
    target: *const (),
    make: impl FnOnce(*const ()) -> *const (),
) -> Result<RawPatch, Error> {
    let (layer, original) = registry().add_layer(target as usize)?;
    // From here on, leaving early takes the layer off.
    let patch = RawPatch::new(layer, original);
    let destination = make(original as *const ());
    check_replacement(target as usize, destination)?;
    let mut registry = registry();
    registry.set_destination(layer, destination as usize)?;
    registry.switch(&[(layer, true)])?;
    drop(registry);
    Ok(patch)
}

/// A replacement must lead somewhere, and not back to where it comes from.
pub(super) fn check_replacement(target: usize, replacement: *const ()) -> Result<(), Error> {
    let replacement = replacement as usize;
    if replacement == 0 || replacement == target {
        return Err(Error::BadReplacement {
            target,
            replacement,
        });
    }
    Ok(())
}
