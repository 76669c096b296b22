//! What midair does to one function, as a list of atomic steps.
//!
//! `replace` follows `threads/live.rs`, `install` and `remove` follow
//! `patch/site.rs` and `registry.rs`; `retire` and `reclaim` are how memory
//! comes back. A test composes them; a mutant composes them wrongly.

use super::code::{Byte, Code, Function};
use super::reader::Place;

pub(crate) const READERS: usize = 2;
/// Gates and copies exist in two generations: one may still be in limbo while
/// the next is in use.
pub(crate) const GENERATIONS: usize = 2;

#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// Gate and copy of a generation are written; its slot leads to the copy.
    Allocate(usize),
    /// Where the gate of a generation leads.
    Slot(usize, Place),
    /// Where the handed-out `original` leads.
    Stub(Place),
    /// Where a thread that traps at an offset goes on.
    Table(usize, Option<Place>),
    /// Code: one store that is seen whole.
    Code(usize, Vec<Byte>),
    /// `membarrier`: all cores forget what they fetched. A fence as well.
    Synchronise,
    /// All data stored before is visible to all.
    Fence,
    /// A reader is seen, at one moment, not to be in the gate or the copy.
    Observe(usize, usize),
    /// A reader is seen, at one moment, not to be at the first instruction.
    ObserveHead(usize),
    /// The gate and the copy of a generation are other people's memory now.
    Free(usize),
    /// The gate is, the copy stays.
    FreeGate(usize),
}

impl Op {
    /// Whether the store may sit in the writer's store buffer for a while.
    /// Stores to code cannot: a system call or a locked store makes each.
    pub(crate) fn is_buffered(&self) -> bool {
        matches!(
            self,
            Self::Slot(..)
                | Self::Stub(_)
                | Self::Table(..)
                | Self::Observe(..)
                | Self::ObserveHead(_)
        )
    }
}

/// All memory that the writer writes.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) code: Code,
    pub(crate) slots: [Place; GENERATIONS],
    pub(crate) stub: Place,
    pub(crate) table: Vec<Option<Place>>,
    pub(crate) has_gate: [bool; GENERATIONS],
    pub(crate) has_copy: [bool; GENERATIONS],
}

impl World {
    pub(crate) fn unpatched(function: &Function) -> Self {
        Self {
            code: Code::new(function.old()),
            slots: [Place::Outside; GENERATIONS],
            stub: Place::Target(0),
            table: vec![None; super::code::JUMP],
            has_gate: [false; GENERATIONS],
            has_copy: [false; GENERATIONS],
        }
    }

    /// Patched when there was one thread only: its gate may be anywhere, so
    /// nothing traps, and nothing is in the table.
    pub(crate) fn patched_alone(function: &Function) -> Self {
        let mut world = Self::unpatched(function);
        world.apply(&Op::Allocate(0));
        world.apply(&Op::Slot(0, Place::Replacement));
        world.apply(&Op::Stub(Place::Copy(0, 0)));
        world.apply(&Op::Code(0, function.patched_without_traps(0)));
        world.apply(&Op::Synchronise);
        world
    }

    /// Patched while others ran.
    pub(crate) fn patched(function: &Function) -> Self {
        let mut world = Self::unpatched(function);
        for op in install(function, 0) {
            world.apply(&op);
        }
        world
    }

    pub(crate) fn apply(&mut self, op: &Op) {
        match op {
            Op::Allocate(generation) => {
                self.has_gate[*generation] = true;
                self.has_copy[*generation] = true;
                self.slots[*generation] = Place::Copy(*generation, 0);
            }
            Op::Slot(generation, to) => self.slots[*generation] = *to,
            Op::Stub(to) => self.stub = *to,
            Op::Table(offset, to) => self.table[*offset] = *to,
            Op::Code(at, bytes) => self.code.store(*at, bytes.clone()),
            Op::Synchronise => self.code.synchronise(),
            Op::Free(generation) => {
                self.has_gate[*generation] = false;
                self.has_copy[*generation] = false;
            }
            Op::FreeGate(generation) => self.has_gate[*generation] = false,
            Op::Fence | Op::Observe(..) | Op::ObserveHead(_) => {}
        }
    }
}

/// `new` instead of `old`: `live::apply`, without its last synchronisation.
pub(crate) fn replace(function: &Function, old: &[Byte], new: &[Byte]) -> Vec<Op> {
    let new = &new[..function.written()];
    let traps = |offset: usize| old[offset] == Byte::Int3 || new[offset] == Byte::Int3;
    let nobody_meets_a_mixture = function.boundaries().into_iter().all(traps);
    if new.len() == 1 || (function.in_a_word && nobody_meets_a_mixture) {
        vec![Op::Code(0, new.to_vec())]
    } else {
        by_steps(function, new)
    }
}

