//! What the tests of aarch64 share: assembly beside its words.
#![allow(dead_code)] // each test file uses its part

use midair_arch::aarch64::{
    Analysis, Displaced, Function, LADDER, Relocated, Rung, disassemble, relocate,
};
use midair_arch::{CopyAddress, Gap, Refusal, Strategy, Surroundings, TargetAddress};
use std::ops::Range;

/// Where the functions of the tests are.
pub(crate) const AT: u64 = 0x5555_0000_1000;
/// A copy in reach of every field but that of `tbz`.
pub(crate) const NEAR: u64 = 0x5555_0002_0000;
/// A copy in reach of `b` alone.
pub(crate) const BRANCH: u64 = 0x5555_0400_0000;
/// A copy in reach of `adrp`.
pub(crate) const PAGE: u64 = 0x5555_4000_0000;
/// A copy out of reach.
pub(crate) const FAR: u64 = 0x7fff_0000_0000;

/// Words and the instructions that they are.
pub(crate) type Assembly = [(u32, &'static str)];

/// The bytes of `assembly`, code at `at`, of which each line is what it says.
#[track_caller]
pub(crate) fn assemble(at: u64, assembly: &Assembly) -> Vec<u8> {
    let code: Vec<u8> = assembly.iter().flat_map(|(w, _)| w.to_le_bytes()).collect();
    let found: Vec<String> = disassemble(&code, at).into_iter().map(|l| l.text).collect();
    let expected: Vec<&str> = assembly.iter().map(|(_, text)| *text).collect();
    assert_eq!(found, expected);
    code
}

/// Moves all of `assembly`, a function at [`AT`], to `to`.
#[track_caller]
pub(crate) fn relocated(assembly: &Assembly, to: u64) -> Result<Relocated, Refusal> {
    let code = assemble(AT, assembly);
    let function = TargetAddress::new(AT);
    let displaced = Displaced::decode(&code, function, code.len());
    assert_eq!(displaced.len(), assembly.len(), "all of it is displaced");
    let resume = function.plus(code.len() as u64);
    relocate(function, &displaced, resume, CopyAddress::new(to))
}

/// Checks that the copy of `original` at `to` reads as `expected`.
#[track_caller]
pub(crate) fn assert_copy(original: &Assembly, to: u64, expected: &[&str]) {
    let copy = relocated(original, to).unwrap_or_else(|refusal| panic!("{refusal}"));
    let lines = disassemble(&copy.bytes, to).into_iter();
    let found: Vec<String> = lines.map(|line| line.text).collect();
    assert_eq!(found, expected);
}

/// The refusal of moving all of `original` to `to`.
#[track_caller]
pub(crate) fn refused(original: &Assembly, to: u64) -> Refusal {
    match relocated(original, to) {
        Ok(copy) => panic!("was copied: {:#?}", disassemble(&copy.bytes, to)),
        Err(refusal) => refusal,
    }
}

/// Memory around a function.
#[derive(Debug, Default)]
pub(crate) struct Around {
    pub(crate) memory: Vec<(u64, Vec<u8>)>,
    pub(crate) entries: Vec<u64>,
    pub(crate) branches_are_unknown: bool,
}

impl Surroundings for Around {
    fn read(&self, at: TargetAddress, len: usize) -> Option<&[u8]> {
        self.memory.iter().find_map(|(start, bytes)| {
            let from = usize::try_from(at.get().checked_sub(*start)?).ok()?;
            bytes.get(from..from.checked_add(len)?)
        })
    }

    fn is_code(&self, _: TargetAddress) -> bool {
        true
    }

    fn entries(&self, range: Range<TargetAddress>) -> Vec<TargetAddress> {
        let inside = |at: &u64| range.start.get() < *at && *at < range.end.get();
        let entries = self.entries.iter().copied().filter(inside);
        entries.map(TargetAddress::new).collect()
    }

    fn knows_all_branches(&self) -> bool {
        !self.branches_are_unknown
    }

    fn gaps(&self, _: Range<TargetAddress>) -> Vec<Gap<'_>> {
        Vec::new()
    }
}

/// What is found out about `body`, a function at [`AT`].
#[track_caller]
pub(crate) fn analysis(body: &Assembly, around: &Around) -> Result<Analysis, Refusal> {
    let body = assemble(AT, body);
    let function = Function {
        address: TargetAddress::new(AT),
        body: &body,
        exact: true,
        after: &[],
        gap: 0,
    };
    Analysis::of(&function, around)
}

/// The first rung that fits `body`.
#[track_caller]
pub(crate) fn best(body: &Assembly, around: &Around) -> Result<Rung, Refusal> {
    let analysis = analysis(body, around)?;
    let mut last = None;
    for strategy in LADDER {
        match analysis.rung(strategy, around) {
            Ok(rung) => return Ok(rung),
            Err(refusal) => last = Some(refusal),
        }
    }
    Err(last.unwrap())
}

/// The rung of `strategy`, which must be one.
#[track_caller]
pub(crate) fn rung(body: &Assembly, strategy: Strategy) -> Rung {
    let around = Around::default();
    let analysis = analysis(body, &around).unwrap_or_else(|refusal| panic!("{refusal}"));
    let rung = analysis.rung(strategy, &around);
    rung.unwrap_or_else(|refusal| panic!("{refusal}"))
}
