//! Whatever the words and addresses are: no panic, and every copy is code.

mod arm;

use arm::Around;
use midair_arch::aarch64::{Analysis, Displaced, Function, LADDER, MOST_COPY};
use midair_arch::aarch64::{disassemble, maintenance, near_branches, relocate};
use midair_arch::{CopyAddress, TargetAddress};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;

/// Words that are often of interest, among others.
fn word() -> impl Generator<Value = u32> {
    let opcode = prop::sample::select(vec![
        0x1400_0000,
        0x9400_0000,
        0x5400_0000,
        0x3400_0000,
        0xb500_0000,
        0x3600_0000,
        0x1000_0000,
        0x9000_0000,
        0x1800_0000,
        0x5800_0000,
        0x9800_0000,
        0xd800_0000,
        0x1c00_0000,
        0x9c00_0000,
        0xd61f_0000,
        0xd63f_0000,
        0xd65f_0000,
        0xd73f_0800,
        0xd503_201f,
        0x885f_7c00,
        0x8800_7c00,
        0x0420_bc00,
        0x9100_0000,
        0x3860_4800,
        0x8b20_8000_u32,
    ]);
    prop_oneof![
        2 => any::<u32>(),
        2 => (opcode.clone(), any::<u32>()).prop_map(|(opcode, rest)| opcode | rest & 0x001f_ffff),
        2 => (opcode, 0..64_u32).prop_map(|(opcode, rest)| opcode | rest << 5),
        1 => prop::sample::select(vec![0xd503_245f, 0xd503_233f, 0xd503_237f, 0xd65f_03c0, 0]),
    ]
}

fn code() -> impl Generator<Value = Vec<u8>> {
    (vec(word(), 0..24), vec(any::<u8>(), 0..4)).prop_map(|(words, rest)| {
        let mut bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        bytes.extend(rest);
        bytes
    })
}

fn address() -> impl Generator<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0..64_u64,
        (0..64_u64).prop_map(|n| u64::MAX - n),
        (0..0x400_u64).prop_map(|n| 0x5555_0000_0000 + 4 * n),
    ]
}

fn check_copy(copy: &[u8]) -> Result<(), TestCaseError> {
    prop_assert!(copy.len().is_multiple_of(4));
    prop_assert!(copy.len() <= MOST_COPY);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 8192,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn analysis_ladder_and_relocation_take_any_function(
        body in code(),
        at in address(),
        to in address(),
        exact in any::<bool>(),
        entries in vec(address(), 0..3),
        memory in vec((address(), code()), 0..2),
        branches_are_unknown in any::<bool>(),
    ) {
        let around = Around { memory, entries, branches_are_unknown };
        let address = TargetAddress::new(at);
        let function = Function { address, body: &body, exact, after: &[], gap: 0 };
        let analysis = match Analysis::of(&function, &around) {
            Ok(analysis) => analysis,
            Err(refusal) => {
                prop_assert!(!refusal.to_string().is_empty());
                return Ok(());
            }
        };
        for strategy in LADDER {
            let rung = match analysis.rung(strategy, &around) {
                Ok(rung) => rung,
                Err(refusal) => {
                    prop_assert!(!refusal.to_string().is_empty());
                    continue;
                }
            };
            prop_assert_eq!(rung.existing.len(), rung.written);
            prop_assert!(rung.boundaries().all(|n| 0 < n && n < rung.written));
            let entry = rung.entry_bytes(to);
            prop_assert!(entry.is_none_or(|bytes| bytes.len() == rung.written));
            rung.gate(CopyAddress::new(to), to & !7);
            match relocate(address, &rung.displaced, rung.resume(), CopyAddress::new(to)) {
                Ok(copy) => {
                    prop_assert_eq!(copy.map.len(), rung.displaced.len());
                    check_copy(&copy.bytes)?;
                }
                Err(refusal) => prop_assert!(!refusal.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn one_word_is_moved_or_refused(word in any::<u32>(), at in address(), to in address()) {
        let function = TargetAddress::new(at);
        let displaced = Displaced::decode(&word.to_le_bytes(), function, 4);
        let resume = function.plus(4);
        match relocate(function, &displaced, resume, CopyAddress::new(to)) {
            Ok(copy) => check_copy(&copy.bytes)?,
            Err(refusal) => prop_assert!(!refusal.to_string().is_empty()),
        }
    }

    #[test]
    fn listings_show_every_byte_once(bytes in code(), at in address()) {
        let shown: Vec<u8> = disassemble(&bytes, at).into_iter().flat_map(|line| line.bytes).collect();
        prop_assert_eq!(shown, bytes);
    }

    #[test]
    fn sweeps_take_any_bytes(bytes in code(), at in address(), ctr in any::<u64>(), len in 0..4096_u64) {
        near_branches(&bytes, TargetAddress::new(at), |_, _| {});
        maintenance(at..at.saturating_add(len), ctr).count();
    }
}
