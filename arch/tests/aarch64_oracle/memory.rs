//! Memory near and far, in which every word traps (`udf`) with a number of its
//! own, so that wherever code goes it stops, and whatever it reads is told from
//! what stands beside it.

use midair_arch::aarch64::{Maintenance, maintenance};
use std::arch::asm;

/// The middle of the originals.
pub(crate) const BASE: u64 = 0x40_0000_0000;
/// Mapped around [`BASE`]: more than a `b` reaches.
const AROUND: u64 = 132 << 20;
/// Words that are not zero, around [`BASE`]: more than a load reaches.
const FILLED: u64 = (1 << 20) + (1 << 17);
/// Mapped around each far place.
const FAR_AROUND: u64 = 1 << 20;
/// As far as `adrp` reaches, either way, and farther.
const FAR: [u64; 3] = [BASE - (4 << 30), BASE + (4 << 30), BASE + (1 << 40)];
const STACK: u64 = 1 << 16;

/// Where a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Distance {
    /// Within a megabyte.
    Near,
    /// At the limits of the instruction's own field.
    Edge,
    /// Within what a `b` reaches.
    Branch,
    /// At the limits of what a `b` reaches.
    BranchEdge,
    /// Around four gigabytes, what `adrp` reaches.
    Page,
    /// Farther than that.
    Far,
}

impl Distance {
    pub(crate) const ALL: [Self; 6] = [
        Self::Near,
        Self::Edge,
        Self::Branch,
        Self::BranchEdge,
        Self::Page,
        Self::Far,
    ];
}

pub(crate) struct Memory {
    data: u64,
}

fn map(from: u64, len: u64) {
    // SAFETY: a fixed address that nothing else uses, or an error.
    let at = unsafe {
        libc::mmap(
            from as *mut _,
            len as usize,
            libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
            libc::MAP_PRIVATE
                | libc::MAP_ANONYMOUS
                | libc::MAP_NORESERVE
                | libc::MAP_FIXED_NOREPLACE,
            -1,
            0,
        )
    };
    assert_eq!(at as u64, from, "{}", std::io::Error::last_os_error());
}

/// The word that stands at `at` where no code was written.
fn filling(at: u64) -> u32 {
    match at.wrapping_sub(BASE - FILLED) < 2 * FILLED {
        true => ((at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u32) & 0xffff,
        false => 0,
    }
}

impl Memory {
    pub(crate) fn new() -> Self {
        map(BASE - AROUND, 2 * AROUND);
        for far in FAR {
            map(far - FAR_AROUND, 2 * FAR_AROUND);
        }
        let data = BASE + (2 << 40);
        map(data, 2 * STACK);
        let memory = Self { data };
        let from = BASE - FILLED;
        memory.restore(from, 2 * FILLED as usize);
        memory
    }

    /// A place for a stack, with data above it.
    pub(crate) fn data(&self) -> u64 {
        self.data + STACK
    }

    pub(crate) fn write(&self, at: u64, bytes: &[u8]) {
        // SAFETY: mapped above; the cases stay inside.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, bytes.len()) };
        synchronise(at..at + bytes.len() as u64);
    }

    /// Has `len` bytes at `at` as they were.
    pub(crate) fn restore(&self, at: u64, len: usize) {
        let words = (at..at + len as u64).step_by(4).map(filling);
        self.write(at, &words.flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
    }
}

/// Does what [`maintenance`] says.
fn synchronise(range: std::ops::Range<u64>) {
    let ctr: u64;
    // SAFETY: readable from user code.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) ctr) };
    for step in maintenance(range, ctr) {
        // SAFETY: these change no memory that Rust knows of.
        unsafe {
            match step {
                Maintenance::CleanData(at) => asm!("dc cvau, {}", in(reg) at),
                Maintenance::Barrier => asm!("dsb ish"),
                Maintenance::InvalidateInstructions(at) => asm!("ic ivau, {}", in(reg) at),
                Maintenance::Synchronise => asm!("isb"),
            }
        }
    }
}
