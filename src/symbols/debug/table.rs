//! A table from numbers to offsets, made in two passes over what it is made of.
//!
//! The entries of one bucket stand side by side and are not sorted. Sorting all
//! of them would take longer than the walk that finds them, where this crate is
//! not optimised.

/// Pairs of a key and an offset, found by the key.
#[derive(Debug)]
pub(super) struct Table {
    /// Where each bucket begins; one more than there are buckets.
    starts: Vec<u32>,
    entries: Vec<(u32, u32)>,
    shift: u32,
}

/// How many entries a bucket has on average.
const FILLED: usize = 4;

impl Table {
    /// Of the pairs in all of `parts`.
    pub(super) fn of(parts: &[&[(u32, u32)]]) -> Table {
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let buckets = (total / FILLED).max(2).next_power_of_two();
        let shift = u32::BITS - buckets.trailing_zeros();
        let mut starts = vec![0u32; buckets + 1];
        let mut entries = vec![(0, 0); total];
        // Plain loops, as in the walk.
        for part in parts {
            let mut number = 0;
            while number < part.len() {
                starts[bucket(part[number].0, shift) + 1] += 1;
                number += 1;
            }
        }
        let mut number = 1;
        while number < starts.len() {
            starts[number] += starts[number - 1];
            number += 1;
        }
        let mut next = starts.clone();
        for part in parts {
            let mut number = 0;
            while number < part.len() {
                let entry = part[number];
                let place = &mut next[bucket(entry.0, shift)];
                entries[*place as usize] = entry;
                *place += 1;
                number += 1;
            }
        }
        Table {
            starts,
            entries,
            shift,
        }
    }

    /// The offsets of all entries with that key.
    pub(super) fn get(&self, key: u32) -> impl Iterator<Item = u32> {
        let bucket = bucket(key, self.shift);
        let start = self.starts[bucket] as usize;
        let end = self.starts[bucket + 1] as usize;
        let entries = self.entries[start..end].iter();
        let same = entries.filter(move |(own, _)| *own == key);
        same.map(|(_, offset)| *offset)
    }
}

/// Keys that follow one another are spread.
fn bucket(key: u32, shift: u32) -> usize {
    (key.wrapping_mul(0x9e37_79b1) >> shift) as usize
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn every_entry_is_found_by_its_key_and_by_no_other() {
        let one: Vec<(u32, u32)> = (0..1000).map(|n| (n * 12, n)).collect();
        let other: Vec<(u32, u32)> = (0..500).map(|n| (n * 24, n + 5000)).collect();
        let table = Table::of(&[&one, &[], &other]);
        for key in 0..12_000 {
            let mut found: Vec<u32> = table.get(key).collect();
            found.sort_unstable();
            let all = one.iter().chain(&other).filter(|(own, _)| *own == key);
            let expected: Vec<u32> = all.map(|(_, offset)| *offset).collect();
            assert_eq!(found, expected, "{key}");
        }
        assert_eq!(table.entries.len(), 1500);
        assert_eq!(Table::of(&[]).get(7).count(), 0);
    }
}
