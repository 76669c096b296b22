//! One mocked function: all its copies, and where their calls go.

use super::cells;
use super::error::MockError;
use super::scope::{self, Busy};
use super::signature::Signature;
use super::state::{Act, Action, State};
use super::{follow, inspect};
use crate::Error;
use crate::patch::RawPatch;
use crate::patch::selector::Selector;
use std::any::type_name;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// A mocked function. It stays for good, as its selectors lead here.
#[repr(C)]
pub(crate) struct Site {
    /// Read by the dispatcher, so it stays first.
    thunk: usize,
    target: usize,
    original: AtomicUsize,
    index: usize,
    name: String,
    /// The type of the function.
    signature: &'static str,
    /// Mocks that all threads see, oldest first.
    everywhere: Mutex<Arc<Vec<Arc<State>>>>,
    patched: Mutex<Patched>,
    /// Callers in the standard library that have a function of it inlined.
    not_reached: OnceLock<Vec<String>>,
    /// Held by the one that finds them out, for others to wait for the answer: it
    /// takes much of the processor's time, and many tests begin at once.
    asks: Mutex<()>,
    /// What the compiler calls it, as far as that was found to be true.
    known_as: Mutex<Vec<Option<&'static str>>>,
    is_in_malloc: bool,
}

/// The patches of a site's copies.
#[derive(Default)]
struct Patched {
    /// How many mocks there are.
    mocks: usize,
    /// How many of them all threads see.
    everywhere: usize,
    /// Whether the patches send all calls to the thunk.
    asks_all: bool,
    copies: Vec<Copy>,
}

struct Copy {
    patch: RawPatch,
    selector: Selector,
}

