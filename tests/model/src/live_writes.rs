//! Patches come and go while threads run; gate and copy stay.

use super::code::{Byte, Function, JUMP};
use super::patching::Patching;
use super::reader::{Habits, KILLED, MIXED_RESULT, MIXTURE, Place, UNKNOWN_TRAP};
use super::writer::{
    Op, World, boundaries_become, boundaries_become_traps, by_steps, install, int3, prepare,
    remove, remove_made_alone, replace, the_rest, toggle, traps_lead_to_copy, write_jump,
};

pub(crate) fn function(lengths: &'static [usize], in_a_word: bool) -> Function {
    Function {
        lengths,
        in_a_word,
        call: None,
        breakpoint: false,
    }
}

/// Prologues of every kind: by the lengths of their instructions, in one
/// aligned word or across two, with a call among them, too short for a jump.
pub(crate) fn functions() -> Vec<Function> {
    let lengths: [&[usize]; 7] = [
        &[5],
        &[7],
        &[1, 3, 4],
        &[2, 2, 3],
        &[4, 4],
        &[3, 2],
        &[1, 1, 1, 1, 1],
    ];
    let mut all = Vec::new();
    for lengths in lengths {
        all.push(function(lengths, true));
        all.push(function(lengths, false));
    }
    for (lengths, call) in [(&[5][..], 0), (&[2, 2, 3], 1)] {
        all.push(Function {
            call: Some(call),
            ..function(lengths, false)
        });
    }
    all.push(Function {
        breakpoint: true,
        ..function(&[1], true)
    });
    all
}

/// A prologue of three instructions across two words: the hard case.
const ACROSS: &[usize] = &[2, 2, 3];

/// Installed, turned off and on by the slot, removed.
fn cycle(f: &Function) -> Vec<Op> {
    let link = vec![Op::Slot(0, Place::Replacement)];
    let write = write_jump(f, 0);
    [
        traps_lead_to_copy(f, 0),
        link,
        write,
        toggle(0),
        remove(f, 0),
    ]
    .concat()
}

/// The first time, everything is made.
fn first_cycle(f: &Function) -> Vec<Op> {
    [prepare(f, 0), write_jump(f, 0), toggle(0), remove(f, 0)].concat()
}

fn unpatched(f: &Function, script: &[Op]) -> Patching {
    Patching::new(f, World::unpatched(f), script, &[])
}

fn patched_alone(f: &Function, script: &[Op]) -> Patching {
    Patching::new(f, World::patched_alone(f), script, &[])
}

#[test]
fn patching_again_and_again_harms_nobody() {
    for f in functions() {
        let model = Patching::new(&f, World::unpatched(&f), &first_cycle(&f), &cycle(&f));
        model.passes();
    }
}

/// A jump without traps was made while there was one thread. It is removed, and
/// the next one made, while there are more. (Where a call returns into the
/// jump, a jump without traps is not made; a breakpoint is always in the table.)
#[test]
fn a_patch_that_was_made_alone_comes_off_among_threads() {
    let returns_into_jump = |f: &Function| f.call.is_some_and(|n| f.offset(n + 1) < JUMP);
    for f in functions() {
        if returns_into_jump(&f) || f.breakpoint {
            continue;
        }
        let again = [remove_made_alone(&f), install(&f, 1), remove(&f, 1)].concat();
        patched_alone(&f, &again).passes();
    }
}

/// `registry::put_back`: the same steps with the old bytes, from wherever the
/// first ones ended.
#[test]
fn an_install_that_fails_at_any_step_is_put_back() {
    for f in functions().into_iter().filter(|f| !f.in_a_word) {
        let written = write_jump(&f, 0);
        for fails_at in 0..written.len() {
            let undo = remove(&f, 0);
            let script = [prepare(&f, 0), written[..fails_at].to_vec(), undo].concat();
            unpatched(&f, &script).passes();
        }
    }
}

/// The store was made, but its page's rights could not be put back: the steps
/// follow.
#[test]
fn a_store_may_be_followed_by_the_steps() {
    for f in functions()
        .into_iter()
        .filter(|f| f.in_a_word && !f.breakpoint)
    {
        let jump = f.patched(0);
        let mut script = [prepare(&f, 0), replace(&f, &f.old(), &jump)].concat();
        script.extend(by_steps(&f, &jump));
        script.push(Op::Synchronise);
        unpatched(&f, &script).passes();
    }
}

/// Who blocks SIGTRAP is safe exactly where nothing can trap: one store, over
/// one instruction. Everywhere else it can be killed.
#[test]
fn a_thread_that_blocks_sigtrap_dies_unless_one_store_covers_one_instruction() {
    for f in functions() {
        let habits = Habits {
            blocks_sigtrap: true,
            looks_again: true,
            ..Habits::default()
        };
        let script = first_cycle(&f);
        let model = unpatched(&f, &script).with_habits(habits);
        let is_one_in_one = f.in_a_word && f.lengths.len() == 1 && !f.breakpoint;
        if is_one_in_one {
            model.passes();
        } else {
            assert_eq!(model.flaw(), KILLED);
        }
    }
}

