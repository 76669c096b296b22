//! The ways of leaving a function at its entry, of all machines.
//!
//! Each machine has a ladder of those that it knows, best first
//! ([`x86_64::LADDER`](crate::x86_64::LADDER),
//! [`aarch64::LADDER`](crate::aarch64::LADDER)).

/// A way of leaving a function at its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// `jmp rel32` over the function's own instructions; on aarch64 `b` over
    /// the first one.
    Jump,
    /// x86-64: the same, where the function is too short and padding follows
    /// it.
    JumpIntoPadding,
    /// x86-64: `jmp rel8` to a `jmp rel32` that is put into padding nearby.
    ShortJump,
    /// x86-64: `jmp rel32` whose last bytes are those that stand there:
    /// branches into them, or the next function, stay as they are.
    PunnedJump,
    /// aarch64: `adrp`, `add`, `br`, where no memory is in reach of a `b`.
    LongJump,
    /// aarch64: `ldr`, `br` and the address behind them, where none is in reach
    /// of `adrp` either.
    LiteralJump,
    /// `int3` or `brk`, which the trap handler redirects. A thousand times
    /// slower than a jump, and always possible.
    Breakpoint,
}

impl Strategy {
    /// All of them, the breakpoint last.
    pub const ALL: [Self; 7] = [
        Self::Jump,
        Self::JumpIntoPadding,
        Self::ShortJump,
        Self::PunnedJump,
        Self::LongJump,
        Self::LiteralJump,
        Self::Breakpoint,
    ];

    /// Its name as reports show it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jump => "jump",
            Self::JumpIntoPadding => "jump into padding",
            Self::ShortJump => "short jump",
            Self::PunnedJump => "punned jump",
            Self::LongJump => "long jump",
            Self::LiteralJump => "literal jump",
            Self::Breakpoint => "breakpoint",
        }
    }
}
