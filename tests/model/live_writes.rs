//! Patches come and go while threads run; gate and copy stay.

use super::code::{Byte, Function};
use super::patching::Patching;
use super::reader::{Habits, KILLED, MIXED_RESULT, MIXTURE, UNKNOWN_TRAP};
use super::writer::*;

/// Prologues by the lengths of their instructions.
pub(crate) const LENGTHS: [&[usize]; 7] = [
    &[5],
    &[7],
    &[1, 3, 4],
    &[2, 2, 3],
    &[4, 4],
    &[3, 2],
    &[1, 1, 1, 1, 1],
];

pub(crate) fn function(lengths: &'static [usize], in_a_word: bool) -> Function {
    Function {
        lengths,
        in_a_word,
        call: None,
        breakpoint: false,
    }
}

/// Every length, in one aligned word and not, with a call and without; and an
/// entry that is a breakpoint.
pub(crate) fn functions() -> Vec<Function> {
    let mut all = vec![Function {
        lengths: &[1],
        in_a_word: true,
        call: None,
        breakpoint: true,
    }];
    for lengths in LENGTHS {
        for in_a_word in [true, false] {
            all.push(function(lengths, in_a_word));
        }
    }
    all.push(Function {
        call: Some(1),
        ..function(&[2, 2, 3], false)
    });
    all.push(Function {
        call: Some(0),
        ..function(&[5], false)
    });
    all
}

/// On, off and on by the slot, removed, and on again, for ever.
fn cycle(f: &Function) -> Vec<Op> {
    let stub = vec![Op::Stub(super::reader::Place::Copy(0, 0))];
    let rest = [
        traps_lead_to_copy(f, 0),
        vec![Op::Slot(0, super::reader::Place::Replacement)],
        write_jump(f, 0),
        toggle(0),
        remove(f, 0),
    ];
    [stub, rest.concat()].concat()
}

fn patched_for_ever(f: &Function) -> Patching {
    let once = [vec![Op::Allocate(0)], cycle(f)].concat();
    Patching::new(f, World::unpatched(f), &once, &cycle(f))
}

#[test]
fn patching_again_and_again_harms_nobody() {
    for f in functions() {
        let t = std::time::Instant::now();
        let size = patched_for_ever(&f).check().unwrap_or_else(|e| panic!("{f:?}: {e}"));
        eprintln!("{f:?} {size:?} {:?}", t.elapsed());
    }
}
