//! Short functions: jumps into padding, at once and by a short jump.

use super::*;

// ---- JumpIntoPadding ----

#[test]
fn a_short_function_is_left_through_its_padding() {
    let fixture = Fixture::padded(&[("31 c0", "xor eax, eax"), RET], "66 0f 1f 44 00 00");
    assert_eq!(fixture.best(), Strategy::JumpIntoPadding);
    let rung = fixture.fits(Strategy::JumpIntoPadding);
    assert_eq!(displaced(&rung), ["xor eax, eax", "ret"]);
    assert_eq!(rung.written, 5);
    assert_eq!(rung.pattern, [Free, Trap, Free, Free]);
    assert_eq!(rung.existing, hex("31 c0 c3 66 0f"));
}

#[test]
fn an_endbr64_counts_for_no_room() {
    let fixture = Fixture::padded(
        &[("f3 0f 1e fa", "endbr64"), ("31 c0", "xor eax, eax"), RET],
        "90 90",
    );
    assert_eq!(fixture.best(), Strategy::JumpIntoPadding);
    assert_eq!(fixture.fits(Strategy::JumpIntoPadding).place.get(), AT + 4);
}

#[test]
fn bytes_that_are_not_proven_padding_are_not_written() {
    for (padding, gap) in [
        ("90", 1),
        ("90 90", 1),
        ("00 00 00 00", 4),
        ("90 90 c3 90", 4),
    ] {
        let mut fixture = Fixture::padded(&[("31 c0", "xor eax, eax"), RET], padding);
        fixture.gap = gap;
        let refusal = fixture.refusal(Strategy::JumpIntoPadding);
        assert!(matches!(
            refusal.reason,
            Reason::NoRoom {
                needed: 5,
                available: 3 | 4
            }
        ));
        assert_eq!(fixture.best(), Strategy::PunnedJump, "{padding}");
    }
}

#[test]
fn padding_into_which_the_function_falls_is_not_written() {
    // The copy would go on behind the function: in the middle of the jump.
    for body in [
        [("31 c0", "xor eax, eax")].as_slice(),
        &[
            ("31 c0", "xor eax, eax"),
            ("74 fc", "je short 0x555500001000"),
        ],
        &[("ff d0", "call rax")],
        &[("90", "nop")],
    ] {
        let fixture = Fixture::padded(body, "90 90 90 90 90 90 90 90");
        assert!(fixture.rung(Strategy::JumpIntoPadding).is_err(), "{body:?}");
        let rung = fixture.fits(fixture.best());
        assert!(rung.written <= fixture.body.len(), "{rung:?}");
    }
}

#[test]
fn padding_into_which_the_function_branches_is_not_written() {
    let fixture = Fixture::padded(
        &[("74 01", "je short 0x555500001003"), RET],
        "90 90 90 90 90 90 90 90",
    );
    let refusal = fixture.refusal(Strategy::JumpIntoPadding);
    assert_eq!(refusal.reason, Reason::BranchIntoSpan { target: 3 });
}

// ---- ShortJump ----

#[test]
fn a_short_jump_leads_into_padding_nearby() {
    let fixture = Fixture::new(TINY).with_gap(AT + 64, "90 90 90 90 90 90");
    assert_eq!(fixture.best(), Strategy::ShortJump);
    let rung = fixture.fits(Strategy::ShortJump);
    assert_eq!(rung.jump.get(), AT + 64);
    assert_eq!(rung.written, 2);
    assert_eq!(displaced(&rung), ["xor eax, eax"]);
    assert_eq!(rung.resume().get(), AT + 2);
    assert_eq!(rung.entry_bytes(0), Some(hex("eb 3e")));
    assert_eq!(rung.pattern, [Free; 4]);
}

#[test]
fn padding_in_reach_of_a_short_jump_may_lie_on_both_sides() {
    let jump = |at, bytes| {
        let rung = Fixture::new(TINY)
            .with_gap(at, bytes)
            .rung(Strategy::ShortJump);
        rung.map(|rung| rung.jump.get())
            .map_err(|refusal| refusal.reason)
    };
    assert_eq!(jump(AT + 129, "cc cc cc cc cc"), Ok(AT + 129));
    assert_eq!(
        jump(AT + 130, "cc cc cc cc cc"),
        Err(Reason::NoPaddingInReach)
    );
    assert_eq!(jump(AT - 126, "cc cc cc cc cc"), Ok(AT - 126));
    assert_eq!(
        jump(AT - 127, "cc cc cc cc cc"),
        Err(Reason::NoPaddingInReach)
    );
    assert_eq!(jump(AT - 127, "cc cc cc cc cc cc"), Ok(AT - 126));
    assert_eq!(jump(AT + 64, "cc cc cc cc"), Err(Reason::NoPaddingInReach));
    assert_eq!(
        jump(AT + 64, "00 00 00 00 00 00"),
        Err(Reason::NoPaddingInReach)
    );
    assert_eq!(
        jump(AT + 64, "90 90 90 90 90 c3"),
        Err(Reason::NoPaddingInReach)
    );
}

