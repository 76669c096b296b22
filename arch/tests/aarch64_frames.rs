//! The frame states of aarch64: of copies, and what fits into one.

mod arm;

use arm::{AT, Assembly, FAR, NEAR, relocated};
use midair_arch::TargetAddress;
use midair_arch::aarch64::frame::{FrameBase, FrameState, RETURN};

const CALL: (u32, &str) = (0x9400_0040, "bl 0x555500001100");
const FRAME: [(u32, &str); 2] = [
    (0xa9be_7bfd, "stp x29, x30, [sp, #-0x20]!"),
    (0x9400_0040, "bl 0x555500001104"),
];

fn pushed() -> FrameState {
    let state = FrameState::at(FrameBase::Sp, 32).unwrap();
    let state = state.with_saved(29, 32).unwrap();
    state.with_saved(RETURN, 24).unwrap()
}

/// The states of a copy at `to`; behind the first instruction `second` holds.
fn frames(assembly: &Assembly, to: u64, second: FrameState) -> Vec<(u32, FrameState)> {
    let resume = TargetAddress::new(AT + 4 * assembly.len() as u64);
    let copy = relocated(assembly, to).unwrap();
    copy.frames(resume, |at| match at.get() {
        AT => FrameState::CALLED,
        _ => second,
    })
}

#[test]
fn behind_a_displaced_instruction_the_state_is_that_of_the_original_there() {
    let found = frames(&FRAME[..1], NEAR, pushed());
    assert_eq!(found, [(0, FrameState::CALLED), (4, pushed())]);
    let found = frames(&FRAME[..1], NEAR, FrameState::UNKNOWN);
    assert_eq!(found, [(0, FrameState::CALLED), (4, FrameState::UNKNOWN)]);
}

#[test]
fn a_displaced_call_takes_the_return_address_away_unless_it_is_saved() {
    for to in [NEAR, FAR] {
        let found = frames(&[CALL], to, FrameState::CALLED);
        assert_eq!(found, [(0, FrameState::CALLED), (4, FrameState::UNKNOWN)]);
        let found = frames(&FRAME, to, pushed());
        assert_eq!(
            found,
            [(0, FrameState::CALLED), (4, pushed()), (8, pushed())]
        );
    }
}

#[test]
fn what_does_not_fit_is_none() {
    assert_eq!(FrameState::at(FrameBase::Sp, 12), None);
    assert_eq!(FrameState::at(FrameBase::Sp, -8), None);
    assert_eq!(FrameState::at(FrameBase::X29, 8 << 16), None);
    assert_eq!(FrameState::CALLED.with_saved(19, 0), None);
    assert_eq!(FrameState::CALLED.with_saved(19, 12), None);
    assert_eq!(FrameState::CALLED.with_saved(19, 8 * 256), None);
    assert_eq!(FrameState::CALLED.with_saved(18, 8), None);
    assert_eq!(FrameBase::of(28), None);
}

#[test]
fn the_longest_description_fits_into_its_place() {
    use midair_arch::aarch64::{eh_frame, frame::CALLEE_SAVED};
    let mut state = FrameState::at(FrameBase::X29, 8 * 0xffff).unwrap();
    for register in CALLEE_SAVED {
        state = state.with_saved(register, 8 * 255).unwrap();
    }
    let section = eh_frame::section(0x1000, AT, 0x1000, state.signed(true));
    assert!(section.len() <= eh_frame::MOST, "{}", section.len());
    assert_eq!(eh_frame::MOST % 8, 0);
    use midair_arch::x86_64;
    let mut state = x86_64::frame::FrameState::at(x86_64::frame::FrameBase::R10, 8 * 0x3fff);
    for register in x86_64::frame::CALLEE_SAVED {
        state = state.and_then(|state| state.with_saved(register, 8 * 255));
    }
    let section = x86_64::eh_frame::section(0x1000, AT, 0x1000, state.unwrap());
    assert!(section.len() <= x86_64::eh_frame::MOST, "{}", section.len());
}
