//! Making every core that runs this process forget code it has fetched.
//!
//! `membarrier(PRIVATE_EXPEDITED_SYNC_CORE)` (Linux 4.16) interrupts only the
//! cores that run this process now, each executes a serialising instruction
//! before it goes on in user space; a core that is not running it does so when
//! it next switches to it. Where it is not to be had:
//!
//! - x86-64: taking a right away from a page makes the kernel interrupt the same
//!   cores to drop it from their TLBs, and the return from that interrupt
//!   serialises as well (Intel SDM 3A 11.3, IRET). That is less than a promise:
//!   AMD's INVLPGB (Linux 6.15) and hypervisors can do it without an interrupt.
//! - aarch64: the processor drops TLB entries without an interrupt, so that does
//!   not do. `membarrier(GLOBAL)` (Linux 4.3) returns when every core has been in
//!   the kernel, and the return from there is a context synchronisation event
//!   (Arm ARM B2.3.11). The kernel refuses it where cores run without a tick
//!   (`nohz_full`), and then there is no way, which is an error.

#[cfg(target_arch = "aarch64")]
use super::system_call::error;
use super::system_call::system_call;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

const REGISTER_SYNC_CORE: libc::c_int = 1 << 6;
const SYNC_CORE: libc::c_int = 1 << 5;

/// The other way serves.
static USE_OTHER: AtomicBool = AtomicBool::new(false);

/// Returns when no core of this process executes code fetched before.
pub(crate) fn cores() -> io::Result<()> {
    if !USE_OTHER.load(Ordering::Relaxed) {
        if membarrier(SYNC_CORE).is_ok() {
            return Ok(());
        }
        // Not registered yet, or a fork lost it.
        if membarrier(REGISTER_SYNC_CORE).is_ok() && membarrier(SYNC_CORE).is_ok() {
            return Ok(());
        }
        USE_OTHER.store(true, Ordering::Relaxed);
    }
    otherwise()
}

fn membarrier(command: libc::c_int) -> Result<usize, i32> {
    // SAFETY: takes no pointers.
    unsafe { system_call(libc::SYS_membarrier, [command as usize, 0, 0, 0, 0, 0]) }
}

/// Every core has been in the kernel since.
#[cfg(target_arch = "aarch64")]
fn otherwise() -> io::Result<()> {
    const GLOBAL: libc::c_int = 1;
    membarrier(GLOBAL).map(drop).map_err(error)
}

/// Every core that has the process has dropped a page.
#[cfg(target_arch = "x86_64")]
fn otherwise() -> io::Result<()> {
    let size = region::page::size();
    let mut page =
        region::alloc(size, region::Protection::READ_WRITE).map_err(|e| e.into_io_error())?;
    let at = page.as_mut_ptr::<u8>();
    // SAFETY: the page is ours; written so that a TLB entry exists.
    unsafe { at.write_volatile(1) };
    // SAFETY: the page is ours and not used after.
    unsafe { region::protect(at, size, region::Protection::READ) }.map_err(|e| e.into_io_error())
}
