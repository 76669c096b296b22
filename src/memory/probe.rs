//! Whether code that is written through `/proc/self/mem` is what is executed.
//!
//! An emulator in user mode (`qemu-aarch64`) executes translations of the code
//! that it has seen. It notices stores of the program, not those that the
//! kernel makes for a file: what was executed before would be executed for good.
//! So one function is written twice and called each time.

use super::cache;
use super::layout::{map_anywhere, page_size, unmap};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Writes code through `file`, calls it, changes it, calls it again.
pub(super) fn is_executed(file: &File) -> bool {
    let rights = libc::PROT_READ | libc::PROT_EXEC;
    let Ok(page) = map_anywhere(page_size(), rights) else {
        return false;
    };
    let seen = [1, 2].map(|n| called(file, page, n));
    unmap(page, page_size());
    seen == [Some(1), Some(2)]
}

/// Writes a function to `at` that returns `n`, and calls it.
fn called(file: &File, at: usize, n: u32) -> Option<u32> {
    // mov w0, #n; ret
    let code = [0x5280_0000 | n << 5, 0xd65f_03c0];
    let [a, b] = code.map(u32::to_le_bytes);
    let bytes = [a, b].concat();
    file.write_all_at(&bytes, at as u64).ok()?;
    cache::written(at, bytes.len());
    // SAFETY: the page is ours; volatile, as the kernel wrote it.
    let now = unsafe { (at as *const [u32; 2]).read_volatile() };
    if now != code {
        return None;
    }
    // SAFETY: what stands there is a function of this type, now or before.
    let function = unsafe { std::mem::transmute::<usize, extern "C" fn() -> u32>(at) };
    Some(function())
}
