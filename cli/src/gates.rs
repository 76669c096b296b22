//! Where the gate of a jump could lie: an address that fits a displacement of
//! which some bytes are given, in an address space that holds one file.
//!
//! Nothing is mapped. That a place exists does not say that a certain process
//! has nothing else there; a process looks at its own map instead.

use midair_arch::x86_64::{Byte, INT3, jumps};
use std::ops::Range;

/// The lowest address that is ever mapped.
const LOWEST: u64 = 0x1_0000;
/// The end of the user's half of the address space, four-level paging.
const HIGHEST: u64 = 0x7fff_ffff_f000;
const PAGE: u64 = 4096;

/// The part of the address space that a file leaves to others.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    free: [Range<i128>; 2],
}

impl Space {
    /// All that a process can have, without the pages of `taken`.
    pub(crate) fn without(taken: Range<u64>) -> Self {
        let below = LOWEST..(taken.start / PAGE * PAGE).min(HIGHEST);
        let above = taken.end.div_ceil(PAGE).saturating_mul(PAGE).max(LOWEST)..HIGHEST;
        Self {
            free: [below, above].map(|range| i128::from(range.start)..i128::from(range.end)),
        }
    }

    /// An address for a gate that a jump ending at `end` can lead to with a
    /// displacement like `pattern`, if there is one. Every trap is made one.
    pub(crate) fn gate(&self, end: u64, pattern: [Byte; 4]) -> Option<u64> {
        self.choose_byte(i128::from(end), &pattern)
    }

    /// Chooses the bytes of the displacement, the highest first. `at` is where
    /// the jump would lead if all those that are open were zero.
    fn choose_byte(&self, at: i128, open: &[Byte]) -> Option<u64> {
        let Some((byte, rest)) = open.split_last() else {
            return u64::try_from(at).ok().filter(|_| self.has_room_at(at));
        };
        let unit = 1_i128 << (8 * rest.len());
        let values = match byte {
            Byte::Free => 0..=u8::MAX,
            Byte::Trap => INT3..=INT3,
            Byte::Fixed(value) => *value..=*value,
        };
        values
            .map(|value| {
                // The highest byte has the sign.
                let value = if open.len() == 4 {
                    i128::from(value as i8)
                } else {
                    value.into()
                };
                at + value * unit
            })
            .filter(|&from| self.overlaps(from..from + unit))
            .find_map(|from| self.choose_byte(from, rest))
    }

    fn overlaps(&self, range: Range<i128>) -> bool {
        self.free
            .iter()
            .any(|free| range.start < free.end && free.start < range.end)
    }

    fn has_room_at(&self, at: i128) -> bool {
        let end = at + jumps::INDIRECT as i128;
        self.free
            .iter()
            .any(|free| free.start <= at && end <= free.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Range<u64> = 0x7f00_0000_0000..0x7f00_0010_0000;

    fn displacement(gate: u64, end: u64) -> [u8; 4] {
        (gate.wrapping_sub(end) as i32).to_le_bytes()
    }

    #[test]
    fn a_gate_fits_its_pattern_and_lies_outside_of_the_file() {
        let end = FILE.start + 0x1005;
        for pattern in [
            [Byte::Free; 4],
            [Byte::Trap, Byte::Free, Byte::Free, Byte::Free],
            [Byte::Free, Byte::Trap, Byte::Trap, Byte::Trap],
            [Byte::Free, Byte::Free, Byte::Fixed(0), Byte::Fixed(0x7f)],
        ] {
            let gate = Space::without(FILE).gate(end, pattern).unwrap();
            assert!(!FILE.contains(&gate));
            for (byte, wanted) in displacement(gate, end).into_iter().zip(pattern) {
                match wanted {
                    Byte::Free => {}
                    Byte::Trap => assert_eq!(byte, INT3),
                    Byte::Fixed(value) => assert_eq!(byte, value),
                }
            }
        }
    }

    #[test]
    fn no_gate_where_the_pattern_leads_into_the_file_or_below_all_memory() {
        let fixed = |bytes: [u8; 3]| {
            let [a, b, c] = bytes.map(Byte::Fixed);
            [Byte::Free, a, b, c]
        };
        let space = Space::without(FILE);
        assert_eq!(space.gate(FILE.start + 0x1005, fixed([0x10, 0, 0])), None);
        // 0xcc as the highest byte is some 870 MB backwards.
        let low = Space::without(0x40_0000..0x50_0000);
        let back = [Byte::Free, Byte::Free, Byte::Free, Byte::Trap];
        assert_eq!(low.gate(0x40_1005, back), None);
        assert!(low.gate(0x40_1005, [Byte::Free; 4]).is_some());
    }

    #[test]
    fn a_malformed_file_at_the_end_of_the_address_space_is_no_panic() {
        let space = Space::without(u64::MAX - 0x1000..u64::MAX);
        assert_eq!(space.gate(u64::MAX, [Byte::Free; 4]), None);
    }
}
