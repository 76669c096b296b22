//! What has to be executed after code was written and before it is fetched.
//!
//! On x86-64 caches look into each other, and there is nothing to do. On aarch64
//! they do not: whoever writes cleans the lines of data and invalidates those of
//! instructions ([`midair_arch::aarch64::maintenance`] is the list). That is done
//! for all cores; but another core may have fetched the old instruction already,
//! which `threads::sync` is for.

/// `len` bytes of code at `at` were written.
#[cfg(target_arch = "x86_64")]
pub(crate) fn written(_at: usize, _len: usize) {}

/// `len` bytes of code at `at` were written.
#[cfg(target_arch = "aarch64")]
pub(crate) fn written(at: usize, len: usize) {
    let range = at as u64..(at + len) as u64;
    for step in midair_arch::aarch64::maintenance(range, aarch64::ctr()) {
        aarch64::execute(step);
    }
}

#[cfg(target_arch = "aarch64")]
mod aarch64 {
    use midair_arch::aarch64::Maintenance;
    use std::arch::asm;

    /// How large lines are, and what the machine does by itself.
    pub(super) fn ctr() -> u64 {
        let ctr: u64;
        // SAFETY: user code may read this register, or the kernel reads it for
        // us.
        unsafe { asm!("mrs {}, ctr_el0", out(reg) ctr, options(nomem, nostack)) };
        ctr
    }

    pub(super) fn execute(step: Maintenance) {
        #[cfg(test)]
        super::tests::record(step);
        // SAFETY: none of these changes anything that a program can see but what
        // is fetched next. The lines are mapped: they were written just now.
        unsafe {
            match step {
                Maintenance::CleanData(line) => asm!("dc cvau, {}", in(reg) line, options(nostack)),
                Maintenance::Barrier => asm!("dsb ish", options(nostack)),
                Maintenance::InvalidateInstructions(line) => {
                    asm!("ic ivau, {}", in(reg) line, options(nostack));
                }
                Maintenance::Synchronise => asm!("isb", options(nostack)),
            }
        }
    }
}

#[cfg(all(test, target_arch = "aarch64"))]
mod tests {
    use super::super::layout::{map_anywhere, page_size, unmap};
    use super::super::write::{Writable, Writer};
    use midair_arch::aarch64::{Maintenance, maintenance};
    use region::Protection;
    use std::cell::RefCell;

    thread_local! {
        static RECORD: RefCell<Vec<Maintenance>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn record(step: Maintenance) {
        RECORD.with_borrow_mut(|steps| steps.push(step));
    }

    /// The steps that `write` takes for `len` bytes in a page of its own.
    fn steps_of(len: usize, write: impl FnOnce(usize)) -> (Vec<Maintenance>, Vec<Maintenance>) {
        let page = map_anywhere(page_size(), libc::PROT_READ | libc::PROT_EXEC).unwrap();
        let at = page + 60;
        Writer::new(); // its probe writes code as well
        RECORD.with_borrow_mut(Vec::clear);
        write(at);
        let taken = RECORD.with_borrow_mut(std::mem::take);
        unmap(page, page_size());
        let range = at as u64..(at + len) as u64;
        (taken, maintenance(range, super::aarch64::ctr()).collect())
    }

    #[test]
    fn code_that_is_written_is_cleaned_and_invalidated() {
        let code = [0_u8; 8];
        let (taken, expected) = steps_of(code.len(), |at| {
            // SAFETY: a page of this test's.
            unsafe { Writer::new().bytes(at, &code, Protection::READ_EXECUTE) }.unwrap();
        });
        assert_eq!(taken, expected);
        assert_eq!(taken.last(), Some(&Maintenance::Synchronise));
    }

    #[test]
    fn one_instruction_that_is_stored_is_cleaned_and_invalidated() {
        let (taken, expected) = steps_of(4, |at| {
            let writable = Writable::new([(at, 4, Protection::READ_EXECUTE)]).unwrap();
            // SAFETY: a page of this test's.
            unsafe { writable.store_instruction(at, 0xd503_201f) };
            writable.close().unwrap();
        });
        assert_eq!(taken, expected);
        let barriers = taken.iter().filter(|s| **s == Maintenance::Barrier).count();
        assert!(barriers >= 1);
    }
}