pub(crate) fn by_steps(function: &Function, new: &[Byte]) -> Vec<Op> {
    let mut ops = vec![int3(0), Op::Synchronise];
    ops.extend(boundaries_become_traps(function));
    ops.push(Op::Synchronise);
    ops.extend(the_rest(function, new));
    ops.push(Op::Synchronise);
    ops.extend(boundaries_become(function, new));
    ops.push(Op::Code(0, vec![new[0]]));
    ops
}

pub(crate) fn int3(offset: usize) -> Op {
    Op::Code(offset, vec![Byte::Int3])
}

pub(crate) fn boundaries_become_traps(function: &Function) -> Vec<Op> {
    function.boundaries().into_iter().map(int3).collect()
}

/// What is neither head nor boundary, in no order: byte by byte.
pub(crate) fn the_rest(function: &Function, new: &[Byte]) -> Vec<Op> {
    let boundaries = function.boundaries();
    (1..new.len())
        .filter(|offset| !boundaries.contains(offset))
        .map(|offset| Op::Code(offset, vec![new[offset]]))
        .collect()
}

pub(crate) fn boundaries_become(function: &Function, new: &[Byte]) -> Vec<Op> {
    let boundaries = function.boundaries().into_iter();
    boundaries
        .filter(|&offset| new[offset] != Byte::Int3)
        .map(|offset| Op::Code(offset, vec![new[offset]]))
        .collect()
}

/// Traps lead to the gate and to the instructions of the copy.
pub(crate) fn traps_lead_to_copy(function: &Function, generation: usize) -> Vec<Op> {
    let boundaries = (1..function.lengths.len()).map(|n| {
        let to = Place::Copy(generation, n);
        Op::Table(function.offset(n), Some(to))
    });
    [Op::Table(0, Some(Place::Gate(generation)))]
        .into_iter()
        .chain(boundaries)
        .collect()
}

/// Traps lead to where they are: the old bytes stand there again.
pub(crate) fn traps_lead_home(function: &Function) -> Vec<Op> {
    let mut ops = vec![Op::Table(0, Some(Place::Target(0)))];
    for boundary in function.boundaries() {
        ops.push(Op::Table(boundary, Some(Place::Target(boundary))));
    }
    ops
}

/// What leads into the copy, before anything can lead to the gate.
pub(crate) fn prepare(function: &Function, generation: usize) -> Vec<Op> {
    let mut ops = vec![
        Op::Allocate(generation),
        Op::Stub(Place::Copy(generation, 0)),
    ];
    ops.extend(traps_lead_to_copy(function, generation));
    ops.push(Op::Slot(generation, Place::Replacement));
    ops
}

pub(crate) fn write_jump(function: &Function, generation: usize) -> Vec<Op> {
    let mut ops = replace(function, &function.old(), &function.patched(generation));
    ops.push(Op::Synchronise);
    ops
}

pub(crate) fn install(function: &Function, generation: usize) -> Vec<Op> {
    [
        prepare(function, generation),
        write_jump(function, generation),
    ]
    .concat()
}

/// Off and on again: stores into the slot.
pub(crate) fn toggle(generation: usize) -> Vec<Op> {
    vec![
        Op::Slot(generation, Place::Copy(generation, 0)),
        Op::Slot(generation, Place::Replacement),
    ]
}

pub(crate) fn remove(function: &Function, generation: usize) -> Vec<Op> {
    remove_jump(function, generation, &function.patched(generation))
}

/// A jump that was made alone: threads have come since.
pub(crate) fn remove_made_alone(function: &Function) -> Vec<Op> {
    let removal = remove_jump(function, 0, &function.patched_without_traps(0));
    [traps_lead_to_copy(function, 0), removal].concat()
}

fn remove_jump(function: &Function, generation: usize, jump: &[Byte]) -> Vec<Op> {
    let mut ops = vec![Op::Slot(generation, Place::Copy(generation, 0))];
    ops.extend(replace(function, jump, &function.old()));
    ops.push(Op::Synchronise);
    ops
}

/// Nothing leads to gate and copy any more.
pub(crate) fn retire(function: &Function) -> Vec<Op> {
    let mut ops = traps_lead_home(function);
    ops.push(Op::Stub(Place::Target(0)));
    ops.push(Op::Fence);
    ops
}

/// Who was in there has left.
pub(crate) fn grace(generation: usize) -> Vec<Op> {
    (0..READERS)
        .map(|reader| Op::Observe(reader, generation))
        .collect()
}

pub(crate) fn reclaim(generation: usize) -> Vec<Op> {
    [grace(generation), vec![Op::Free(generation)]].concat()
}

/// A retired function is patched anew: nobody is any more on the way from the
/// `original` of an earlier patch to the first instruction.
pub(crate) fn install_again(function: &Function, generation: usize) -> Vec<Op> {
    let mut ops = prepare(function, generation);
    ops.push(Op::Fence);
    ops.extend((0..READERS).map(Op::ObserveHead));
    ops.extend(write_jump(function, generation));
    ops
}
