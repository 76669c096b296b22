//! Gates that choose between two ways each time they are passed.
//!
//! While many functions change their mind together, each of their slots leads to
//! a *choice*. It changes no register, no flag and no byte below the stack
//! pointer that a leaf function may be using (the red zone, System V ABI 3.2.2).
//! The code is position-independent; its data stand behind it.

use super::frame::{FrameState, Frames};

/// Bytes of a [`by_epoch`] choice.
pub const BY_EPOCH: usize = 72;

/// Bytes of a [`by_dispatcher`] choice.
pub const BY_DISPATCHER: usize = 32;

/// The frames of a [`by_epoch`] choice.
pub const BY_EPOCH_FRAMES: Frames<'static> = &[
    (0, FrameState::CALLED),
    (5, FrameState::BELOW_RED_ZONE),
    (6, FrameState::PUSHED_BELOW_RED_ZONE),
    (19, FrameState::BELOW_RED_ZONE),
    (27, FrameState::CALLED),
    (33, FrameState::PUSHED_BELOW_RED_ZONE),
    (34, FrameState::BELOW_RED_ZONE),
    (42, FrameState::CALLED),
];

/// The frames of a [`by_dispatcher`] choice.
pub const BY_DISPATCHER_FRAMES: Frames<'static> =
    &[(0, FrameState::CALLED), (5, FrameState::BELOW_RED_ZONE)];

/// How far behind the return address that a [`by_dispatcher`] choice pushes its
/// context is.
pub const CONTEXT_BEHIND: usize = 13;

/// How many bytes below the stack pointer a function may use.
pub const RED_ZONE: usize = 128;

/// Goes to `old` while the word at `epoch` is zero, else to `new`: all choices
/// that read the same word change their mind in one store.
pub fn by_epoch(epoch: u64, old: u64, new: u64) -> [u8; BY_EPOCH] {
    let mut bytes = [0; BY_EPOCH];
    let code = [
        &[0x48, 0x8d, 0x64, 0x24, 0x80][..],      // lea rsp, [rsp-128]
        &[0x51],                                  // push rcx
        &[0x48, 0x8b, 0x0d, 35, 0, 0, 0],         // mov rcx, [rip+epoch]
        &[0x48, 0x8b, 0x09],                      // mov rcx, [rcx]
        &[0xe3, 15],                              // jrcxz old
        &[0x59],                                  // pop rcx
        &[0x48, 0x8d, 0xa4, 0x24, 0x80, 0, 0, 0], // lea rsp, [rsp+128]
        &[0xff, 0x25, 23, 0, 0, 0],               // jmp [rip+new]
        &[0x59],                                  // old: pop rcx
        &[0x48, 0x8d, 0xa4, 0x24, 0x80, 0, 0, 0], // lea rsp, [rsp+128]
        &[0xff, 0x25, 16, 0, 0, 0],               // jmp [rip+old]
        &epoch.to_le_bytes(),
        &new.to_le_bytes(),
        &old.to_le_bytes(),
    ];
    put(&mut bytes, &code);
    bytes
}

/// Calls `dispatcher`, below the red zone, which finds `context`
/// [`CONTEXT_BEHIND`] its return address. It comes back to neither: it puts the
/// destination in the place of the return address and leaves by `ret 128`.
pub fn by_dispatcher(dispatcher: u64, context: u64) -> [u8; BY_DISPATCHER] {
    let mut bytes = [0; BY_DISPATCHER];
    let code = [
        &[0x48, 0x8d, 0x64, 0x24, 0x80][..], // lea rsp, [rsp-128]
        &[0xff, 0x15, 5, 0, 0, 0],           // call [rip+dispatcher]
        &[0xcc; 5],                          // never reached
        &dispatcher.to_le_bytes(),
        &context.to_le_bytes(),
    ];
    put(&mut bytes, &code);
    bytes
}

fn put(bytes: &mut [u8], parts: &[&[u8]]) {
    let all = parts.iter().flat_map(|part| part.iter());
    for (byte, &from) in bytes.iter_mut().zip(all) {
        *byte = from;
    }
}
