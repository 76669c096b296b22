//! Where the address space is free.

use std::io;
use std::ops::Range;

/// The lowest address that is ever mapped (`vm.mmap_min_addr` and some).
const LOWEST: usize = 0x1_0000;
/// The end of the user's half of the address space, four-level paging.
#[cfg(target_arch = "x86_64")]
const HIGHEST: usize = 0x7fff_ffff_f000;
/// The end of the user's half of the address space, 48 bits.
#[cfg(target_arch = "aarch64")]
const HIGHEST: usize = 0xffff_ffff_f000;

/// The size of a page.
pub(crate) fn page_size() -> usize {
    region::page::size()
}

/// Maps `len` fresh private bytes at exactly `at`, or says why not. Nothing
/// that is mapped there is ever replaced.
pub(crate) fn map_at(at: usize, len: usize, protection: i32) -> io::Result<usize> {
    if at < LOWEST || at.checked_add(len).is_none_or(|end| end > HIGHEST) {
        return Err(io::Error::from_raw_os_error(libc::ENOMEM));
    }
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: NOREPLACE maps only where nothing is.
    let got = unsafe { libc::mmap(at as *mut _, len, protection, flags, -1, 0) };
    if got == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    if got as usize != at {
        // A kernel before 4.17 takes the address for a hint.
        // SAFETY: it was mapped just now and nobody knows of it.
        unsafe { libc::munmap(got, len) };
        return Err(io::Error::from_raw_os_error(libc::EEXIST));
    }
    Ok(at)
}

/// Maps `len` fresh private bytes wherever the kernel likes.
pub(crate) fn map_anywhere(len: usize, protection: i32) -> io::Result<usize> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: replaces nothing.
    let got = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, -1, 0) };
    match got {
        libc::MAP_FAILED => Err(io::Error::last_os_error()),
        at => Ok(at as usize),
    }
}

/// Unmaps what one of these functions has mapped, and nobody uses any more.
pub(crate) fn unmap(at: usize, len: usize) {
    // SAFETY: the caller mapped it and made sure that nobody is in it. That it
    // cannot fail for a whole mapping of one's own is in the manual.
    unsafe { libc::munmap(at as *mut _, len) };
}

/// Maps `len` bytes as near to `target` as there is room, at most `reach` away
/// from it to their farther end.
pub(crate) fn map_near(
    target: usize,
    len: usize,
    reach: usize,
    protection: i32,
) -> io::Result<usize> {
    let mut holes = holes_near(target, len, reach)?;
    holes.sort_by_key(|at| at.abs_diff(target));
    for at in holes.into_iter().take(64) {
        if let Ok(at) = map_at(at, len, protection) {
            return Ok(at);
        }
    }
    Err(io::Error::from_raw_os_error(libc::ENOMEM))
}

/// For each hole in reach that holds `len` bytes, the place in it that is
/// nearest to `target`.
fn holes_near(target: usize, len: usize, reach: usize) -> io::Result<Vec<usize>> {
    let lowest = target.saturating_sub(reach).max(LOWEST);
    let highest = target.saturating_add(reach).min(HIGHEST);
    let mut holes = Vec::new();
    let mut free_from = lowest;
    let mut consider = |hole: Range<usize>| {
        // Room is left for stacks that grow and for what else wants to.
        let start = align_up(hole.start);
        let end = hole.end & !(page_size() - 1);
        if start
            .checked_add(len)
            .is_some_and(|first_end| first_end <= end)
        {
            holes.push(if hole.start > target {
                start
            } else {
                (end - len).min(end)
            });
        }
    };
    for region in
        region::query_range(LOWEST as *const u8, HIGHEST - LOWEST).map_err(|e| e.into_io_error())?
    {
        let region = region.map_err(|e| e.into_io_error())?.as_range();
        if region.start > free_from {
            consider(free_from..region.start.min(highest));
        }
        free_from = free_from.max(region.end);
        if free_from >= highest {
            break;
        }
    }
    if free_from < highest {
        consider(free_from..highest);
    }
    Ok(holes)
}

fn align_up(address: usize) -> usize {
    let page = page_size();
    address.div_ceil(page) * page
}
