//! What has to be executed before other instructions than the old ones are
//! fetched from memory that was written.
//!
//! The caches of data and of instructions do not look into each other here: a
//! write has to be cleaned to where they meet (*point of unification*), and what
//! was fetched before has to be invalidated (Arm ARM B2.4.4). `CTR_EL0`, which
//! user code may read, gives the sizes of lines and says which half the machine
//! does by itself. This is the list of steps; executing them takes the machine.

use core::ops::Range;

/// One step of the maintenance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maintenance {
    /// `dc cvau`: clean the line of data at this address.
    CleanData(u64),
    /// `dsb ish`: wait until what came before is done for all cores.
    Barrier,
    /// `ic ivau`: invalidate the line of instructions at this address, on all
    /// cores.
    InvalidateInstructions(u64),
    /// `isb`: fetch anew, on this core. Every other one that executes the new
    /// code needs one of its own (`membarrier`).
    Synchronise,
}

/// The steps for code that was written to `range`, on a machine whose `CTR_EL0`
/// is `ctr`.
///
/// ```
/// use midair_arch::aarch64::{Maintenance as M, maintenance};
/// // Lines of 64 bytes; neither IDC nor DIC.
/// let steps: Vec<M> = maintenance(0x103c..0x1044, 0x8444_c004).collect();
/// assert_eq!(steps, [
///     M::CleanData(0x1000), M::CleanData(0x1040), M::Barrier,
///     M::InvalidateInstructions(0x1000), M::InvalidateInstructions(0x1040), M::Barrier,
///     M::Synchronise,
/// ]);
/// ```
pub fn maintenance(range: Range<u64>, ctr: u64) -> impl Iterator<Item = Maintenance> {
    const DATA_IS_COHERENT: u64 = 1 << 28; // IDC
    const INSTRUCTIONS_ARE_COHERENT: u64 = 1 << 29; // DIC
    let line = |field: u64| 4_u64 << ((ctr >> field) & 0xf);
    let data = (ctr & DATA_IS_COHERENT == 0).then(|| lines(range.clone(), line(16)));
    let instructions = (ctr & INSTRUCTIONS_ARE_COHERENT == 0).then(|| lines(range, line(0)));
    let has_invalidated = instructions.is_some();
    let data = data.into_iter().flatten().map(Maintenance::CleanData);
    let instructions = instructions
        .into_iter()
        .flatten()
        .map(Maintenance::InvalidateInstructions);
    data.chain([Maintenance::Barrier])
        .chain(instructions)
        .chain(has_invalidated.then_some(Maintenance::Barrier))
        .chain([Maintenance::Synchronise])
}

/// The starts of the lines of `size` bytes that `range` touches.
fn lines(range: Range<u64>, size: u64) -> impl Iterator<Item = u64> {
    let first = range.start & !(size - 1);
    let count = match range.is_empty() {
        true => 0,
        false => (range.end - 1 - first) / size + 1,
    };
    (0..count).map(move |n| first + n * size)
}