static SITES: Mutex<Option<HashMap<usize, &'static Site>>> = Mutex::new(None);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Site {
    /// The site of the function at `target`, which is of type `P`.
    pub(super) fn of<P: Signature>(target: P) -> Result<&'static Self, MockError> {
        Self::named(target, inspect::name)
    }

    /// The same, with a name for it from its address.
    pub(super) fn named<P: Signature>(
        target: P,
        name: impl FnOnce(usize) -> String,
    ) -> Result<&'static Self, MockError> {
        let at = target.address() as usize;
        let _busy = Busy::enter();
        let mut sites = lock(&SITES);
        let sites = sites.get_or_insert_default();
        if let Some(site) = sites.get(&at) {
            if site.signature != type_name::<P>() {
                return Err(MockError::Shared {
                    function: site.name.clone(),
                    types: [site.signature.to_owned(), type_name::<P>().to_owned()],
                });
            }
            return Ok(site);
        }
        let name = name(at);
        let site: &'static Self = Box::leak(Box::new(Self {
            thunk: P::thunk().address() as usize,
            target: at,
            original: AtomicUsize::new(at),
            index: sites.len(),
            name,
            signature: type_name::<P>(),
            everywhere: Mutex::default(),
            patched: Mutex::new(Patched::default()),
            not_reached: OnceLock::new(),
            asks: Mutex::new(()),
            known_as: Mutex::new(Vec::new()),
            is_in_malloc: is_in_malloc(at),
        }));
        sites.insert(at, site);
        Ok(site)
    }

    /// Whether malloc calls it, with its locks held.
    pub(super) fn is_in_malloc(&self) -> bool {
        self.is_in_malloc
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Makes sure that mocks reach all callers, but for those in the standard library
    /// that have a function of it inlined.
    pub(super) fn check_reach(&self) -> Result<(), MockError> {
        if self.not_reached.get().is_some() {
            return Ok(());
        }
        // Reading files is not mocked meanwhile.
        let _busy = Busy::enter();
        let _asks = lock(&self.asks);
        if self.not_reached.get().is_none() {
            let not_reached = inspect::not_reached(self.target)?;
            self.not_reached.get_or_init(|| not_reached);
        }
        Ok(())
    }

    /// Makes sure that the site is that of one function, which the compiler calls
    /// `item`.
    pub(super) fn check_one(&self, item: Option<&'static str>) -> Result<(), MockError> {
        let _busy = Busy::enter();
        let mut known = lock(&self.known_as);
        if !known.contains(&item) {
            inspect::is_called(self.target, item)?;
            inspect::is_one(self.target, item)?;
            known.push(item);
        }
        Ok(())
    }

    pub(super) fn not_reached(&self) -> &[String] {
        self.not_reached.get().map_or(&[], |callers| callers)
    }

    /// One mock more.
    pub(super) fn acquire(&'static self) -> Result<(), MockError> {
        let _busy = Busy::enter();
        follow::start()?;
        let mut patched = lock(&self.patched);
        patched.mocks += 1;
        patched.apply(self).inspect_err(|_| patched.mocks -= 1)
    }

    /// One mock less.
    pub(super) fn release(&'static self) -> Result<(), MockError> {
        let _busy = Busy::enter();
        let mut patched = lock(&self.patched);
        patched.mocks -= 1;
        if patched.mocks > 0 {
            return Ok(());
        }
        for copy in &patched.copies {
            match copy.patch.disable() {
                // Somebody else has taken it off.
                Ok(()) | Err(Error::Removed { .. } | Error::Unloaded { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// All threads see the mock from now on.
    pub(super) fn add_everywhere(&'static self, state: Arc<State>) -> Result<(), MockError> {
        let _busy = Busy::enter();
        Arc::make_mut(&mut lock(&self.everywhere)).push(state);
        let mut patched = lock(&self.patched);
        patched.everywhere += 1;
        patched.apply(self)
    }

    pub(super) fn remove_everywhere(&'static self, state: &Arc<State>) -> Result<(), MockError> {
        let _busy = Busy::enter();
        Arc::make_mut(&mut lock(&self.everywhere)).retain(|other| !Arc::ptr_eq(other, state));
        let mut patched = lock(&self.patched);
        patched.everywhere -= 1;
        patched.apply(self)
    }

    pub(super) fn is_everywhere(&self, state: &Arc<State>) -> bool {
        let _busy = Busy::enter();
        lock(&self.everywhere)
            .iter()
            .any(|other| Arc::ptr_eq(other, state))
    }

    /// What the calling thread's call is for.
    fn choose<P: Signature>(&'static self, args: &P::Args) -> Option<Arc<Action<P>>> {
        let mut asks = false;
        let own = scope::find(|state| {
            if !std::ptr::eq(state.site(), self) {
                return None;
            }
            asks |= state.is_live();
            // SAFETY: the site's functions are of this type.
            unsafe { state.take::<P>(args) }
        });
        if own.is_some() {
            cells::ask(self.index);
            return own;
        }
        let everywhere = Arc::clone(&lock(&self.everywhere));
        // SAFETY: as above.
        let found = everywhere
            .iter()
            .rev()
            .find_map(|state| unsafe { state.take::<P>(args) });
        if asks {
            cells::ask(self.index);
        } else if found.is_none() {
            if !self.is_in_malloc {
                cells::join();
            }
            cells::go_straight(self.index);
        }
        found
    }

    fn original<P: Signature>(&self) -> P {
        // SAFETY: the function's original, which is of its type, and stays
        // callable; before the first patch the function itself.
        unsafe { P::from_address(self.original.load(Ordering::Acquire) as *const ()) }
    }
}

/// Whether a function is one that malloc gets its memory by: a call of it may hold
/// malloc's locks, so nothing may be allocated on the way to a mock of it.
fn is_in_malloc(at: usize) -> bool {
    [
        libc::mmap as *const () as usize,
        libc::munmap as *const () as usize,
        libc::mremap as *const () as usize,
        libc::mprotect as *const () as usize,
        libc::madvise as *const () as usize,
        libc::brk as *const () as usize,
        libc::sbrk as *const () as usize,
    ]
    .contains(&at)
}

/// The original of the function at `target`, past all mocks: the function itself
/// if it is not mocked.
#[doc(hidden)]
pub fn original_of<P: Signature>(target: P) -> P {
    let busy = Busy::enter();
    let site = lock(&SITES)
        .as_ref()
        .and_then(|sites| sites.get(&(target.address() as usize)).copied());
    drop(busy);
    site.map_or(target, Site::original)
}

/// A call of a mocked function has come.
pub(super) fn answer<P: Signature>(site: &'static Site, args: P::Args) -> P::Ret {
    let chosen = Busy::enter().and_then(|_busy| site.choose::<P>(&args));
    match chosen.as_deref() {
        Some(Action {
            act: Act::Answer(answer),
            ..
        }) => answer(args),
        // SAFETY: the caller of the function has called it with these arguments.
        _ => unsafe { site.original::<P>().call(args) },
    }
}

impl Patched {
    /// Makes the patches what the numbers of mocks ask for.
    fn apply(&mut self, site: &'static Site) -> Result<(), MockError> {
        if self.mocks == 0 {
            return Ok(());
        }
        let asks_all = self.everywhere > 0;
        let is_on = |copy: &Copy| copy.patch.is_enabled();
        if !self.copies.is_empty() && self.asks_all == asks_all && self.copies.iter().all(is_on) {
            return Ok(());
        }
        let is_gone = |copy: &Copy| {
            matches!(
                copy.patch.enable(),
                Err(Error::Removed { .. } | Error::Unloaded { .. })
            )
        };
        if self.copies.is_empty() || self.copies.iter().any(is_gone) {
            self.copies = patch_all(site)?;
        }
        for copy in &self.copies {
            let destination = match asks_all {
                false => copy.selector.by_thread(),
                true => copy.selector.always(),
            };
            // SAFETY: the selector leads to a thunk of the function's type, or to
            // its original.
            unsafe { copy.patch.retarget(destination) }?;
        }
        self.asks_all = asks_all;
        Ok(())
    }
}

fn patch_all(site: &'static Site) -> Result<Vec<Copy>, MockError> {
    let copies = inspect::copies(site.target)?;
    copies.into_iter().map(|at| patch(site, at)).collect()
}

fn patch(site: &'static Site, at: usize) -> Result<Copy, MockError> {
    let mut made = None;
    let lead = |original: *const ()| {
        let cell = cells::distance(site.index);
        let arrival = std::ptr::from_ref(site) as usize;
        let selector = Selector::new(at, original as usize, cell, arrival);
        let destination = selector.as_ref().map_or(original, |s| s.by_thread());
        if let (Ok(selector), true) = (&selector, at == site.target) {
            let original = selector.original() as usize;
            site.original.store(original, Ordering::Release);
        }
        made = Some(selector);
        destination
    };
    // SAFETY: as in `apply`; a selector that could not be made is not led to.
    let patch = unsafe { crate::patch_raw(at as *const (), lead) }?;
    let selector = made.unwrap_or(Err(Error::Removed { target: at }))?;
    Ok(Copy { patch, selector })
}
