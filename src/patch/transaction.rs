//! Many changes, all or none.

use super::consistency::Consistency;
use super::function::FnPtr;
use super::handle::{Patch, RawPatch, check_replacement};
use super::per_thread::Transition;
use super::registry::{LayerId, registry};
use crate::Error;

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

    /// Makes the changes, as consistently as asked for. The transaction is empty
    /// afterwards.
    ///
    /// # Errors
    ///
    /// The first thing that is in the way; then nothing has changed.
    ///
    /// # Safety
    ///
    /// As for [`patch_raw`](crate::patch_raw), of each new patch.
    pub unsafe fn commit(&mut self, consistency: Consistency) -> Result<Committed, Error> {
        let switches = std::mem::take(&mut self.switches);
        let new = std::mem::take(&mut self.new);
        // Leaving early drops the patches made so far, which takes them off.
        let mut patches = Vec::with_capacity(new.len());
        let mut makes = Vec::with_capacity(new.len());
        {
            let mut registry = registry();
            for (target, make) in new {
                let (layer, original) = match registry.add_layer(target) {
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
        committed.map(|transition| Committed {
            patches,
            transition,
        })
    }
}

/// What a [`Transaction`] has made.
#[derive(Debug)]
#[must_use = "the new patches are taken off when this is dropped"]
#[non_exhaustive]
pub struct Committed {
    /// The new patches, in the order in which they were asked for.
    pub patches: Vec<RawPatch>,
    /// With [`Consistency::PerThread`], the transition that has begun.
    pub transition: Option<Transition>,
}

impl std::fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction")
            .field("new", &self.new.len())
            .field("switches", &self.switches.len())
            .finish()
    }
}
