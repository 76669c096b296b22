//! Many changes, all or none.

use super::consistency::Consistency;
use super::function::FnPtr;
use super::handle::{Patch, Patches, RawPatch, check_replacement};
use super::per_thread::Transition;
use super::registry::{LayerId, registry};
use crate::Error;
use crate::threads::count::{self, Alone};

type Make<'a> = Box<dyn FnOnce(*const ()) -> *const () + 'a>;

/// Changes to many functions that are made together: all of them, or none.
///
/// The entries are written in one pass, so that a thousand functions cost
/// little more than the writing. What threads that run meanwhile may see is said
/// by a [`Consistency`].
///
/// ```
/// # fn a() -> u32 { std::hint::black_box(1) }
/// # fn b() -> u32 { std::hint::black_box(2) }
/// let mut transaction = midair::Transaction::new();
/// for target in [a as fn() -> u32, b as fn() -> u32] {
///     transaction.patch_raw(target as *const (), |original| original);
/// }
/// // SAFETY: pass-throughs change nothing.
/// let committed = unsafe { transaction.commit(midair::Consistency::Atomic) }?;
/// assert_eq!(committed.patches.len(), 2);
/// # Ok::<(), midair::Error>(())
/// ```
#[derive(Default)]
#[must_use = "nothing happens before `commit`"]
pub struct Transaction<'a> {
    new: Vec<(usize, Make<'a>)>,
    switches: Vec<(LayerId, bool)>,
    removals: Patches,
}

/// A patch that a [`Transaction`] can turn on and off: [`Patch`] and
/// [`RawPatch`].
pub trait Transactable: sealed::Sealed {}

mod sealed {
    pub trait Sealed {
        fn layer(&self) -> super::LayerId;
    }
}

impl sealed::Sealed for RawPatch {
    fn layer(&self) -> LayerId {
        RawPatch::layer(self)
    }
}
impl Transactable for RawPatch {}

impl<F: FnPtr> sealed::Sealed for Patch<F> {
    fn layer(&self) -> LayerId {
        self.raw().layer()
    }
}
impl<F: FnPtr> Transactable for Patch<F> {}

impl<'a> Transaction<'a> {
    /// A transaction that changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Patches the function at `target` as [`patch_raw`](crate::patch_raw)
    /// does, when the transaction is committed.
    pub fn patch_raw(
        &mut self,
        target: *const (),
        make: impl FnOnce(*const ()) -> *const () + 'a,
    ) -> &mut Self {
        self.new.push((target as usize, Box::new(make)));
        self
    }

    /// Turns `patch` on.
    pub fn enable(&mut self, patch: &impl Transactable) -> &mut Self {
        self.switches.push((patch.layer(), true));
        self
    }

    /// Turns `patch` off.
    pub fn disable(&mut self, patch: &impl Transactable) -> &mut Self {
        self.switches.push((patch.layer(), false));
        self
    }

    /// Takes `patch` off: it is turned off as consistently as all else changes,
    /// and its function is restored then, with those of the others in one pass.
    /// A [`Patch`] is given by its [`into_raw`](Patch::into_raw).
    ///
    /// With [`Consistency::PerThread`] patches come back in
    /// [`Committed::turned_off`]. Dropping the transaction takes off what was
    /// given to it, as dropping the patch would.
    ///
    /// ```
    /// # fn a() -> u32 { std::hint::black_box(1) }
    /// # let target = a as fn() -> u32 as *const ();
    /// # // SAFETY: a pass-through.
    /// # let patch = unsafe { midair::patch_raw(target, |original| original) }?;
    /// let mut transaction = midair::Transaction::new();
    /// transaction.remove(patch);
    /// // SAFETY: makes no patch.
    /// let committed = unsafe { transaction.commit(midair::Consistency::Atomic) };
    /// if let Err(error) = committed {
    ///     eprintln!("{error}");
    ///     transaction.take_removals().leak(); // stays on
    /// }
    /// # Ok::<(), midair::Error>(())
    /// ```
    pub fn remove(&mut self, patch: RawPatch) -> &mut Self {
        self.removals.push(patch);
        self
    }

