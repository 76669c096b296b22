//! Back to the generation before.

use crate::agent::agent;
use midair::reload::protocol::{Bytes, Load};
use std::hint::black_box;

macro_rules! functions {
    ($($name:ident = $value:expr;)*) => {
        $(#[inline(never)] fn $name() -> u64 { black_box($value) })*
    };
}

functions! {
    one = 1; one_a = 11; one_b = 12;
    two = 2; two_a = 21;
    three = 3;
    four = 4;
}

fn at(f: fn() -> u64) -> usize {
    f as *const () as usize
}

static CONSTANT: u32 = 5;

#[test]
fn an_undo_goes_back_one_reload_and_the_next_one_further() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    let bytes = |f: fn() -> u64| {
        // SAFETY: the function's first bytes.
        unsafe { std::slice::from_raw_parts(at(f) as *const u8, 16) }.to_vec()
    };
    let built = [bytes(one), bytes(two)];
    let first = agent.reload(&[(at(one), at(one_a))]);
    let second = agent.reload(&[(at(one), at(one_b)), (at(two), at(two_a))]);
    assert_eq!(second, first + 1);
    assert_eq!([one(), two(), three()], [12, 21, 3]);
    let undone = agent.undo().unwrap();
    assert_eq!([undone.generation, undone.reload], [second + 1, second]);
    assert_eq!([one(), two(), three()], [11, 2, 3]);
    let undone = agent.undo().unwrap();
    assert_eq!([undone.generation, undone.reload], [second + 2, first]);
    assert_eq!([one(), two(), three()], [1, 2, 3]);
    assert_eq!([bytes(one), bytes(two)], built);
}

#[test]
fn when_all_is_undone_there_is_nothing_to_undo() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    agent.reload(&[(at(three), at(one_a))]);
    while agent.undo().unwrap().left > 0 {}
    assert_eq!(three(), 3);
    let why = agent.undo().unwrap_err();
    assert!(why.starts_with("there is nothing to undo"), "{why}");
}

#[test]
fn sixteen_reloads_are_undone_and_none_before_them() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    agent.undo_all();
    let to = [one_a, one_b];
    for n in 0..20 {
        agent.reload(&[(at(four), at(to[n % 2]))]);
    }
    // The fourth is as far as it goes.
    for n in (3..19).rev() {
        assert_eq!(agent.undo().unwrap().left, n - 3);
        assert_eq!(four(), to[n as usize % 2]());
    }
    let why = agent.undo().unwrap_err();
    assert!(why.contains("16 reloads are remembered at most"), "{why}");
    assert_eq!(four(), 12);
}

#[test]
fn a_reload_after_an_undo_is_taken_back_to_what_was_undone_to() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    agent.reload(&[(at(one), at(one_a))]);
    agent.reload(&[(at(one), at(one_b))]);
    agent.undo().unwrap();
    agent.reload(&[(at(two), at(two_a))]);
    assert_eq!([one(), two()], [11, 21]);
    agent.undo().unwrap();
    assert_eq!([one(), two()], [11, 2]);
    agent.undo().unwrap();
    assert_eq!([one(), two()], [1, 2]);
}

#[test]
fn an_undo_brings_constants_back() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    let read = || {
        // SAFETY: a static of this program.
        unsafe { std::ptr::read_volatile(black_box(&raw const CONSTANT)) }
    };
    let load = Load {
        writes: vec![Bytes {
            address: &raw const CONSTANT as u64,
            bytes: 6_u32.to_le_bytes().to_vec(),
        }],
        ..Load::default()
    };
    agent.load(load).unwrap();
    assert_eq!(read(), 6);
    agent.undo().unwrap();
    assert_eq!(read(), 5);
}

#[test]
fn a_function_that_two_objects_bring_goes_back_to_what_it_was() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    agent.reload(&[(at(three), at(one_a)), (at(three), at(one_b))]);
    assert_eq!(three(), 12);
    agent.undo().unwrap();
    assert_eq!(three(), 3);
}

#[test]
fn a_reload_that_fails_is_no_generation() {
    let mut agent = agent();
    let agent = agent.as_mut().unwrap();
    let before = agent.reload(&[(at(one), at(one_a))]);
    let nowhere = Load {
        swaps: vec![midair::reload::protocol::Swap {
            target: 8,
            replacement: at(two) as u64,
        }],
        ..Load::default()
    };
    agent.load(nowhere).unwrap_err();
    let elsewhere = Load {
        file: "/nowhere.so".to_owned(),
        address: 1 << 16,
        len: 1 << 12,
        ..Load::default()
    };
    let why = agent.load(elsewhere).unwrap_err();
    assert!(why.contains("was not given out for an image"), "{why}");
    assert_eq!(agent.undo().unwrap().generation, before + 1);
    assert_eq!(one(), 1);
}
