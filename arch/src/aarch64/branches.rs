//! The scan of a whole body for control that enters the bytes of a jump.
//!
//! A linear sweep: every direct branch, return address and address that the
//! code takes (`adr`, `adrp` with the `add` or load that completes it), and every
//! entry point that others know. For a `b`, which is one instruction, only the
//! place itself matters; the rest is for the longer jumps. The sweep may
//! report too much, never too little, as long as it stays `complete`: it is
//! not where a word is no instruction, an indirect jump leads to who knows
//! where, a branch leaves the function (a cold part may come back), or the
//! extent is a guess.

use super::decode::{Kind, kind, rd, rn, words};
use super::tables::Tables;
use crate::{Function, Surroundings, TargetAddress};
use alloc::vec::Vec;

/// How many bytes behind the place of the jump are watched.
const WINDOW: u64 = 16;
/// How much of a body is looked at whose end is not known.
const UNKNOWN: usize = 64;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    /// Bit `n`: control may enter at `n` bytes behind the place of the jump.
    targets: u16,
    /// The first byte behind the place that the function reads as data.
    read: Option<u8>,
    /// Branches to the entry itself.
    pub(super) to_entry: u32,
    /// Other code enters at the place of the jump, behind the landing pad.
    pub(super) is_entered_behind_pad: bool,
    /// Nothing can have been missed.
    pub(super) complete: bool,
}

impl Scan {
    /// The first place of `1..limit` where control may enter.
    pub(super) fn first_target(&self, limit: usize) -> Option<usize> {
        (1..limit.min(WINDOW as usize)).find(|&n| self.targets & (1 << n) != 0)
    }

    /// Whether the function reads one of the first `limit` bytes.
    pub(super) fn reads_itself(&self, limit: usize) -> bool {
        self.read.is_some_and(|first| usize::from(first) < limit)
    }

    fn mark(&mut self, place: u64, target: u64) {
        let distance = target.wrapping_sub(place);
        if (1..WINDOW).contains(&distance) {
            self.targets |= 1 << distance;
        }
    }

    fn mark_read(&mut self, place: u64, from: u64, size: u8) {
        let read = (0..u64::from(size))
            .map(|n| from.wrapping_add(n).wrapping_sub(place))
            .find(|distance| *distance < WINDOW);
        if let Some(distance) = read {
            self.read = Some(self.read.unwrap_or(u8::MAX).min(distance as u8));
        }
    }
}

pub(super) fn scan(function: &Function<'_>, skip: u8, around: &dyn Surroundings) -> Scan {
    let entry = function.address.get();
    let place = entry.wrapping_add(u64::from(skip));
    let is_own = |at: u64| at.wrapping_sub(entry) < function.body.len() as u64;
    let mut scan = Scan {
        complete: function.exact && around.knows_all_branches(),
        ..Scan::default()
    };
    let mut body = function.body;
    if function.exact {
        let window = TargetAddress::new(entry)..TargetAddress::new(place.saturating_add(WINDOW));
        for other in around.entries(window) {
            scan.mark(place, other.get());
            scan.is_entered_behind_pad |= skip > 0 && other.get() == place;
        }
    } else {
        body = &body[..body.len().min(UNKNOWN)];
    }
    let mut pages = [None; 32];
    let mut tables = Tables::default();
    for (at, word) in words(body, entry) {
        let kind = kind(word, at);
        let behind = at.wrapping_add(4);
        match kind {
            Kind::Branch { target } | Kind::Conditional { target, .. } => {
                scan.mark(place, target);
                scan.complete &= is_own(target);
                scan.to_entry += u32::from(target == entry || target == place);
            }
            Kind::Call { target } => {
                scan.mark(place, target);
                // Entered when the callee is done.
                scan.mark(place, behind);
            }
            Kind::IndirectCall => scan.mark(place, behind),
            Kind::Address { target, page: true } => {
                pages[rd(word) as usize] = Some(target);
            }
            Kind::Address { target, .. } => {
                scan.mark(place, target);
                tables.address_taken(target);
            }
            Kind::Literal { target, size } => scan.mark_read(place, target, size),
            Kind::IndirectBranch => tables.jump(word),
            Kind::Fixed(_) => scan.complete = false,
            _ => {}
        }
        if let Some((base, offset)) = completes_page(word)
            && let Some(page) = pages[base as usize]
        {
            let address = page.wrapping_add(offset);
            if is_load(word) {
                scan.mark_read(place, address, 16);
            } else {
                scan.mark(place, address);
                tables.address_taken(address);
            }
        }
        tables.seen(word, kind);
        if !function.exact && kind.ends_flow() {
            break;
        }
    }
    if !function.exact {
        return scan;
    }
    let mut targets: Vec<u64> = Vec::new();
    scan.complete &= tables.resolve(around, &is_own, &mut targets);
    for target in targets {
        scan.mark(place, target);
        scan.to_entry += u32::from(target == entry || target == place);
    }
    scan
}

/// `add x, base, #offset` or `ldr …, [base, #offset]`.
fn completes_page(word: u32) -> Option<(u32, u64)> {
    let imm12 = u64::from((word >> 10) & 0xfff);
    if word & 0xffc0_0000 == 0x9100_0000 {
        return Some((rn(word), imm12));
    }
    if is_load(word) {
        let is_quad = word & 0x0480_0000 == 0x0480_0000;
        let scale = if is_quad { 4 } else { word >> 30 };
        return Some((rn(word), imm12 << scale));
    }
    None
}

/// A load or store with an unsigned offset.
fn is_load(word: u32) -> bool {
    word & 0x3b00_0000 == 0x3900_0000
}

/// Calls `each` with the place and the target of every direct branch and call
/// in `code`, which is at `at`.
pub fn near_branches(
    code: &[u8],
    at: TargetAddress,
    mut each: impl FnMut(TargetAddress, TargetAddress),
) {
    for (at, word) in words(code, at.get()) {
        if let Some(target) = kind(word, at).near_target() {
            each(TargetAddress::new(at), TargetAddress::new(target));
        }
    }
}
