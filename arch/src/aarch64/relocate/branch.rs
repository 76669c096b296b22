//! Conditional branches: `b.cond`, `bc.cond`, `cbz`, `cbnz`, `tbz`, `tbnz`.
//!
//! In reach (1 MB, for `tbz` 32 KB) they stay as they are with another
//! distance, and so does a branch that stays in the copy. Out of reach the
//! opposite branch leads over a jump:
//!
//! ```text
//! cbnz x0, next
//! b    target          ; or x16 := target; ret x16
//! next:
//! ```

use super::super::Displaced;
use super::super::decode::Field;
use super::Emitter;
use crate::Reason;

/// `b.al` and `b.nv`, which both always branch.
const ALWAYS: u32 = 0b1110;

impl Emitter {
    pub(super) fn conditional(
        &mut self,
        d: &Displaced,
        target: u64,
        field: Field,
    ) -> Result<(), Reason> {
        let is_flags = d.word >> 24 == 0x54;
        if is_flags && d.word & ALWAYS == ALWAYS {
            return self.jump(target, d.scratch());
        }
        if self.is_displaced(target) {
            self.inner_branch(d.word, field, target);
            return Ok(());
        }
        if let Some(word) = field.with_target(d.word, self.here(), target) {
            self.put(word);
            return Ok(());
        }
        let opposite = d.word ^ if is_flags { 1 } else { 1 << 24 };
        let from = self.words.len();
        self.put(opposite);
        self.jump(target, d.scratch())?;
        let skipped = 4 * (self.words.len() - from) as u64;
        self.words[from] = field
            .with_target(opposite, 0, skipped)
            .ok_or(Reason::UnknownBranch)?;
        Ok(())
    }
}
