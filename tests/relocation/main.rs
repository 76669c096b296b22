//! Relocation, with the processor itself as the oracle.
//!
//! Random instructions are put at one address and relocated to another, near
//! and out of reach. Both run from the same random registers, flags, stack and
//! data, and must end equal: registers, flags, vector registers, the stack with
//! its red zone, the data, and the way by which they left.
//!
//! CI runs 20,000 cases; the long run is
//! `cargo test --release --test relocation -- --ignored` (1,000,000 cases, or
//! as many as `MIDAIR_CASES` says).
#![cfg(target_arch = "x86_64")]

mod generate;
mod machine;

use generate::{Random, Sequence};
use machine::{Home, Outcome};
use midair_arch::x86_64::{Displaced, disassemble, relocate};
use midair_arch::{CopyAddress, Reason, TargetAddress};

/// Runs `cases` random sequences near and far; returns how many were refused.
fn compare(cases: u64, seed: u64) -> u64 {
    let home = Home::new();
    let mut refused = 0;
    for case in 0..cases {
        let mut random = Random::new(seed ^ case.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let sequence = Sequence::random(&mut random, &home.layout());
        home.put_original(&sequence.bytes);
        let at = TargetAddress::new(home.layout().code);
        let displaced = Displaced::decode(&sequence.bytes, at, sequence.bytes.len());
        let span: usize = displaced.iter().map(|d| d.bytes.len()).sum();
        assert_eq!(
            span,
            sequence.bytes.len(),
            "case {case}: {:02x?}",
            sequence.bytes
        );
        let start = home.random_state(&mut random);
        let expected = home.run(home.layout().code, &start, sequence.pops);
        for to in [home.near_copy(), home.far_copy()] {
            let copy = match relocate(at, &displaced, at.plus(span as u64), CopyAddress::new(to)) {
                Ok(copy) => copy,
                Err(refusal) => {
                    let far = to == home.far_copy();
                    let right = matches!(refusal.reason, Reason::OperandOutOfReach { .. });
                    assert!(far && right, "case {case}: {refusal}");
                    refused += 1;
                    continue;
                }
            };
            home.put_copy(to, &copy.bytes);
            let got = home.run(to, &start, sequence.pops);
            if got != expected {
                explain(
                    case,
                    &sequence.bytes,
                    at.get(),
                    &copy.bytes,
                    to,
                    &expected,
                    &got,
                );
            }
        }
    }
    refused
}

fn explain(
    case: u64,
    original: &[u8],
    at: u64,
    copy: &[u8],
    to: u64,
    expected: &Outcome,
    got: &Outcome,
) -> ! {
    eprintln!("case {case}, original:");
    disassemble(original, at)
        .iter()
        .for_each(|line| eprintln!("{line}"));
    eprintln!("copy:");
    disassemble(copy, to)
        .iter()
        .for_each(|line| eprintln!("{line}"));
    panic!("the copy ended differently: {}", expected.difference(got));
}

#[test]
fn the_copy_does_what_the_original_does_in_20_000_random_cases() {
    let refused = compare(20_000, 1);
    // Only `pop [rip+…]` and users of the stack pointer, and only out of reach.
    assert!(refused < 2_000, "{refused} of 20,000 refused");
}

#[test]
#[ignore = "the long run: minutes"]
fn the_copy_does_what_the_original_does_in_a_million_random_cases() {
    let cases = std::env::var("MIDAIR_CASES")
        .ok()
        .and_then(|n| n.parse().ok());
    let cases = cases.unwrap_or(1_000_000);
    let refused = compare(cases, 2);
    println!("{cases} cases near and far, {refused} refused out of reach, 0 different");
}
