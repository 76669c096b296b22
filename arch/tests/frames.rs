//! What is said about frames agrees with what the code does to the stack
//! pointer, decoded instruction by instruction.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, Register};
use midair_arch::x86_64::frame::{FrameBase, FrameState, Frames};
use midair_arch::x86_64::{Displaced, choice, relocate};
use midair_arch::{CopyAddress, TargetAddress};

/// By how many bytes the instruction lowers the stack pointer.
fn lowers(instruction: &Instruction) -> i64 {
    let moves = instruction.mnemonic() == Mnemonic::Lea;
    if moves && instruction.op0_register() == Register::RSP {
        assert_eq!(instruction.memory_base(), Register::RSP);
        return -(instruction.memory_displacement64() as i64);
    }
    -i64::from(instruction.stack_pointer_increment())
}

fn at(frames: Frames<'_>, offset: usize) -> FrameState {
    let mut known = frames.iter().filter(|(from, _)| *from as usize <= offset);
    known.next_back().unwrap().1
}

/// Follows `code` from `start` to where it leaves; compares at each instruction.
fn follow(code: &[u8], start: usize, mut lower: i64, frames: Frames<'_>) {
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    decoder.set_position(start).unwrap();
    decoder.set_ip(start as u64);
    loop {
        let instruction = decoder.decode();
        assert!(!instruction.is_invalid());
        let offset = instruction.ip() as usize;
        let expected = FrameState::at(FrameBase::Rsp, 8 + lower).unwrap();
        let cfa = at(frames, offset).cfa();
        assert_eq!(cfa, expected.cfa(), "at {offset}: {instruction}");
        match instruction.flow_control() {
            FlowControl::Next => lower += lowers(&instruction),
            FlowControl::ConditionalBranch => {
                let other = instruction.near_branch_target() as usize;
                follow(code, other, lower, frames);
            }
            _ => return,
        }
    }
}

#[test]
fn the_frames_of_a_choice_are_right_on_both_ways() {
    follow(&choice::by_epoch(1, 2, 3), 0, 0, choice::BY_EPOCH_FRAMES);
    let called = choice::by_dispatcher(1, 2);
    follow(&called, 0, 0, choice::BY_DISPATCHER_FRAMES);
    // Behind the call the frame is what it was before.
    let back = called.len() - choice::CONTEXT_BEHIND - 8;
    assert_eq!(
        at(choice::BY_DISPATCHER_FRAMES, back),
        FrameState::BELOW_RED_ZONE
    );
}

/// Instructions with operands or targets out of the copy's reach.
const FAR: [(&str, &[u8]); 7] = [
    ("add rax,[rip+0x100]", b"\x48\x03\x05\0\x01\0\0"),
    ("push [rip+0x100]", b"\xff\x35\0\x01\0\0"),
    ("call +0x100", b"\xe8\0\x01\0\0"),
    ("call [rip+0x100]", b"\xff\x15\0\x01\0\0"),
    ("jmp [rip+0x100]", b"\xff\x25\0\x01\0\0"),
    ("lea rax,[rip+0x100]", b"\x48\x8d\x05\0\x01\0\0"),
    ("je +0x100", b"\x0f\x84\0\x01\0\0"),
];

#[test]
fn the_frames_of_a_copy_far_away_are_right_at_each_instruction() {
    let target = TargetAddress::new(0x7f12_3456_7000);
    for (text, bytes) in FAR {
        let displaced = Displaced::decode(bytes, target, bytes.len());
        assert_eq!(displaced.len(), 1, "{text}");
        let resume = target.plus(bytes.len() as u64);
        let copy = relocate(target, &displaced, resume, CopyAddress::new(0x10_0000)).unwrap();
        let pushed = i64::from(text.starts_with("push")) * 8;
        let original = |at: TargetAddress| {
            let offset = if at == target { 8 } else { 8 + pushed };
            FrameState::at(FrameBase::Rsp, offset).unwrap()
        };
        let frames = copy.frames(resume, original);
        println!("{text}: {frames:x?}");
        follow(&copy.bytes, 0, 0, &frames);
    }
}

#[test]
fn a_borrowed_callee_saved_register_is_found_on_the_stack() {
    let state = FrameState::at(FrameBase::Rsp, 8).unwrap();
    let saved = |state: FrameState| state.saved().collect::<Vec<_>>();
    // rbx, pushed below the red zone: 8 + 128 + 8 bytes below the CFA.
    assert_eq!(saved(state.lowered(136).borrowed(3)), [(3, 144)]);
    // rax is nobody's.
    assert_eq!(saved(state.lowered(136).borrowed(0)), []);
    // Once the function has saved it, that is where it is.
    let has_saved = state.lowered(8).with_saved(3, 16).unwrap();
    assert_eq!(saved(has_saved.lowered(136).borrowed(3)), [(3, 16)]);
    // How far the stack is from rbp is not known, nor what rbp was.
    let framed = FrameState::at(FrameBase::Rbp, 16).unwrap();
    assert!(framed.borrowed(3).is_unknown());
    assert!(framed.with_saved(6, 16).unwrap().borrowed(6).is_unknown());
}

#[test]
fn what_does_not_fit_is_unknown() {
    assert_eq!(FrameState::at(FrameBase::Rsp, 12), None);
    assert_eq!(FrameState::at(FrameBase::Rsp, -8), None);
    assert_eq!(FrameState::at(FrameBase::Rsp, 0), None);
    assert_eq!(FrameState::at(FrameBase::Rsp, 1 << 17), None);
    let largest = FrameState::at(FrameBase::Rsp, (1 << 17) - 8).unwrap();
    assert!(largest.lowered(8).is_unknown());
    assert_eq!(largest.with_saved(3, 8 * 256), None);
    assert_eq!(largest.with_saved(0, 8), None);
    assert!(largest.with_saved(15, 8 * 255).is_some());
}
