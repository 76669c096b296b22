//! Direct branches: `jmp`, `jcc`, `loop` and its kin, `xbegin`.
//!
//! | original | in reach | out of reach |
//! |---|---|---|
//! | `jmp rel8/32` | `jmp rel32` | `jmp [rip+0]`, address |
//! | `jcc rel8/32` | `jcc rel32` | inverse `jcc` over an absolute jump |
//! | `loop`, `jrcxz`, `jecxz` | itself over a short jump to a `jmp rel32` | the same with an absolute jump |
//! | `xbegin rel32` | `xbegin rel32` | `xbegin` to an absolute jump |

use super::super::decode::Displaced;
use super::super::jumps;
use super::{Emitter, is_counted};
use iced_x86::{FlowControl, Mnemonic};

const ADDRESS_SIZE: u8 = 0x67;

impl Emitter {
    pub(super) fn branch(&mut self, d: &Displaced, target: u64) {
        let instruction = &d.instruction;
        if instruction.mnemonic() == Mnemonic::Xbegin {
            self.xbegin(target);
        } else if is_counted(instruction.mnemonic()) {
            self.counted(d, target);
        } else if instruction.flow_control() == FlowControl::UnconditionalBranch {
            self.jump(target);
        } else {
            self.conditional(d, target);
        }
    }

    /// Branch hints are dropped: they change no result.
    fn conditional(&mut self, d: &Displaced, target: u64) {
        let condition = if d.instruction.is_jcc_short() {
            d.bytes[d.bytes.len() - 2] & 0xf
        } else {
            d.bytes[d.bytes.len() - 5] & 0xf
        };
        self.put(&[0x0f, 0x80 | condition]);
        if !self.relative(target) {
            let inverse = [0x70 | (condition ^ 1), jumps::ABSOLUTE as u8];
            self.bytes.truncate(self.bytes.len() - 2);
            self.put(&inverse);
            self.put(&jumps::absolute(target));
        }
    }

    /// These have only an 8-bit form.
    fn counted(&mut self, d: &Displaced, target: u64) {
        if d.bytes[..d.bytes.len() - 2].contains(&ADDRESS_SIZE) {
            self.put(&[ADDRESS_SIZE]);
        }
        let opcode = d.bytes[d.bytes.len() - 2];
        self.put(&[opcode, 2, 0xeb, 0]);
        let from = self.bytes.len();
        self.jump(target);
        self.bytes[from - 1] = (self.bytes.len() - from) as u8;
    }

    fn xbegin(&mut self, target: u64) {
        self.put(&[0xc7, 0xf8]);
        if !self.relative(target) {
            // Behind it a short jump over the absolute one to the handler.
            self.put(&2_i32.to_le_bytes());
            self.put(&[0xeb, jumps::ABSOLUTE as u8]);
            self.put(&jumps::absolute(target));
        }
    }
}
