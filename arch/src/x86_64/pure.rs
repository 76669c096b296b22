//! Functions that compute and do nothing else.

use crate::TargetAddress;
use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
};

/// Whether the function with this code, at `at`, does nothing but compute its
/// result: it calls nothing, and writes to no memory but to save registers. A
/// compiler may leave nothing of such a function where it is inlined, or where
/// the result is known.
///
/// ```
/// use midair_arch::{TargetAddress, x86_64::is_pure};
///
/// let at = TargetAddress::new(0x1000);
/// // lea eax,[rdi+1]; ret
/// assert!(is_pure(b"\x8d\x47\x01\xc3", at));
/// // mov [rdi],eax; ret
/// assert!(!is_pure(b"\x89\x07\xc3", at));
/// ```
#[must_use]
pub fn is_pure(code: &[u8], at: TargetAddress) -> bool {
    let own = at.get()..at.get().wrapping_add(code.len() as u64);
    let mut decoder = Decoder::with_ip(64, code, at.get(), DecoderOptions::NONE);
    let mut infos = InstructionInfoFactory::new();
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        let only_goes_on = match instruction.flow_control() {
            FlowControl::Next => true,
            FlowControl::Return => true,
            FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch => {
                own.contains(&instruction.near_branch_target())
            }
            _ => false,
        };
        let saves = matches!(instruction.mnemonic(), Mnemonic::Push);
        let memory = infos.info(&instruction).used_memory();
        let writes = memory.iter().any(|used| {
            !matches!(
                used.access(),
                OpAccess::None | OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess
            )
        });
        if !only_goes_on || (writes && !saves) {
            return false;
        }
    }
    true
}
