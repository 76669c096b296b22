//! x86-64: the stub of a closure.

use crate::patch::arrival::dispatch;
use midair_arch::x86_64::frame::{CALLED, Frames};
use midair_arch::x86_64::jumps;

/// Bytes of a stub.
pub(in super::super) const STUB: usize = 32;

/// The frames of a stub: it leaves the stack alone.
pub(super) const FRAMES: Frames<'static> = CALLED;

/// The stub of a context at `at`, if what it counts with is in reach: `lock inc
/// [rip+calls]; mov r11, context; jmp [rip+0]; dispatch`.
pub(super) fn code(at: usize, counts_at: usize, context: usize) -> Option<Vec<u8>> {
    let distance = i32::try_from(counts_at.wrapping_sub(at + 8) as isize).ok()?;
    let mut code = vec![0xf0, 0x48, 0xff, 0x05];
    code.extend(distance.to_le_bytes());
    code.extend([0x49, 0xbb]);
    code.extend((context as u64).to_le_bytes());
    let dispatch: extern "C" fn() = dispatch;
    code.extend(jumps::absolute(dispatch as usize as u64));
    debug_assert_eq!(code.len(), STUB);
    Some(code)
}
