//! Whatever the bytes and addresses are: no panic, and every copy is code.

mod common;

use common::{Around, listing};
use midair_arch::x86_64::{Analysis, Displaced, Function, LADDER};
use midair_arch::x86_64::{disassemble, is_padding, near_branches, relocate};
use midair_arch::{CopyAddress, TargetAddress};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;

/// Bytes that are often the start of an instruction of interest, among others.
fn code(len: std::ops::Range<usize>) -> impl Generator<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => any::<u8>(),
        1 => prop::sample::select(vec![
            0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x3e, 0x64, 0x65, // prefixes
            0x40, 0x41, 0x48, 0x49, 0x4c, // REX
            0xc4, 0xc5, 0x62, 0x8f, // VEX, EVEX, XOP
            0xe8, 0xe9, 0xeb, 0xe0, 0xe2, 0xe3, 0x74, 0x75, 0x0f, 0x84, 0xff, // branches
            0x05, 0x0d, 0x15, 0x25, 0x35, 0x2d, 0x3d, // ModRM: [rip+disp32]
            0x8b, 0x89, 0x8d, 0x90, 0xc3, 0xcc, 0x00, 0xfc,
        ]),
    ];
    vec(byte, len)
}

/// Addresses everywhere, most of all where sums wrap.
fn address() -> impl Generator<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0..64_u64,
        (0..64_u64).prop_map(|n| u64::MAX - n),
        (0..0x1000_u64).prop_map(|n| 0x5555_0000_0000 + n),
        (0..64_u64).prop_map(|n| (1 << 63) - 32 + n),
        (0..64_u64).prop_map(|n| (1 << 31) - 32 + n),
    ]
}

/// A place within some bytes of `near`, or anywhere.
fn around(near: u64) -> impl Generator<Value = u64> {
    prop_oneof![
        3 => (0..300_u64).prop_map(move |n| near.wrapping_add(n).wrapping_sub(150)),
        1 => address(),
    ]
}

prop_compose! {
    fn surroundings(near: u64)(
        start in around(near),
        len in 0..1000_u64,
        memory in vec((around(near), code(0..64)), 0..3),
        entries in vec(around(near), 0..3),
        gaps in vec((around(near), padding()), 0..3),
        branches_are_unknown in any::<bool>(),
    ) -> Around {
        Around {
            code: start..start.saturating_add(len),
            memory,
            entries,
            // What lies across the end of the address space is no gap.
            gaps: gaps
                .into_iter()
                .filter(|(at, bytes): &(u64, Vec<u8>)| at.checked_add(bytes.len() as u64).is_some())
                .collect(),
            branches_are_unknown,
        }
    }
}

fn padding() -> impl Generator<Value = Vec<u8>> {
    prop_oneof![vec(Just(0xcc), 0..32), vec(Just(0x90), 0..32), code(0..32)]
}

/// A function, what is around it, and where its copy goes.
#[derive(Debug)]
struct Case {
    at: u64,
    to: u64,
    body: Vec<u8>,
    after: Vec<u8>,
    gap: usize,
    exact: bool,
    around: Around,
}

fn case() -> impl Generator<Value = Case> {
    let function = (
        prop_oneof![Just(Vec::new()), Just(vec![0xf3, 0x0f, 0x1e, 0xfa])],
        code(0..40),
        prop_oneof![padding(), code(0..20)],
        0..40_usize,
        any::<bool>(),
    );
    (address(), address(), function).prop_flat_map(|(at, to, (head, tail, after, gap, exact))| {
        surroundings(at).prop_map(move |around| Case {
            at,
            to,
            body: [head.as_slice(), &tail].concat(),
            after: after.clone(),
            gap,
            exact,
            around,
        })
    })
}

/// Checks that all of `copy`, code at `to`, is instructions.
fn check_copy(copy: &[u8], to: u64) -> Result<(), TestCaseError> {
    let lines = listing(copy, to);
    let bytes: usize = lines
        .iter()
        .map(|(bytes, _)| bytes.split(' ').count())
        .sum();
    prop_assert_eq!(bytes, copy.len());
    for (bytes, text) in &lines {
        prop_assert!(text != "(bad)", "{} in {:#?}", bytes, lines);
    }
    Ok(())
}

fn check_case(case: &Case) -> Result<(), TestCaseError> {
    let function = Function {
        address: TargetAddress::new(case.at),
        body: &case.body,
        exact: case.exact,
        after: &case.after,
        gap: case.gap,
    };
    let around = &case.around;
    let analysis = match Analysis::of(&function, around) {
        Ok(analysis) => analysis,
        Err(refusal) => {
            prop_assert!(!refusal.to_string().is_empty());
            return Ok(());
        }
    };
    for strategy in LADDER {
        let rung = match analysis.rung(strategy, around) {
            Ok(rung) => rung,
            Err(refusal) => {
                prop_assert!(!refusal.to_string().is_empty());
                continue;
            }
        };
        prop_assert!(!rung.displaced.is_empty());
        prop_assert!(rung.boundaries().all(|n| 0 < n && n < rung.written));
        let entry = rung.entry_bytes(case.to);
        prop_assert!(entry.is_none_or(|bytes| bytes.len() >= rung.written));
        let to = CopyAddress::new(case.to);
        match relocate(analysis.address(), &rung.displaced, rung.resume(), to) {
            Ok(copy) => {
                prop_assert_eq!(copy.map.len(), rung.displaced.len());
                check_copy(&copy.bytes, case.to)?;
            }
            Err(refusal) => prop_assert!(!refusal.to_string().is_empty()),
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4096,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn analysis_ladder_and_relocation_take_any_function(case in case()) {
        check_case(&case)?;
    }

    #[test]
    fn relocation_takes_any_instructions(
        bytes in code(0..64),
        at in address(),
        to in address(),
        resume in address(),
    ) {
        let function = TargetAddress::new(at);
        let displaced = Displaced::decode(&bytes, function, bytes.len());
        let to = CopyAddress::new(to);
        for n in 0..=displaced.len() {
            if let Ok(copy) = relocate(function, &displaced[..n], TargetAddress::new(resume), to) {
                check_copy(&copy.bytes, to.get())?;
            }
        }
    }

    #[test]
    fn one_instruction_of_each_kind_is_moved_or_refused(
        prefix in code(0..3),
        opcode in any::<[u8; 3]>(),
        rest in any::<[u8; 10]>(),
        at in address(),
        to in address(),
    ) {
        let bytes = [prefix.as_slice(), &opcode, &rest].concat();
        let function = TargetAddress::new(at);
        let displaced = Displaced::decode(&bytes, function, 1);
        let Some(first) = displaced.first() else { return Ok(()) };
        let end = TargetAddress::new(first.end());
        match relocate(function, &displaced, end, CopyAddress::new(to)) {
            Ok(copy) => check_copy(&copy.bytes, to)?,
            Err(refusal) => prop_assert!(!refusal.to_string().is_empty()),
        }
    }

    #[test]
    fn listings_show_every_byte_once(bytes in code(0..64), at in address()) {
        let shown: Vec<u8> = disassemble(&bytes, at).into_iter().flat_map(|line| line.bytes).collect();
        prop_assert_eq!(shown, bytes);
    }

    #[test]
    fn sweeps_take_any_bytes(bytes in code(0..64), at in address()) {
        is_padding(&bytes);
        near_branches(&bytes, TargetAddress::new(at), |_, _| {});
    }
}
