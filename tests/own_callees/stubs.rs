//! Stubs that count the calls of what they stand before.

use midair::{Consistency, Patches, Transaction};
use std::ptr;

/// Stubs that count (roughly: threads may meet at a count).
pub(crate) struct Stubs {
    at: *mut u8,
    room: usize,
    used: usize,
}

// SAFETY: memory that is never unmapped; only its owner adds to it.
unsafe impl Send for Stubs {}
// SAFETY: as above.
unsafe impl Sync for Stubs {}

const STUB: usize = 64;

impl Stubs {
    pub(crate) fn new(room: usize) -> Self {
        // SAFETY: fresh memory, wherever the kernel puts it.
        let at = unsafe {
            let rights = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            libc::mmap(ptr::null_mut(), room * STUB, rights, flags, -1, 0)
        };
        assert_ne!(at, libc::MAP_FAILED);
        Self {
            at: at.cast(),
            room,
            used: 0,
        }
    }

    fn make(&mut self, original: *const ()) -> *const () {
        assert!(self.used < self.room);
        let at = self.at.wrapping_add(self.used * STUB);
        self.used += 1;
        let mut code = vec![0x48, 0xff, 0x05, 32 - 7, 0, 0, 0]; // inc qword [at + 32]
        code.extend([0xff, 0x25, 16 - 13, 0, 0, 0]); // jmp [at + 16]
        code.resize(16, 0xcc);
        code.extend((original as u64).to_le_bytes());
        // SAFETY: a place of its own in the stubs' memory.
        unsafe { ptr::copy_nonoverlapping(code.as_ptr(), at, code.len()) };
        at.cast()
    }

    pub(crate) fn count(&self, n: usize) -> u64 {
        assert!(n < self.used);
        // SAFETY: written by the stubs only; aligned.
        unsafe { self.at.add(n * STUB + 32).cast::<u64>().read_volatile() }
    }
}

/// Patches all of `targets` by counting stubs, in one transaction.
pub(crate) fn count_calls(
    targets: &[*const ()],
    stubs: &mut Stubs,
    consistency: Consistency,
) -> Patches {
    let stubs = std::cell::RefCell::new(stubs);
    let mut transaction = Transaction::new();
    for &target in targets {
        transaction.patch_raw(target, |original| stubs.borrow_mut().make(original));
    }
    // SAFETY: every stub goes on to the original and changes flags only, which
    // no function takes for an argument.
    unsafe { transaction.commit(consistency) }.unwrap().patches
}