#[test]
fn a_nop_across_the_end_of_the_reach_is_not_cut() {
    // nop word ptr cs:[rax+rax+0], of which the first bytes are in reach
    let fixture = Fixture::new(TINY).with_gap(AT + 128, "66 2e 0f 1f 84 00 00 00 00 00");
    assert_eq!(fixture.fits(Strategy::ShortJump).jump.get(), AT + 128);
    let fixture = Fixture::new(TINY).with_gap(AT - 130, "66 2e 0f 1f 84 00 00 00 00 00");
    assert_eq!(fixture.fits(Strategy::ShortJump).jump.get(), AT - 126);
}

#[test]
fn a_boundary_in_a_short_jump_is_made_a_trap_if_that_is_possible() {
    let body = [PUSH, ("5d", "pop rbp"), RET];
    let fixture = Fixture::new(&body)
        .with_gap(AT + 64, "90 90 90 90 90 90")
        .with_gap(AT - 52, "90 90 90 90 90 90 90 90");
    let rung = fixture.fits(Strategy::ShortJump);
    assert_eq!(boundaries(&rung), [1]);
    assert_eq!(rung.entry_bytes(0), Some(vec![0xeb, INT3]));
    let fixture = Fixture::new(&body).with_gap(AT + 64, "90 90 90 90 90 90");
    let rung = fixture.fits(Strategy::ShortJump);
    assert_eq!(
        rung.jump.get(),
        AT + 64,
        "the caller decides whether it will do"
    );
}

#[test]
fn padding_into_which_another_function_falls_is_not_used() {
    // glibc's memcpy_chk is `cmp; jb` and falls through nops into memcpy.
    let mut fixture = Fixture::new(TINY).with_gap(AT + 64, "90 90 90 90 90 90");
    let before = assemble(
        AT + 55,
        &[
            ("48 39 d1", "cmp rcx, rdx"),
            ("0f 82 00 10 00 00", "jb 0x555500002040"),
        ],
    );
    fixture.around.memory = vec![(AT + 55, before)];
    assert_eq!(
        fixture.refusal(Strategy::ShortJump).reason,
        Reason::NoPaddingInReach
    );
}

#[test]
fn padding_behind_every_kind_of_end_is_used() {
    for (bytes, text) in [
        ("c3", "ret"),
        ("c2 08 00", "ret 8"),
        ("eb fe", "jmp short 0x55550000103e"),
        ("e9 00 10 00 00", "jmp 0x555500002040"),
        ("ff e0", "jmp rax"),
        ("ff 25 00 10 00 00", "jmp qword ptr [0x555500002040]"),
        ("0f 0b", "ud2"),
        ("e8 00 10 00 00", "call 0x555500002040"), // does not return
        ("ff 15 00 10 00 00", "call qword ptr [0x555500002040]"),
        ("cc", "int3"),
        ("f4", "hlt"),
    ] {
        let len = hex(bytes).len() as u64;
        let before = assemble(AT + 64 - len, &[(bytes, text)]);
        let mut fixture = Fixture::new(TINY).with_gap(AT + 64, "90 90 90 90 90 90");
        fixture.around.memory = vec![(AT + 64 - len, before)];
        assert_eq!(fixture.best(), Strategy::ShortJump, "{text}");
    }
}

#[test]
fn padding_with_nothing_in_front_of_it_is_used() {
    let mut fixture = Fixture::new(TINY).with_gap(AT + 64, "90 90 90 90 90 90");
    fixture.around.memory.clear();
    assert_eq!(fixture.best(), Strategy::ShortJump);
}

#[test]
fn a_short_jump_may_end_in_padding_and_lead_behind_itself() {
    let mut fixture = Fixture::padded(&[RET], "cc cc cc");
    fixture.around.memory = vec![(AT, hex("c3"))];
    fixture.around.gaps = vec![(AT + 1, hex("cc cc cc"))];
    assert_eq!(
        fixture.refusal(Strategy::ShortJump).reason,
        Reason::NoPaddingInReach
    );
    fixture = fixture.with_gap(AT - 32, "cc cc cc cc cc");
    let rung = fixture.fits(Strategy::ShortJump);
    assert_eq!((rung.written, rung.jump.get()), (2, AT - 32));

    // Enough of it for the whole jump: a slot that does not overlap the place.
    let mut fixture = Fixture::padded(&[RET], "cc cc cc cc cc cc cc");
    fixture.around.memory = vec![(AT, hex("c3"))];
    fixture.around.gaps = vec![(AT + 1, hex("cc cc cc cc cc cc cc"))];
    assert_eq!(fixture.best(), Strategy::JumpIntoPadding);
    assert_eq!(fixture.fits(Strategy::ShortJump).jump.get(), AT + 2);
}

#[test]
fn a_short_jump_does_not_cover_an_entry() {
    let mut fixture = Fixture::new(&[("b8 01 00 00 00", "mov eax, 1"), RET])
        .with_gap(AT + 64, "90 90 90 90 90 90");
    fixture.around.entries = vec![AT + 1];
    assert_eq!(
        fixture.refusal(Strategy::ShortJump).reason,
        Reason::BranchIntoSpan { target: 1 }
    );
    fixture.around.entries = vec![AT + 2];
    assert_eq!(fixture.best(), Strategy::ShortJump);
}
