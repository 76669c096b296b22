//! Gates that choose between two ways each time they are passed.
//!
//! While many functions change their mind together, each of their slots leads to
//! a *choice*. Gates lead to slots, so it is passed between a call and its target,
//! where x16 and x17 are nobody's; nothing else is changed. The code is
//! position-independent; its data stand behind it. It lies in memory without
//! `PROT_BTI`.

use super::frame::{CALLED, Frames};

/// Bytes of a [`by_epoch`] choice.
pub const BY_EPOCH: usize = 56;

/// Bytes of a [`by_dispatcher`] choice.
pub const BY_DISPATCHER: usize = 32;

/// The frames of a [`by_epoch`] choice.
pub const BY_EPOCH_FRAMES: Frames<'static> = CALLED;

/// The frames of a [`by_dispatcher`] choice.
pub const BY_DISPATCHER_FRAMES: Frames<'static> = CALLED;

/// Never reached: `brk #1`.
const BRK: u32 = 0xd420_0020;
/// `br x16`
const BR: u32 = 0xd61f_0200;

/// Goes to `old` while the word at `epoch` is zero, else to `new`: all choices
/// that read the same word change their mind in one store. It changes x16.
pub fn by_epoch(epoch: u64, old: u64, new: u64) -> [u8; BY_EPOCH] {
    let code = [
        0x5800_0110, // ldr x16, epoch
        // Acquires: what is found behind a new way is not older than that way.
        0xc8df_fe10, // ldar x16, [x16]
        0xb400_0070, // cbz x16, old
        0x5800_00f0, // ldr x16, new
        BR,
        0x5800_00f0, // old: ldr x16, old
        BR,
        BRK,
    ];
    put(&code, &[epoch, new, old])
}

/// Goes to `dispatcher` with the address of `context`, which is in the choice, in
/// x17: as long as somebody has that, the choice is in use.
pub fn by_dispatcher(dispatcher: u64, context: u64) -> [u8; BY_DISPATCHER] {
    let code = [
        0x5800_0090, // ldr x16, dispatcher
        0x1000_00b1, // adr x17, context
        BR,
        BRK,
    ];
    put(&code, &[dispatcher, context])
}

fn put<const BYTES: usize>(code: &[u32], data: &[u64]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    let code = code.iter().flat_map(|word| word.to_le_bytes());
    let data = data.iter().flat_map(|word| word.to_le_bytes());
    for (place, byte) in bytes.iter_mut().zip(code.chain(data)) {
        *place = byte;
    }
    bytes
}
