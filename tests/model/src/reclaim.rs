//! Memory comes back while threads run.
//!
//! The order: the old bytes stand there again and the cores are synchronised;
//! traps lead to where they are; the `original` leads to the function itself;
//! a fence; each thread is seen once, at whatever moment, not to be in the gate
//! or the copy; the memory is freed.

use super::code::Function;
use super::live_writes::{function, functions};
use super::patching::Patching;
use super::reader::{Eyes, FREED, Habits, NOT_ORIGINAL, Place, UNKNOWN_TRAP};
use super::writer::{
    Op, World, grace, install, install_again, reclaim, remove, retire, traps_lead_home,
};

/// Three instructions across two words: the hard case.
fn hard() -> Function {
    function(&[2, 2, 3], false)
}

fn unpatched(f: &Function, script: &[&[Op]]) -> Patching {
    Patching::new(f, World::unpatched(f), &script.concat(), &[])
}

/// Installed, removed, given back, for ever, in the same memory.
#[test]
fn memory_comes_back_and_nobody_is_in_it() {
    for f in functions() {
        let cycle = |first| {
            let install = if first { install } else { install_again };
            [install(&f, 0), remove(&f, 0), retire(&f), reclaim(0)].concat()
        };
        Patching::new(&f, World::unpatched(&f), &cycle(true), &cycle(false)).passes();
    }
}

/// The next patch does not wait until the memory of the last one is free.
#[test]
fn a_function_is_patched_again_while_its_old_memory_is_in_limbo() {
    let three = [
        function(&[5], true),
        function(&[4, 4], true),
        function(&[4, 4], false),
    ];
    for f in three {
        let next = |now: usize| {
            let last = 1 - now;
            let install = install_again(&f, now);
            [install, reclaim(last), remove(&f, now), retire(&f)].concat()
        };
        let once = [install(&f, 0), remove(&f, 0), retire(&f), next(1), next(0)].concat();
        let for_ever = [next(1), next(0)].concat();
        let model = Patching::new(&f, World::unpatched(&f), &once, &for_ever);
        model.passes();
    }
}

/// While `original` leads to the function itself, a thread that goes there may
/// be overtaken by the next patch: the first instruction is a jump by then, and
/// the "original" runs the replacement, perhaps the one that called it.
#[test]
fn a_retired_original_may_meet_the_next_patch_unless_the_head_is_looked_at() {
    let f = hard();
    let once = [install(&f, 0), remove(&f, 0), retire(&f), reclaim(0)].concat();
    let at_once = unpatched(&f, &[&once, &install(&f, 0)]);
    assert_eq!(at_once.flaw(), NOT_ORIGINAL);
    unpatched(&f, &[&once, &install_again(&f, 0)]).passes();
    let fence = |op: &Op| !matches!(op, Op::Fence);
    let unfenced: Vec<Op> = install_again(&f, 0).into_iter().filter(fence).collect();
    assert_eq!(unpatched(&f, &[&once, &unfenced]).flaw(), NOT_ORIGINAL);
}

/// The other cure: the gate comes back, the copy stays, and `original` leads to
/// it for good. Nothing has to be looked at when the function is patched again.
#[test]
fn an_original_that_leads_to_its_copy_for_good_never_meets_a_patch() {
    let f = hard();
    let mut cycle = [remove(&f, 0), traps_lead_home(&f), vec![Op::Fence]].concat();
    cycle.extend([grace(0), vec![Op::FreeGate(0)], install(&f, 0)].concat());
    let habits = Habits {
        calls_original: true,
        takes_signals: true,
        looks_again: true,
        ..Habits::default()
    };
    let start = World::patched(&f);
    let forever = Patching::new(&f, start, &cycle, &cycle);
    forever.with_habits(habits).passes();
}

// What goes wrong without each part of the protocol.

/// The table leads home, then there is a trap, then the table leads home again:
/// between the two, a patch came and went. It was not somebody else's trap.
#[test]
fn two_looks_do_not_tell_whose_a_trap_is() {
    let f = hard();
    let cycle = [install(&f, 0), remove(&f, 0), traps_lead_home(&f)].concat();
    let model = || unpatched(&f, &[&cycle, &cycle]);
    assert_eq!(model().with_two_looks().flaw(), UNKNOWN_TRAP);
    model().passes();
}

