//! Every fixture does what the table says, before anything is patched.
#![cfg(target_arch = "x86_64")]

use midair_libraries::shapes::{Caution, Fixtures, Needs, SHAPES};
use std::collections::BTreeSet;
use std::process::Command;

/// Small numbers, edges, and a spread of large ones.
fn inputs() -> Vec<u64> {
    let mut inputs: Vec<u64> = (0..40).collect();
    inputs.extend([
        127,
        128,
        255,
        256,
        0xffff,
        0x1_0000,
        u64::from(u32::MAX),
        1 << 32,
        (1 << 32) + 1,
        i64::MAX as u64,
        1 << 63,
        u64::MAX - 1,
        u64::MAX,
    ]);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    inputs.extend(
        std::iter::repeat_with(|| {
            state = state.rotate_left(13).wrapping_mul(0xd129_0ac5_9c1b_5a6d) ^ 0x5bd1;
            state
        })
        .take(40),
    );
    inputs
}

#[test]
fn every_shape_returns_what_is_expected_of_it() {
    let fixtures = Fixtures::load().expect("the fixtures load");
    let mut skipped = Vec::new();
    for shape in SHAPES {
        if !shape.needs.available() {
            skipped.push(shape.name);
            continue;
        }
        for &a in &inputs() {
            for &b in &inputs() {
                let result = fixtures
                    .call(shape, a, b)
                    .expect("the shape keeps the registers");
                assert_eq!(
                    result,
                    (shape.expected)(a, b),
                    "{}({a:#x}, {b:#x})",
                    shape.name
                );
            }
        }
    }
    println!("not called on this processor: {skipped:?}");
}

#[test]
fn what_needs_nothing_is_called_on_every_processor() {
    let plain = SHAPES.iter().filter(|shape| shape.needs == Needs::Nothing);
    assert!(plain.count() > 140);
}

#[test]
fn the_table_names_each_exported_shape_once() {
    let output = Command::new("nm")
        .args(["--defined-only", "--extern-only", "--dynamic"])
        .arg(midair_libraries::fixtures())
        .output();
    let mut in_table: Vec<_> = SHAPES.iter().map(|shape| shape.name).collect();
    in_table.sort_unstable();
    assert!(
        in_table.windows(2).all(|pair| pair[0] != pair[1]),
        "a name is there twice"
    );

    // nm is part of every C toolchain that could link the library.
    let output = output.expect("nm runs");
    let listing = String::from_utf8(output.stdout).expect("nm writes text");
    let exported: BTreeSet<_> = listing
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .filter(|name| name.starts_with("shape_"))
        .collect();
    assert_eq!(exported, in_table.into_iter().collect());
}

#[test]
fn the_exact_sizes_and_places_are_what_the_names_say() {
    let fixtures = Fixtures::load().expect("the fixtures load");
    let address = |name| fixtures.address(name).expect("an exported shape") as usize;
    assert_eq!(
        address("shape_1_packed_next") - address("shape_1_packed"),
        1
    );
    assert_eq!(
        address("shape_2_packed_next") - address("shape_2_packed"),
        2
    );
    assert_eq!(
        address("shape_3_packed_next") - address("shape_3_packed"),
        3
    );
    assert_eq!(
        address("shape_4_packed_next") - address("shape_4_packed"),
        4
    );
    assert_eq!(
        address("shape_5_packed_next") - address("shape_5_packed"),
        5
    );
    assert_eq!(address("shape_at_line_boundary") % 64, 62);
    assert_eq!(address("shape_at_page_boundary") % 4096, 0xffe);
}

#[test]
fn threads_may_call_shapes_together_unless_they_share_state() {
    let fixtures = Fixtures::load().expect("the fixtures load");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let fixtures = &fixtures;
            scope.spawn(move || {
                for round in 0..2000 {
                    for shape in SHAPES {
                        if !shape.needs.available() || shape.caution == Caution::SharedState {
                            continue;
                        }
                        let (a, b) = (round * 7 + thread, round * 3 + thread);
                        let result = fixtures.call(shape, a, b).expect("registers are kept");
                        assert_eq!(result, (shape.expected)(a, b), "{}", shape.name);
                    }
                }
            });
        }
    });
}
