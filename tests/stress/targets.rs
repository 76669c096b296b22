//! The fixtures as targets: what each may be patched with, and which results a
//! call may have meanwhile.

use crate::load::Random;
use midair_libraries::shapes::{Caution, Fixtures, Needs, SHAPES, Shape, probe};

/// A shape, its addresses, and what may be done with it.
pub(crate) struct Target {
    pub(crate) shape: &'static Shape,
    /// The function that is patched.
    pub(crate) entry: *const (),
    /// What is called with two integers: the function or its driver.
    called: *const (),
    pub(crate) allows: Allows,
}

// SAFETY: addresses of code that stays loaded.
unsafe impl Sync for Target {}
// SAFETY: as above.
unsafe impl Send for Target {}

/// What a shape may be patched with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Allows {
    /// The original and nothing else: it has another signature, reads what no
    /// replacement hands on, or comes back to its entry.
    PassThrough,
    /// Replacements too. Signal handlers call these: a closure could be
    /// dropped there, and freeing memory in a handler is not allowed.
    Replacements,
    /// Closures too.
    Closures,
}

/// The type of every shape without a driver.
pub(crate) type Two = extern "C" fn(u64, u64) -> u64;

/// What stands in for a function: nothing like any of them.
pub(crate) extern "C" fn stand_in(a: u64, b: u64) -> u64 {
    a.rotate_left(29) ^ b ^ 0x5ca1_ab1e_0ddb_a11d
}

impl Target {
    /// The result of the function itself.
    pub(crate) fn expected(&self, a: u64, b: u64) -> u64 {
        (self.shape.expected)(a, b)
    }

    /// Whether one thread alone may call it.
    pub(crate) fn is_shared(&self) -> bool {
        self.shape.caution == Caution::SharedState
    }

    /// Calls it in a frame that notices disturbed registers.
    pub(crate) fn call(&self, a: u64, b: u64) -> u64 {
        // SAFETY: a shape or its driver takes two integers; the processor is
        // able to run it, or it were no target.
        unsafe { probe(self.called, a, b) }
            .unwrap_or_else(|disturbed| panic!("{}: {disturbed}", self.shape.name))
    }

    /// Whether `result` is one that the function, a stand-in, or closures that
    /// invert either may give. Whatever is on and whatever comes and goes, no
    /// call may give another.
    pub(crate) fn may_give(&self, a: u64, b: u64, result: u64) -> bool {
        let expected = self.expected(a, b);
        let replaced = stand_in(a, b);
        match self.allows {
            Allows::PassThrough => result == expected,
            Allows::Replacements => result == expected || result == replaced,
            Allows::Closures => [expected, !expected, replaced, !replaced].contains(&result),
        }
    }

    /// Calls it with arguments of `random` and checks the result.
    pub(crate) fn check(&self, random: &mut Random) {
        let (a, b) = arguments(random);
        let got = self.call(a, b);
        assert!(
            self.may_give(a, b, got),
            "{} ({}) gave {got:#x} for {a:#x}, {b:#x}; by itself it gives {:#x}",
            self.shape.name,
            self.shape.note,
            self.expected(a, b)
        );
    }
}

/// Arguments: `b` is the number of turns of many loops, so it is small.
pub(crate) fn arguments(random: &mut Random) -> (u64, u64) {
    (random.next(), random.next() & 31)
}

/// Functions that another shape, or the shape itself, calls or jumps to: what
/// they give is part of what that one gives.
const REACHED: [&str; 6] = [
    "shape_jmp_first_short",    // by shape_tail_call
    "shape_return_address",     // by a shape that calls first
    "shape_entered_by_another", // by shape_enters_entry
    "shape_recursive",
    "shape_c_recursive",
    "shape_back_edge_0_pushes",
];

/// Every shape that this processor runs.
///
/// Transactions (`xbegin`) are left out where they exist: an interrupt aborts
/// them at any time, so their result says nothing.
pub(crate) fn all(fixtures: &Fixtures) -> Vec<Target> {
    SHAPES
        .iter()
        .filter(|shape| shape.needs.available() && shape.needs != Needs::Rtm)
        .enumerate()
        .map(|(n, shape)| {
            let entry = fixtures.address(shape.name).unwrap();
            let plan = midair::can_patch(entry).unwrap_or_else(|e| panic!("{}: {e}", shape.name));
            let is_plain = shape.driver.is_none()
                && shape.caution == Caution::None
                && plan.branches_to_entry == 0
                && !REACHED.contains(&shape.name);
            Target {
                shape,
                entry,
                called: fixtures.address(shape.entry()).unwrap(),
                allows: match (is_plain, n % 4) {
                    (false, _) => Allows::PassThrough,
                    (true, 0) => Allows::Replacements,
                    (true, _) => Allows::Closures,
                },
            }
        })
        .collect()
}
