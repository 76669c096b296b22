//! What the tests share: assembly beside its bytes, and memory around a
//! function.
#![allow(dead_code)] // each test file uses its part

use midair_arch::x86_64::{Analysis, Displaced, Function, LADDER, Line, Relocated, Rung, Strategy};
use midair_arch::x86_64::{disassemble, relocate};
use midair_arch::{CopyAddress, Gap, Refusal, Surroundings, TargetAddress};
use std::ops::Range;

/// Where the functions of the tests are.
pub(crate) const AT: u64 = 0x5555_0000_1000;
/// A copy in reach of them.
pub(crate) const NEAR: u64 = 0x5555_0010_0000;
/// A copy out of reach of them.
pub(crate) const FAR: u64 = 0x7fff_0000_0000;

/// Bytes and the instruction that they are. Bytes that stand alone (pointers,
/// operands of an unknown length) have the text `-> 0x…`.
pub(crate) type Assembly = [(&'static str, &'static str)];

/// `"0f 1e"` as bytes.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).unwrap_or_else(|_| panic!("`{byte}` in `{text}`")))
        .collect()
}

/// The bytes of `assembly`, code at `at`, of which each line is what it says.
#[track_caller]
pub(crate) fn assemble(at: u64, assembly: &Assembly) -> Vec<u8> {
    let mut all = Vec::new();
    for (bytes, text) in assembly {
        let bytes = hex(bytes);
        let found: Vec<String> = disassemble(&bytes, at.wrapping_add(all.len() as u64))
            .into_iter()
            .map(|line| line.text)
            .collect();
        assert_eq!(found, [*text], "{bytes:02x?} after {all:02x?}");
        all.extend(bytes);
    }
    all
}

/// The instructions of a copy at `at`: bytes and text, with the pointer of
/// each `jmp [rip+0]` on a line of its own.
pub(crate) fn listing(code: &[u8], at: u64) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let mut start = 0;
    while start < code.len() {
        let Some(Line { bytes, text, .. }) =
            disassemble(&code[start..], at.wrapping_add(start as u64))
                .into_iter()
                .next()
        else {
            break;
        };
        start += bytes.len();
        let is_absolute = bytes == [0xff, 0x25, 0, 0, 0, 0];
        lines.push((spaced(&bytes), text));
        if is_absolute && let Some(pointer) = code[start..].first_chunk::<8>() {
            let target = u64::from_le_bytes(*pointer);
            lines.push((spaced(pointer), format!("-> {target:#x}")));
            start += 8;
        }
    }
    lines
}

fn spaced(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

/// Moves all of `assembly`, a function at [`AT`], to `to`.
#[track_caller]
pub(crate) fn relocated(assembly: &Assembly, to: u64) -> Result<Relocated, Refusal> {
    moved(AT, assembly, to)
}

/// Moves all of `assembly`, a function at `at`, to `to`.
#[track_caller]
pub(crate) fn moved(at: u64, assembly: &Assembly, to: u64) -> Result<Relocated, Refusal> {
    let code = assemble(at, assembly);
    let function = TargetAddress::new(at);
    let displaced = Displaced::decode(&code, function, code.len());
    assert_eq!(displaced.len(), assembly.len(), "all of it is displaced");
    let resume = function.plus(code.len() as u64);
    relocate(function, &displaced, resume, CopyAddress::new(to))
}

/// Checks that the copy of `original` at `to` is `expected`.
#[track_caller]
pub(crate) fn assert_copy(original: &Assembly, to: u64, expected: &Assembly) {
    let copy = relocated(original, to).unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_listing(&copy.bytes, to, expected);
}

/// Checks that `code`, at `at`, is `expected`.
#[track_caller]
pub(crate) fn assert_listing(code: &[u8], at: u64, expected: &Assembly) {
    let expected: Vec<(String, String)> = expected
        .iter()
        .map(|(bytes, text)| (String::from(*bytes), String::from(*text)))
        .collect();
    let found = listing(code, at);
    assert!(
        found == expected,
        "found {found:#?}\ninstead of {expected:#?}"
    );
}

/// The refusal of moving all of `original` to `to`.
#[track_caller]
pub(crate) fn refused(original: &Assembly, to: u64) -> Refusal {
    match relocated(original, to) {
        Ok(copy) => panic!("was copied: {:#?}", listing(&copy.bytes, to)),
        Err(refusal) => refusal,
    }
}

/// Memory around a function.
#[derive(Debug, Default)]
pub(crate) struct Around {
    pub(crate) code: Range<u64>,
    pub(crate) memory: Vec<(u64, Vec<u8>)>,
    pub(crate) entries: Vec<u64>,
    pub(crate) gaps: Vec<(u64, Vec<u8>)>,
    pub(crate) branches_are_unknown: bool,
}

impl Surroundings for Around {
    fn read(&self, at: TargetAddress, len: usize) -> Option<&[u8]> {
        self.memory.iter().find_map(|(start, bytes)| {
            let from = usize::try_from(at.get().checked_sub(*start)?).ok()?;
            bytes.get(from..from.checked_add(len)?)
        })
    }

    fn is_code(&self, at: TargetAddress) -> bool {
        self.code.contains(&at.get())
    }

    fn entries(&self, range: Range<TargetAddress>) -> Vec<TargetAddress> {
        let inside = |at: &u64| range.start.get() < *at && *at < range.end.get();
        let entries = self.entries.iter().copied().filter(inside);
        entries.map(TargetAddress::new).collect()
    }

    fn knows_all_branches(&self) -> bool {
        !self.branches_are_unknown
    }

    fn gaps(&self, range: Range<TargetAddress>) -> Vec<Gap<'_>> {
        let clipped = self.gaps.iter().filter_map(|(start, bytes)| {
            let from = range.start.get().max(*start);
            let until = range.end.get().min(start + bytes.len() as u64);
            let within = |at: u64| (at - start) as usize;
            (from < until).then(|| Gap {
                address: TargetAddress::new(from),
                bytes: &bytes[within(from)..within(until)],
            })
        });
        clipped.collect()
    }
}

