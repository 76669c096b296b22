//! Functions with a hundred versions each, which call each other.

use crate::agent::Agent;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many versions of each there are: what is built is the first.
pub(crate) const VERSIONS: usize = 100;
/// How many functions: each calls the next one.
pub(crate) const FUNCTIONS: usize = 4;

/// What the functions have to give, by the number of the generation.
static EXPECTED: [AtomicU64; 1 << 16] = [const { AtomicU64::new(u64::MAX) }; 1 << 16];

pub(crate) fn expected(generation: u64) -> u64 {
    EXPECTED[generation as usize].load(Ordering::SeqCst)
}

/// Before it is made.
pub(crate) fn expect(generation: u64, sum: u64) {
    EXPECTED[generation as usize].store(sum, Ordering::SeqCst);
}

/// The number of this version, and behind it those of what it calls.
#[inline(never)]
fn version<const F: usize, const V: u64>() -> u64 {
    let below = match F {
        0 => version::<1, 0>(),
        1 => version::<2, 0>(),
        2 => version::<3, 0>(),
        _ => 0,
    };
    black_box(below * 100 + V)
}

/// A request: the numbers of the versions of all functions that it has called.
pub(crate) fn request() -> u64 {
    version::<0, 0>()
}

/// What a request gives if the functions have these versions.
pub(crate) fn sum(versions: &[usize; FUNCTIONS]) -> u64 {
    let last_first = versions.iter().rev();
    last_first.fold(0, |sum, version| sum * 100 + *version as u64)
}

fn of<const F: usize>() -> [fn() -> u64; VERSIONS] {
    [
        version::<F, 0>,
        version::<F, 1>,
        version::<F, 2>,
        version::<F, 3>,
        version::<F, 4>,
        version::<F, 5>,
        version::<F, 6>,
        version::<F, 7>,
        version::<F, 8>,
        version::<F, 9>,
        version::<F, 10>,
        version::<F, 11>,
        version::<F, 12>,
        version::<F, 13>,
        version::<F, 14>,
        version::<F, 15>,
        version::<F, 16>,
        version::<F, 17>,
        version::<F, 18>,
        version::<F, 19>,
        version::<F, 20>,
        version::<F, 21>,
        version::<F, 22>,
        version::<F, 23>,
        version::<F, 24>,
        version::<F, 25>,
        version::<F, 26>,
        version::<F, 27>,
        version::<F, 28>,
        version::<F, 29>,
        version::<F, 30>,
        version::<F, 31>,
        version::<F, 32>,
        version::<F, 33>,
        version::<F, 34>,
        version::<F, 35>,
        version::<F, 36>,
        version::<F, 37>,
        version::<F, 38>,
        version::<F, 39>,
        version::<F, 40>,
        version::<F, 41>,
        version::<F, 42>,
        version::<F, 43>,
        version::<F, 44>,
        version::<F, 45>,
        version::<F, 46>,
        version::<F, 47>,
        version::<F, 48>,
        version::<F, 49>,
        version::<F, 50>,
        version::<F, 51>,
        version::<F, 52>,
        version::<F, 53>,
        version::<F, 54>,
        version::<F, 55>,
        version::<F, 56>,
        version::<F, 57>,
        version::<F, 58>,
        version::<F, 59>,
        version::<F, 60>,
        version::<F, 61>,
        version::<F, 62>,
        version::<F, 63>,
        version::<F, 64>,
        version::<F, 65>,
        version::<F, 66>,
        version::<F, 67>,
        version::<F, 68>,
        version::<F, 69>,
        version::<F, 70>,
        version::<F, 71>,
        version::<F, 72>,
        version::<F, 73>,
        version::<F, 74>,
        version::<F, 75>,
        version::<F, 76>,
        version::<F, 77>,
        version::<F, 78>,
        version::<F, 79>,
        version::<F, 80>,
        version::<F, 81>,
        version::<F, 82>,
        version::<F, 83>,
        version::<F, 84>,
        version::<F, 85>,
        version::<F, 86>,
        version::<F, 87>,
        version::<F, 88>,
        version::<F, 89>,
        version::<F, 90>,
        version::<F, 91>,
        version::<F, 92>,
        version::<F, 93>,
        version::<F, 94>,
        version::<F, 95>,
        version::<F, 96>,
        version::<F, 97>,
        version::<F, 98>,
        version::<F, 99>,
    ]
}

/// Where a version of a function is.
pub(crate) fn at(function: usize, version: usize) -> usize {
    let versions = match function {
        0 => of::<0>(),
        1 => of::<1>(),
        2 => of::<2>(),
        _ => of::<3>(),
    };
    versions[version] as *const () as usize
}

/// Leads the functions that have other versions now to these.
pub(crate) fn swaps(from: &[usize; FUNCTIONS], to: &[usize; FUNCTIONS]) -> Vec<(usize, usize)> {
    let changed = (0..FUNCTIONS).filter(|f| from[*f] != to[*f]);
    changed.map(|f| (at(f, 0), at(f, to[f]))).collect()
}

/// All of them are as they were built, whatever other tests have done.
pub(crate) fn fresh(agent: &mut Agent) {
    agent.undo_all();
    agent.reload(&[0, 1, 2, 3].map(|f| (at(f, 0), at(f, 0))));
    assert_eq!(request(), 0);
}