    /// Gives back the patches that were given to [`Transaction::remove`] and
    /// have not been taken off: all of them before `commit`, and after one that
    /// has failed.
    pub fn take_removals(&mut self) -> Patches {
        std::mem::take(&mut self.removals)
    }

    /// Makes the changes, as consistently as asked for. The transaction is empty
    /// afterwards.
    ///
    /// # Errors
    ///
    /// The first thing that is in the way; then nothing has changed, and patches
    /// that were to be removed can be had back from
    /// [`Transaction::take_removals`]. If they were turned off and some entry
    /// could not be restored after that, this is as if they had been dropped
    /// (see [`RawPatch`]).
    ///
    /// # Safety
    ///
    /// As for [`patch_raw`](crate::patch_raw), of each new patch.
    pub unsafe fn commit(&mut self, consistency: Consistency) -> Result<Committed, Error> {
        let switches = std::mem::take(&mut self.switches);
        let new = std::mem::take(&mut self.new);
        // Leaving early drops the patches made so far, which takes them off.
        let mut patches = Patches::with_capacity(new.len());
        let mut makes = Vec::with_capacity(new.len());
        {
            let mut registry = registry();
            registry.retire_unloaded(new.iter().map(|(target, _)| *target));
            let alone = Alone::new(count::alone);
            for (target, make) in new {
                let (layer, original) = match registry.push_layer(target, &alone) {
                    Ok(added) => added,
                    Err(e) => {
                        drop(registry); // the patches' drop takes it
                        return Err(e);
                    }
                };
                patches.push(RawPatch::new(layer, original));
                makes.push(make);
            }
        }
        let mut wanted = switches;
        wanted.extend(self.removals.iter().map(|patch| (patch.layer(), false)));
        let mut destinations = Vec::with_capacity(makes.len());
        for (patch, make) in patches.iter().zip(makes) {
            let destination = make(patch.original());
            check_replacement(patch.target() as usize, destination)?;
            destinations.push((patch.layer(), destination as usize));
            wanted.push((patch.layer(), true));
        }
        let mut registry = registry();
        let committed = destinations
            .into_iter()
            .try_for_each(|(layer, at)| registry.set_destination(layer, at).map(drop))
            .and_then(|()| match consistency {
                Consistency::Immediate => registry.switch(&wanted).map(|()| None),
                Consistency::Atomic => registry.switch_at_once(&wanted).map(|()| None),
                Consistency::Quiescent { deadline } => {
                    registry.switch_quiescent(&wanted, deadline).map(|()| None)
                }
                Consistency::PerThread => registry.switch_per_thread(&wanted).map(Some),
            });
        drop(registry);
        let transition = committed?;
        let mut turned_off = self.take_removals();
        if transition.is_none() {
            // Off they are. An entry that cannot be written leads to what is
            // below the patch; `unpatch_all` tries again.
            drop(std::mem::take(&mut turned_off));
        }
        Ok(Committed {
            patches,
            transition,
            turned_off,
        })
    }
}

/// What a [`Transaction`] has made.
#[derive(Debug)]
#[must_use = "the new patches are taken off when this is dropped"]
#[non_exhaustive]
pub struct Committed {
    /// The new patches, in the order in which they were asked for.
    pub patches: Patches,
    /// With [`Consistency::PerThread`], the transition that has begun.
    pub transition: Option<Transition>,
    /// With [`Consistency::PerThread`], the patches that were given to
    /// [`Transaction::remove`]. They are off when the transition is complete;
    /// removing or dropping them before that cancels it.
    pub turned_off: Patches,
}

impl std::fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction")
            .field("new", &self.new.len())
            .field("switches", &self.switches.len())
            .field("removals", &self.removals.len())
            .finish()
    }
}
