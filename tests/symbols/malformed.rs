//! Damaged files: answered with an error or with less, never with a panic.

use std::path::Path;

use midair::symbols::{FileAddress, Image, ImageError, file_symbols};

use crate::build;

/// A generator that gives the same numbers each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// Asks an image everything it can be asked.
fn use_all(bytes: Vec<u8>) {
    let Ok(image) = Image::from_bytes(Path::new("damaged"), bytes) else {
        return;
    };
    let table = image.functions();
    let range = image.load_range();
    for extent in table.iter().take(500) {
        assert!(extent.start < extent.end);
        let size = usize::try_from(extent.size()).unwrap();
        let _ = image.code(extent.start, size);
        let _ = table.gap_after(extent.end);
        let _ = table.containing(FileAddress(extent.end.0.wrapping_add(1)));
        let _ = image.symbol_name_at(extent.start);
        let _ = image.is_fragment(extent.start);
        let _ = image.code_end(extent.start);
    }
    let gaps = table.gaps_between(range.clone());
    for gap in gaps.iter().take(500) {
        assert_eq!(table.containing(gap.start), None);
    }
    let _ = table.gaps_between(range.end..range.start);
    let _ = table.entries_between(range).count();
    let _ = table.gap_after(FileAddress(u64::MAX));
    let _ = image.read(FileAddress(u64::MAX), 1);
    let _ = image.build_id();
    let _ = file_symbols(&image, "*");
    let _ = file_symbols(&image, "damaged_hidden");
    let _ = file_symbols(&image, "damaged_nothing");
    for problem in image.problems() {
        assert!(!problem.to_string().is_empty());
    }
}

fn library() -> Vec<u8> {
    let path = build::folder("damaged").join("libmidair_damaged.so");
    build::c_library(
        "plain.c",
        &path,
        &["-DPREFIX=damaged", "-Wl,--hash-style=both"],
    );
    std::fs::read(&path).unwrap()
}

#[test]
fn a_damaged_file_is_never_a_panic() {
    let whole = library();
    use_all(whole.clone());
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..600 {
        let mut bytes = whole.clone();
        bytes.truncate(numbers.below(whole.len()));
        use_all(bytes);
    }
    // Headers and tables are a small part of the file: half of the damage is
    // done where nonzero bytes are, and half to the ELF header and what follows.
    let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    let interesting = [0u8, 1, 0x7f, 0x80, 0xff];
    for case in 0..3400 {
        let mut bytes = whole.clone();
        for _ in 0..=numbers.below(6) {
            let at = if case % 2 == 0 {
                used[numbers.below(used.len())]
            } else {
                numbers.below(0x300)
            };
            bytes[at] = match numbers.below(3) {
                0 => interesting[numbers.below(interesting.len())],
                1 => bytes[at] ^ (1 << numbers.below(8)),
                _ => numbers.below(256) as u8,
            };
        }
        // Without section headers the other way through the file is taken.
        if case % 5 == 0 {
            bytes[0x28..0x30].fill(0);
        }
        use_all(bytes);
    }
}

#[test]
fn fields_with_the_largest_values_are_no_panic() {
    // Offsets and sizes near the end of the numbers find sums that overflow.
    let whole = library();
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    let sections = u64::from_le_bytes(whole[0x28..0x30].try_into().unwrap()) as usize;
    for _ in 0..1500 {
        let mut bytes = whole.clone();
        for _ in 0..=numbers.below(3) {
            let at = match numbers.below(3) {
                0 => numbers.below(0x300),
                1 => sections + numbers.below(whole.len() - sections - 8),
                _ => numbers.below(whole.len() - 8),
            };
            let at = (at & !7).min(whole.len() - 8);
            let value = u64::MAX - numbers.below(0x2000) as u64;
            let value = value >> [0, 0, 1, 8, 32][numbers.below(5)];
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        use_all(bytes);
    }
}

#[test]
fn what_is_not_an_image_is_an_error_that_says_so() {
    let open = |bytes: &[u8]| Image::from_bytes(Path::new("file"), bytes.to_vec()).unwrap_err();
    assert!(matches!(open(b""), ImageError::NotElf { .. }));
    assert!(matches!(
        open(b"#!/bin/sh\n echo hello"),
        ImageError::NotElf { .. }
    ));
    let mut whole = library();
    assert!(matches!(open(&whole[..40]), ImageError::Malformed { .. }));
    whole[4] = 1;
    assert!(matches!(
        open(&whole),
        ImageError::UnsupportedClass { class: 1, .. }
    ));
    whole[4] = 2;
    whole[0x12] = 243;
    assert!(matches!(
        open(&whole),
        ImageError::UnsupportedMachine { machine: 243, .. }
    ));
    whole[0x12] = 62;
    whole[0x10] = 1;
    assert!(matches!(
        open(&whole),
        ImageError::UnsupportedType { kind: 1, .. }
    ));
    let missing = Image::open(Path::new("/no/such/file")).unwrap_err();
    assert!(matches!(missing, ImageError::Open { .. }));
    assert!(missing.to_string().contains("/no/such/file"));
    assert!(Image::open(Path::new("/")).is_err());
}
