//! The ladder of jumps: which rung fits which function, and what it asks for.

#[path = "../common/mod.rs"]
mod common;
mod jump;
mod last_rungs;
mod padding;
mod whole;

use common::{AT, Around, Fixture, assemble, hex};
use midair_arch::x86_64::{Analysis, Byte, Function, INT3, LADDER, Rung, Strategy};
use midair_arch::{Reason, TargetAddress};

use Byte::{Fixed, Free, Trap};

/// Offsets from the place of the jump.
fn boundaries(rung: &Rung) -> Vec<usize> {
    rung.boundaries().collect()
}

fn displaced(rung: &Rung) -> Vec<String> {
    rung.displaced
        .iter()
        .map(|displaced| displaced.text())
        .collect()
}

const PUSH: (&str, &str) = ("55", "push rbp");
const FRAME: (&str, &str) = ("48 89 e5", "mov rbp, rsp");
const RET: (&str, &str) = ("c3", "ret");
const TINY: &[(&str, &str)] = &[("31 c0", "xor eax, eax"), RET];
