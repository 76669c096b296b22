//! Every shape of prologue: patched, called, restored.
//!
//! The shapes are hand-written functions (`tests/libraries/fixtures`), each
//! with the result that it must have.

use midair::Strategy;
use midair_libraries::shapes::{Caution, Fixtures, SHAPES, Shape};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

/// Patches of neighbouring functions may need the same padding.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

const INPUTS: [(u64, u64); 12] = [
    (0, 0),
    (1, 0),
    (0, 1),
    (1, 1),
    (2, 7),
    (7, 2),
    (40, 3),
    (3, 40),
    (u64::MAX, 1),
    (1 << 32, 1 << 32),
    (0x8000_0000, 0x7fff_ffff),
    (0xdead_beef_0bad_f00d, 15),
];

fn check(fixtures: &Fixtures, shape: &Shape, when: &str) {
    for (a, b) in INPUTS {
        let got = fixtures.call(shape, a, b).unwrap();
        assert_eq!(
            got,
            (shape.expected)(a, b),
            "{} ({}) {when}, {a:#x}, {b:#x}",
            shape.name,
            shape.note
        );
    }
}

fn bytes(at: *const ()) -> [u8; 24] {
    // SAFETY: every fixture has at least so many bytes of code behind it.
    unsafe { at.cast::<[u8; 24]>().read() }
}

fn pass_through(target: *const ()) -> Result<midair::RawPatch, midair::Error> {
    // SAFETY: the original is a replacement that nobody can tell from it.
    unsafe { midair::patch_raw(target, |original| original) }
}

fn available() -> impl Iterator<Item = &'static Shape> {
    SHAPES.iter().filter(|shape| shape.needs.available())
}

#[test]
fn every_shape_gives_its_result_through_a_patch_and_leaves_no_trace() {
    let _alone = alone();
    let fixtures = Fixtures::load().unwrap();
    let mut strategies: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for shape in available() {
        let target = fixtures.address(shape.name).unwrap();
        let before = bytes(target);
        check(&fixtures, shape, "unpatched");
        let plan = midair::can_patch(target).unwrap_or_else(|e| panic!("{}: {e}", shape.name));
        strategies
            .entry(plan.strategy.name())
            .or_default()
            .push(shape.name);
        for round in ["patched", "patched again"] {
            let patch = pass_through(target).unwrap();
            assert_ne!(
                bytes(target),
                before,
                "{}: nothing was written\n{plan}",
                shape.name
            );
            check(&fixtures, shape, round);
            patch.disable().unwrap();
            check(&fixtures, shape, "turned off");
            patch.enable().unwrap();
            check(&fixtures, shape, "turned on again");
            drop(patch);
            check(&fixtures, shape, "restored");
        }
        // Padding that a short jump used stays while other threads run.
        if plan.strategy != Strategy::ShortJump {
            assert_eq!(bytes(target), before, "{}: restored", shape.name);
        }
    }
    for (strategy, shapes) in &strategies {
        println!("{strategy}: {} shapes: {}", shapes.len(), shapes.join(" "));
    }
    assert!(strategies.contains_key(Strategy::Jump.name()));
    if cfg!(target_arch = "x86_64") {
        assert!(strategies.contains_key(Strategy::JumpIntoPadding.name()));
    }
}

#[test]
fn all_shapes_can_be_patched_at_once() {
    let _alone = alone();
    let fixtures = Fixtures::load().unwrap();
    let patches: Vec<_> = available()
        .filter_map(|shape| {
            let target = fixtures.address(shape.name).unwrap();
            match pass_through(target) {
                Ok(patch) => Some(patch),
                // Its bytes may be what a neighbour's jump relies on.
                Err(midair::Error::Refused(r)) => {
                    assert!(matches!(r.reason, midair::Reason::Taken { .. }), "{r}");
                    println!("{}: {r}", shape.name);
                    None
                }
                Err(e) => panic!("{}: {e}", shape.name),
            }
        })
        .collect();
    println!(
        "{} of {} shapes patched at once",
        patches.len(),
        SHAPES.len()
    );
    assert!(patches.len() * 100 >= SHAPES.len() * 90);
    for shape in available() {
        check(&fixtures, shape, "with all others patched");
    }
    drop(patches);
    for shape in available() {
        check(&fixtures, shape, "restored");
    }
}

#[test]
fn a_replacement_is_reached_from_every_shape() {
    extern "C" fn magic(_: u64, _: u64) -> u64 {
        0x5ca1_ab1e
    }
    let _alone = alone();
    let fixtures = Fixtures::load().unwrap();
    let direct = available().filter(|s| s.driver.is_none() && s.caution == Caution::None);
    for shape in direct {
        let target = fixtures.address(shape.name).unwrap();
        let to = magic as extern "C" fn(u64, u64) -> u64 as *const ();
        // SAFETY: two integers in, one out, as every shape without a driver.
        let patch = unsafe { midair::patch_raw(target, |_| to) }.unwrap();
        assert_eq!(
            fixtures.call(shape, 3, 4).unwrap(),
            0x5ca1_ab1e,
            "{}",
            shape.name
        );
        drop(patch);
        assert_eq!(
            fixtures.call(shape, 3, 4).unwrap(),
            (shape.expected)(3, 4),
            "{}",
            shape.name
        );
    }
}