/// A function at [`AT`] and what is behind it.
#[derive(Default)]
pub(crate) struct Fixture {
    pub(crate) body: Vec<u8>,
    pub(crate) after: Vec<u8>,
    /// How many bytes of `after` belong to nobody.
    pub(crate) gap: usize,
    pub(crate) around: Around,
}

impl Fixture {
    #[track_caller]
    pub(crate) fn new(body: &Assembly) -> Self {
        let body = assemble(AT, body);
        let after = vec![0xf4; 16]; // hlt: another function
        Self {
            body,
            after,
            ..Self::default()
        }
    }

    /// The same with padding behind it, and the next function behind that.
    #[track_caller]
    pub(crate) fn padded(body: &Assembly, padding: &str) -> Self {
        let mut fixture = Self::new(body);
        let padding = hex(padding);
        fixture.gap = padding.len();
        fixture.after.splice(0..0, padding);
        fixture
    }

    /// The same with `bytes` at `at`, which belong to nobody and follow the
    /// end of a function.
    pub(crate) fn with_gap(mut self, at: u64, bytes: &str) -> Self {
        self.around
            .memory
            .push((at - 16, [[0x90; 15].as_slice(), &[0xc3]].concat())); // nops, ret
        self.around.gaps.push((at, hex(bytes)));
        self
    }

    pub(crate) fn function(&self) -> Function<'_> {
        Function {
            address: TargetAddress::new(AT),
            body: &self.body,
            exact: true,
            after: &self.after,
            gap: self.gap,
        }
    }

    #[track_caller]
    pub(crate) fn analysis(&self) -> Analysis {
        Analysis::of(&self.function(), &self.around).unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    #[track_caller]
    pub(crate) fn rung(&self, strategy: Strategy) -> Result<Rung, Refusal> {
        self.analysis().rung(strategy, &self.around)
    }

    /// The rung, which must be one.
    #[track_caller]
    pub(crate) fn fits(&self, strategy: Strategy) -> Rung {
        self.rung(strategy)
            .unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    /// The refusal, which must be one.
    #[track_caller]
    pub(crate) fn refusal(&self, strategy: Strategy) -> Refusal {
        match self.rung(strategy) {
            Ok(rung) => panic!("fits: {rung:#?}"),
            Err(refusal) => refusal,
        }
    }

    /// The first strategy of the ladder that fits.
    #[track_caller]
    pub(crate) fn best(&self) -> Strategy {
        let mut ladder = LADDER.into_iter();
        let best = ladder.find(|strategy| self.rung(*strategy).is_ok());
        best.unwrap_or_else(|| panic!("nothing fits {:02x?}", self.body))
    }
}
