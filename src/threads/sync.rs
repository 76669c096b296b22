//! Making every core that runs this process forget code it has fetched.
//!
//! `membarrier(PRIVATE_EXPEDITED_SYNC_CORE)` (Linux 4.16) interrupts only the
//! cores that run this process now, each executes a serialising instruction
//! before it goes on in user space; a core that is not running it does so when
//! it next switches to it. Where it is not to be had, taking a right away from
//! a page makes the kernel interrupt the same cores to drop it from their
//! TLBs, and the return from that interrupt serialises as well (x86: Intel
//! SDM 3A 11.3, IRET).

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

const REGISTER_SYNC_CORE: libc::c_int = 1 << 6;
const SYNC_CORE: libc::c_int = 1 << 5;

static USE_PAGES: AtomicBool = AtomicBool::new(false);

/// Returns when no core of this process executes code fetched before.
pub(crate) fn cores() -> io::Result<()> {
    if !USE_PAGES.load(Ordering::Relaxed) {
        if membarrier(SYNC_CORE) {
            return Ok(());
        }
        // Not registered yet, or a fork lost it.
        if membarrier(REGISTER_SYNC_CORE) && membarrier(SYNC_CORE) {
            return Ok(());
        }
        USE_PAGES.store(true, Ordering::Relaxed);
    }
    shoot_down_a_page()
}

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: takes no pointers.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

fn shoot_down_a_page() -> io::Result<()> {
    let size = region::page::size();
    let mut page =
        region::alloc(size, region::Protection::READ_WRITE).map_err(|e| e.into_io_error())?;
    let at = page.as_mut_ptr::<u8>();
    // SAFETY: the page is ours; written so that a TLB entry exists.
    unsafe { at.write_volatile(1) };
    // SAFETY: the page is ours and not used after.
    unsafe { region::protect(at, size, region::Protection::READ) }.map_err(|e| e.into_io_error())
}
