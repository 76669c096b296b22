//! The processor as oracle: random sequences and their copies, run from equal
//! states, must end in equal states at equal places.
//!
//! Runs on aarch64 alone, an emulated one will do (`ci/aarch64.sh`).
#![cfg(target_arch = "aarch64")]

mod generate;
mod machine;
mod memory;
mod random;

use generate::{Case, Class};
use machine::{Machine, State};
use memory::{Distance, Memory};
use midair_arch::aarch64::{Displaced, MOST_COPY, relocate};
use midair_arch::{CopyAddress, Reason, TargetAddress};
use random::Random;
use std::collections::BTreeMap;

/// Cases of the run that CI makes.
const CASES: u32 = 20_000;

fn differences(case: &Case, before: &State, original: &State, copy: &State) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, a: u128, b: u128| {
        if a != b {
            found.push(format!(
                "{what}: {a:#x} in the original, {b:#x} in the copy"
            ));
        }
    };
    compare("pc", original.pc.into(), copy.pc.into());
    compare("sp", original.sp.into(), copy.sp.into());
    compare("flags", original.flags.into(), copy.flags.into());
    for n in 0..31 {
        // Where nothing is in them they may change, as by a linker's veneer.
        if matches!(n, 16 | 17) && original.x[n] == before.x[n] && !case.reads(n as u32) {
            continue;
        }
        compare(&format!("x{n}"), original.x[n].into(), copy.x[n].into());
    }
    for n in 0..32 {
        compare(&format!("v{n}"), original.v[n], copy.v[n]);
    }
    compare("data", original.data.into(), copy.data.into());
    found
}

fn check(
    memory: &Memory,
    machine: &mut Machine,
    random: &mut Random,
    case: &Case,
) -> Result<bool, String> {
    let function = TargetAddress::new(case.at);
    let code = case.bytes();
    let displaced = Displaced::decode(&code, function, code.len());
    assert_eq!(displaced.len(), case.words.len());
    let resume = function.plus(code.len() as u64);
    let copy = match relocate(function, &displaced, resume, CopyAddress::new(case.copy)) {
        Ok(copy) => copy,
        Err(refusal) => {
            // The only thing that may be missing is a register.
            let is_expected = match refusal.reason {
                Reason::NoFreeRegister | Reason::OperandOutOfReach { .. } => case.uses_both(),
                _ => false,
            };
            return is_expected.then_some(false).ok_or(refusal.to_string());
        }
    };
    assert!(copy.bytes.len() <= MOST_COPY);
    let state = case.state(random, memory);
    if let Some((at, bytes)) = &case.literal {
        memory.write(*at, bytes);
    }
    memory.write(case.at, &code);
    let original = machine.run(case.at, &state);
    memory.restore(case.at, code.len());
    memory.write(case.copy, &copy.bytes);
    let copied = machine.run(case.copy, &state);
    memory.restore(case.copy, copy.bytes.len());
    if let Some((at, bytes)) = &case.literal {
        memory.restore(*at, bytes.len());
    }
    let differences = differences(case, &state, &original, &copied);
    if differences.is_empty() {
        return Ok(true);
    }
    let listing = |code: &[u8], at| {
        let lines = midair_arch::aarch64::disassemble(code, at);
        lines
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    Err(format!(
        "{:?} {:?}: {differences:#?}\noriginal:\n{}copy:\n{}",
        case.class,
        case.distance,
        listing(&code, case.at),
        listing(&copy.bytes, case.copy)
    ))
}

fn run(cases: u32, seed: u64) {
    let memory = Memory::new();
    let mut machine = Machine::new(memory.data());
    let mut random = Random::new(seed);
    let mut compared: BTreeMap<(Class, Distance), u32> = BTreeMap::new();
    let mut refused = 0;
    for n in 0..cases {
        let class = Class::ALL[n as usize % Class::ALL.len()];
        let distance = Distance::ALL[(n as usize / Class::ALL.len()) % Distance::ALL.len()];
        let case = Case::new(class, distance, &mut random);
        match check(&memory, &mut machine, &mut random, &case) {
            Ok(true) => *compared.entry((class, distance)).or_default() += 1,
            Ok(false) => refused += 1,
            Err(what) => panic!("case {n} of seed {seed}: {what}"),
        }
    }
    println!("{cases} cases, {refused} refused for want of a register");
    for ((class, distance), count) in &compared {
        println!("{class:?} {distance:?}: {count}");
    }
    for class in Class::ALL {
        for distance in Distance::ALL {
            let count = compared.get(&(class, distance)).copied().unwrap_or(0);
            assert!(
                count * 1000 >= cases,
                "too few of {class:?} {distance:?}: {count}"
            );
        }
    }
}

#[test]
fn copies_do_what_the_original_does() {
    run(CASES, 4);
}

#[test]
#[ignore = "takes minutes: cargo test --release -- --ignored"]
fn a_million_copies_do_what_the_original_does() {
    run(1_000_000, 64);
}
