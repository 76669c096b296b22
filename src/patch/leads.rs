//! What patches lead to, for whoever wants to unload it.

use super::registry::registry;
use std::ops::Range;

/// Why code may not be unloaded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lead {
    /// The function at this address is led there.
    Function(usize),
    /// A thread may be about to choose between what is there and something newer.
    Choice,
}

/// Where gates, copies and slots are: what leads on from there is in
/// [`leads_into`].
pub(crate) fn own_memory() -> Vec<Range<usize>> {
    registry().store.arena.ranges()
}

/// For each of the ranges, one way in which patches still lead into it.
pub(crate) fn leads_into(ranges: &[Range<usize>]) -> Vec<Option<Lead>> {
    let registry = registry();
    let mut found = vec![None; ranges.len()];
    let mut check = |at: usize, lead: Lead| {
        for (range, found) in ranges.iter().zip(&mut found) {
            if range.contains(&at) {
                found.get_or_insert(lead);
            }
        }
    };
    for site in registry.sites.iter() {
        for layer in &site.layers {
            for at in [layer.destination, layer.code] {
                check(at, Lead::Function(site.target()));
            }
        }
        // A patched function is where its patch is.
        if !site.is_idle() {
            check(site.target(), Lead::Function(site.target()));
        }
        for (slot, _) in site.links() {
            let at = slot.load(std::sync::atomic::Ordering::Acquire);
            check(at, Lead::Function(site.target()));
        }
    }
    for at in registry.store.limbo.destinations() {
        check(at, Lead::Choice);
    }
    found
}