// What goes wrong without each part of the protocol.

/// Leaves out the `nth` synchronisation.
fn without_synchronisation(script: &[Op], nth: usize) -> Vec<Op> {
    let mut seen = 0;
    let mut kept = script.to_vec();
    kept.retain(|op| {
        let is_one = matches!(op, Op::Synchronise);
        seen += usize::from(is_one);
        !is_one || seen != nth + 1
    });
    kept
}

/// Which of the four synchronisations (after the head, after the boundaries,
/// after the rest, at the end) keep threads from executing a mixture. Each is
/// needed by someone; the last one by who frees memory (`reclaim`).
#[test]
fn each_synchronisation_is_needed_by_an_install_or_a_removal() {
    let f = function(ACROSS, false);
    let needed = |start: &World, script: &[Op]| {
        [0, 1, 2, 3].map(|nth| {
            let script = without_synchronisation(script, nth);
            let model = Patching::new(&f, start.clone(), &script, &[]);
            model.check().is_err_and(|found| found.flaw == MIXTURE)
        })
    };
    let unpatched = World::unpatched(&f);
    assert_eq!(
        needed(&unpatched, &install(&f, 0)),
        [false, true, true, false]
    );
    let patched = World::patched(&f);
    assert_eq!(
        needed(&patched, &remove(&f, 0)),
        [false, false, true, false]
    );
    let alone = World::patched_alone(&f);
    assert_eq!(
        needed(&alone, &remove_made_alone(&f)),
        [true, false, true, false]
    );
}

/// The head may be the old one already while the next instruction is still a
/// part of the jump: no vendor promises that fetches never go back in time.
#[test]
fn one_store_must_not_remove_a_jump_without_traps() {
    let f = function(ACROSS, true);
    let mut wrong = traps_lead_to_copy(&f, 0);
    wrong.push(Op::Code(0, f.old()[..5].to_vec()));
    assert_eq!(patched_alone(&f, &wrong).flaw(), MIXTURE);
}

#[test]
fn boundaries_before_the_head_break_a_live_jump() {
    let f = function(ACROSS, false);
    let mut wrong = traps_lead_to_copy(&f, 0);
    wrong.extend(boundaries_become_traps(&f));
    wrong.extend([Op::Synchronise, int3(0), Op::Synchronise]);
    wrong.extend(the_rest(&f, &f.old()[..5]));
    assert_eq!(patched_alone(&f, &wrong).flaw(), MIXTURE);
}

#[test]
fn boundaries_must_come_back_after_the_rest() {
    let f = function(ACROSS, false);
    let mut wrong = install(&f, 0);
    wrong.extend([int3(0), Op::Synchronise]);
    wrong.extend(boundaries_become(&f, &f.old()[..5]));
    assert_eq!(unpatched(&f, &wrong).flaw(), MIXTURE);
}

#[test]
fn the_head_must_come_after_the_rest() {
    let f = function(ACROSS, false);
    let mut wrong = prepare(&f, 0);
    wrong.extend([int3(0), Op::Synchronise]);
    wrong.extend(boundaries_become_traps(&f));
    wrong.push(Op::Synchronise);
    wrong.push(Op::Code(0, vec![Byte::Opcode(0)]));
    assert_eq!(unpatched(&f, &wrong).flaw(), MIXTURE);
}

#[test]
fn a_store_in_pieces_is_seen_in_pieces() {
    let f = function(&[5], false);
    let mut wrong = prepare(&f, 0);
    wrong.extend(
        f.patched(0)
            .into_iter()
            .enumerate()
            .map(|(at, byte)| Op::Code(at, vec![byte])),
    );
    assert_eq!(unpatched(&f, &wrong).flaw(), MIXTURE);
}

/// What every engine without punned distances does.
#[test]
fn boundaries_that_do_not_trap_are_executed_by_who_was_between() {
    let f = function(ACROSS, true);
    let jump = Op::Code(0, f.patched_without_traps(0));
    let wrong = [prepare(&f, 0), vec![jump, Op::Synchronise]].concat();
    assert_eq!(unpatched(&f, &wrong).flaw(), MIXTURE);
}

#[test]
fn the_table_must_be_filled_before_the_traps_are_written() {
    for in_a_word in [true, false] {
        let f = function(ACROSS, in_a_word);
        let slot = Op::Slot(0, Place::Replacement);
        let table = traps_lead_to_copy(&f, 0);
        let wrong = [vec![Op::Allocate(0), slot], write_jump(&f, 0), table].concat();
        assert_eq!(unpatched(&f, &wrong).flaw(), UNKNOWN_TRAP);
    }
}

#[test]
fn a_trap_between_two_instructions_must_not_lead_to_the_gate() {
    let f = function(ACROSS, true);
    let mut wrong = prepare(&f, 0);
    wrong.push(Op::Table(2, Some(Place::Gate(0))));
    wrong.extend(write_jump(&f, 0));
    assert_eq!(unpatched(&f, &wrong).flaw(), MIXED_RESULT);
}
