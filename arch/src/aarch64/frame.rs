//! How the frame at an instruction leads to its caller, as far as it is said.
//!
//! Nobody is told more than this yet: see the library's `memory/frames`.

/// How a frame leads to its caller.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FrameState {
    /// Nothing is known.
    Unknown,
    /// As after a call: the return address is in x30, the stack as it was.
    Called,
}

impl FrameState {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self::Unknown;
    /// As after a call.
    pub const CALLED: Self = Self::Called;
}

/// The states of a piece of code: each holds from its offset to the next one's.
pub type Frames<'a> = &'a [(u32, FrameState)];

/// Code that leaves the stack as it is after a call: gates, stubs.
pub const CALLED: Frames<'static> = &[(0, FrameState::CALLED)];
