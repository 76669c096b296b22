//! Where a gate may lie whose address makes a jump's displacement look as it has
//! to, byte by byte.

use midair_arch::x86_64::{Byte, INT3};

/// The displacement of a jump, byte by byte.
#[derive(Clone, Copy)]
pub(super) struct Pattern(pub(super) [Byte; 4]);

impl Pattern {
    fn byte(self, n: usize) -> Option<u8> {
        match self.0[n] {
            Byte::Free => None,
            Byte::Trap => Some(INT3),
            Byte::Fixed(byte) => Some(byte),
        }
    }

    fn matches(self, distance: i32) -> bool {
        distance
            .to_le_bytes()
            .iter()
            .enumerate()
            .all(|(n, b)| self.byte(n).is_none_or(|p| p == *b))
    }

    /// A free place in the page at `start` that the pattern allows.
    pub(super) fn place(
        self,
        end: usize,
        start: usize,
        page: &mut [bool],
        len: usize,
    ) -> Option<usize> {
        let mut offset = 0;
        while offset + len <= page.len() {
            let distance = i32::try_from((start + offset).wrapping_sub(end) as isize).ok()?;
            let upper_fits =
                (1..4).all(|n| self.byte(n).is_none_or(|p| p == distance.to_le_bytes()[n]));
            let low = distance as u8;
            if !upper_fits {
                offset += 256 - usize::from(low); // to where the upper bytes change
                continue;
            }
            if let Some(wanted) = self.byte(0)
                && wanted != low
            {
                offset += usize::from(wanted.wrapping_sub(low));
                continue;
            }
            match page[offset..offset + len].iter().rposition(|&used| used) {
                None => {
                    page[offset..offset + len].fill(true);
                    return Some(start + offset);
                }
                Some(_) if self.byte(0).is_some() => offset += 256,
                Some(used) => offset += used + 1,
            }
        }
        None
    }

    /// Displacements that fit, the free bytes in an order that is the same for
    /// all, so that functions near to each other meet in the same pages.
    pub(super) fn candidates(self) -> impl Iterator<Item = i32> {
        let choices = move |n: usize, free: &'static [u8]| -> Vec<u8> {
            self.byte(n)
                .map_or_else(|| free.to_vec(), |byte| vec![byte])
        };
        // The top byte: far enough from the module, which is around 0.
        let top = choices(
            3,
            &[0xe0, 0x20, 0xd0, 0x30, 0xc0, 0x40, 0xa0, 0x60, 0xf0, 0x10],
        );
        let third = choices(2, &[0x80, 0x40, 0xc0, 0x20, 0x60, 0xa0, 0xe0, 0x00]);
        let second = choices(1, &[0x80, 0x10, 0xf0]);
        let low = choices(0, &[0x80]);
        let mut all = Vec::new();
        for &t in &top {
            for &h in &third {
                for &s in &second {
                    for &l in &low {
                        all.push(i32::from_le_bytes([l, s, h, t]));
                    }
                }
            }
        }
        debug_assert!(all.iter().all(|&d| self.matches(d)));
        all.into_iter()
    }
}
