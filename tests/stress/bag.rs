//! Patches that are on at the moment, put on and taken off in random order.

use crate::load::Random;
use crate::targets::{Allows, Target, Two, arguments, stand_in};
use midair::{Error, Patch, RawPatch, Reason};

/// A function carries at most so many patches.
const STACK: usize = 2;

/// What a patch does to the result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    PassThrough,
    StandIn,
    /// A closure that inverts what is below.
    Inverting,
}

/// A patch, taken off when it is dropped.
#[expect(dead_code, reason = "held, and dropped")]
enum Held {
    Raw(RawPatch),
    Closure(Patch<Two>),
}

struct Layer {
    id: u64,
    kind: Kind,
    held: Held,
}

/// All patches, by target.
pub(crate) struct Bag<'a> {
    targets: &'a [Target],
    layers: Vec<Vec<Layer>>,
    /// Which target carries how many, one entry each.
    on: Vec<usize>,
    random: Random,
    next_id: u64,
    pub(crate) installs: u64,
    pub(crate) removals: u64,
    /// Times that a function's bytes were what a neighbour's jump relied on.
    pub(crate) taken: u64,
    pub(crate) by_kind: [u64; 3],
    pub(crate) stacked: u64,
}

impl<'a> Bag<'a> {
    pub(crate) fn new(targets: &'a [Target], seed: u64) -> Self {
        Self {
            targets,
            layers: targets.iter().map(|_| Vec::new()).collect(),
            on: Vec::new(),
            random: Random::new(seed),
            next_id: 0,
            installs: 0,
            removals: 0,
            taken: 0,
            by_kind: [0; 3],
            stacked: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.on.len()
    }

    /// Patches a random function in a random way, unless it carries enough.
    pub(crate) fn put_one_on(&mut self) {
        let n = self.random.below(self.targets.len());
        let target = &self.targets[n];
        if self.layers[n].len() == STACK {
            return;
        }
        let kind = match (target.allows, self.random.below(4)) {
            (Allows::PassThrough, _) | (_, 0 | 1) => Kind::PassThrough,
            (Allows::Replacements, _) | (Allows::Closures, 2) => Kind::StandIn,
            (Allows::Closures, _) => Kind::Inverting,
        };
        match put_on(target, kind) {
            Ok(held) => {
                let id = self.next_id;
                self.next_id += 1;
                self.stacked += u64::from(!self.layers[n].is_empty());
                self.layers[n].push(Layer { id, kind, held });
                self.on.push(n);
                self.installs += 1;
                self.by_kind[kind as usize] += 1;
                self.check(n);
            }
            Err(Error::Refused(refusal)) if matches!(refusal.reason, Reason::Taken { .. }) => {
                self.taken += 1;
            }
            Err(e) => panic!("{}: {e}", target.shape.name),
        }
    }

    /// Takes a random patch off, the upper or the lower one of its function.
    pub(crate) fn take_one_off(&mut self) {
        if self.on.is_empty() {
            return;
        }
        let which = self.random.below(self.on.len());
        let n = self.on.swap_remove(which);
        let at = self.random.below(self.layers[n].len());
        let layer = self.layers[n].remove(at);
        drop(layer.held);
        self.removals += 1;
        self.check(n);
    }

    /// What the function must give now, exactly: nobody else patches it.
    fn check(&mut self, n: usize) {
        let target = &self.targets[n];
        if target.is_shared() {
            return; // another thread calls it
        }
        let (a, b) = arguments(&mut self.random);
        let layers = &self.layers[n];
        let expected = layers
            .iter()
            .fold(target.expected(a, b), |below, layer| match layer.kind {
                Kind::PassThrough => below,
                Kind::StandIn => stand_in(a, b),
                Kind::Inverting => !below,
            });
        let got = target.call(a, b);
        assert_eq!(
            got,
            expected,
            "{} ({}) for {a:#x}, {b:#x} under {:?}",
            target.shape.name,
            target.shape.note,
            layers.iter().map(|l| (l.id, l.kind)).collect::<Vec<_>>()
        );
    }
}

fn put_on(target: &Target, kind: Kind) -> Result<Held, Error> {
    let pass_or = |replacement: Option<*const ()>| {
        // SAFETY: the original, or a function of the shape's type of which the
        // callers know.
        unsafe { midair::patch_raw(target.entry, |original| replacement.unwrap_or(original)) }
            .map(Held::Raw)
    };
    match kind {
        Kind::PassThrough => pass_or(None),
        Kind::StandIn => pass_or(Some(stand_in as Two as *const ())),
        Kind::Inverting => {
            // SAFETY: a shape without a driver is of this type.
            let function = unsafe { std::mem::transmute::<*const (), Two>(target.entry) };
            let mark = target.entry as u64;
            let kept = Box::new([mark; 8]); // freed when the closure is
            let make = move |original: Two| {
                move |a: u64, b: u64| {
                    if *kept != [mark; 8] {
                        std::process::abort(); // used after it was dropped
                    }
                    !original(a, b)
                }
            };
            // SAFETY: of the shape's type; the callers know of it.
            unsafe { midair::patch_closure(function, make) }.map(Held::Closure)
        }
    }
}