#[test]
fn memory_must_not_be_freed_unless_everybody_was_seen() {
    let f = hard();
    let free = [Op::Free(0)];
    let wrong = unpatched(&f, &[&install(&f, 0), &remove(&f, 0), &retire(&f), &free]);
    assert_eq!(wrong.flaw(), FREED);
    // Neither if only one of them was.
    let some = [Op::Observe(0, 0), Op::Free(0)];
    let wrong = unpatched(&f, &[&install(&f, 0), &remove(&f, 0), &retire(&f), &some]);
    assert_eq!(wrong.flaw(), FREED);
}

#[test]
fn threads_must_be_seen_after_the_entry_is_restored() {
    let f = hard();
    let wrong = [install(&f, 0), grace(0), remove(&f, 0), retire(&f)].concat();
    assert_eq!(unpatched(&f, &[&wrong, &[Op::Free(0)]]).flaw(), FREED);
}

/// A core may have fetched the jump before it was taken away.
#[test]
fn cores_must_be_synchronised_before_threads_are_seen() {
    let f = function(&[5], true);
    let mut remove = remove(&f, 0);
    assert!(matches!(remove.pop(), Some(Op::Synchronise)));
    let wrong = unpatched(&f, &[&install(&f, 0), &remove, &retire(&f), &reclaim(0)]);
    assert_eq!(wrong.flaw(), FREED);
}

/// A thread may have trapped long before the old bytes came back.
#[test]
fn traps_must_lead_home_before_threads_are_seen() {
    let f = hard();
    let stub = vec![Op::Stub(Place::Target(0)), Op::Fence];
    let before = [install(&f, 0), remove(&f, 0), stub, grace(0)].concat();
    let home = traps_lead_home(&f);
    let free = [Op::Free(0)];
    assert_eq!(unpatched(&f, &[&before, &home, &free]).flaw(), FREED);
    assert_eq!(unpatched(&f, &[&before, &free, &home]).flaw(), FREED);
}

#[test]
fn the_original_must_lead_home_before_threads_are_seen() {
    let f = hard();
    let before = [install(&f, 0), remove(&f, 0), traps_lead_home(&f)].concat();
    let wrong = [grace(0), vec![Op::Stub(Place::Target(0)), Op::Free(0)]].concat();
    assert_eq!(unpatched(&f, &[&before, &wrong]).flaw(), FREED);
}

#[test]
fn the_original_must_not_lead_home_before_the_entry_is_restored() {
    let f = hard();
    let wrong = [Op::Stub(Place::Target(0))];
    assert_eq!(
        unpatched(&f, &[&install(&f, 0), &wrong]).flaw(),
        NOT_ORIGINAL
    );
}

/// The stores of `retire` may still be in the writer's store buffer while it
/// looks at the threads.
#[test]
fn a_fence_must_stand_between_the_last_store_and_the_first_look() {
    let f = hard();
    let mut retire = retire(&f);
    assert!(matches!(retire.pop(), Some(Op::Fence)));
    let wrong = unpatched(&f, &[&install(&f, 0), &remove(&f, 0), &retire, &reclaim(0)]);
    assert_eq!(wrong.flaw(), FREED);
}

/// The int3 is gone, but a thread may have met it before.
#[test]
fn the_table_must_not_forget_what_a_thread_may_look_up() {
    let f = hard();
    let boundaries = f.boundaries().into_iter();
    let forget: Vec<Op> = boundaries
        .chain([0])
        .map(|at| Op::Table(at, None))
        .collect();
    let wrong = unpatched(&f, &[&install(&f, 0), &remove(&f, 0), &forget]);
    assert_eq!(wrong.flaw(), UNKNOWN_TRAP);
}

/// With the traps still there, they would be met again and again.
#[test]
fn traps_must_not_lead_home_before_the_old_bytes_are_there() {
    let f = hard();
    let wrong = unpatched(&f, &[&install(&f, 0), &traps_lead_home(&f)]);
    assert_eq!(wrong.flaw(), "a reader cannot finish alone");
}

#[test]
fn a_thread_in_the_trap_handler_must_count_as_inside() {
    let eyes = Eyes {
        see_trap_handler: false,
        ..Eyes::OPEN
    };
    assert_eq!(given_back(eyes).flaw(), FREED);
}

#[test]
fn a_context_in_a_signal_frame_must_count_as_inside() {
    let eyes = Eyes {
        see_signal_frames: false,
        ..Eyes::OPEN
    };
    assert_eq!(given_back(eyes).flaw(), FREED);
}

fn given_back(eyes: Eyes) -> Patching {
    let f = hard();
    unpatched(
        &f,
        &[&install(&f, 0), &remove(&f, 0), &retire(&f), &reclaim(0)],
    )
    .with_eyes(eyes)
}
