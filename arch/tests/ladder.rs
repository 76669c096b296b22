//! The ladder of jumps: which rung fits which function, and what it asks for.

mod common;

use common::{AT, Around, Fixture, assemble, hex};
use midair_arch::x86_64::{Analysis, Byte, Function, INT3, LADDER, Rung, Strategy};
use midair_arch::{Reason, TargetAddress};

use Byte::{Fixed, Free, Trap};

/// Offsets from the place of the jump.
fn boundaries(rung: &Rung) -> Vec<usize> {
    rung.boundaries().collect()
}

fn displaced(rung: &Rung) -> Vec<String> {
    rung.displaced
        .iter()
        .map(|displaced| displaced.text())
        .collect()
}

const PUSH: (&str, &str) = ("55", "push rbp");
const FRAME: (&str, &str) = ("48 89 e5", "mov rbp, rsp");
const RET: (&str, &str) = ("c3", "ret");

// ---- Jump ----

#[test]
fn a_prologue_of_several_instructions_traps_at_each_but_the_first() {
    let rung =
        Fixture::new(&[PUSH, FRAME, ("48 83 ec 10", "sub rsp, 0x10"), RET]).fits(Strategy::Jump);
    assert_eq!(
        displaced(&rung),
        ["push rbp", "mov rbp, rsp", "sub rsp, 0x10"]
    );
    assert_eq!(boundaries(&rung), [1, 4]);
    assert_eq!(rung.pattern, [Trap, Free, Free, Trap]);
    assert_eq!(
        (rung.place, rung.jump),
        (TargetAddress::new(AT), TargetAddress::new(AT))
    );
    assert_eq!(rung.resume().get(), AT + 8);
    assert_eq!(rung.written, 5);
    assert_eq!(rung.existing, hex("55 48 89 e5 48"));
}

#[test]
fn an_instruction_that_covers_the_jump_needs_no_trap() {
    let rung = Fixture::new(&[("b8 01 00 00 00", "mov eax, 1"), RET]).fits(Strategy::Jump);
    assert_eq!(rung.pattern, [Free; 4]);
    assert_eq!(boundaries(&rung), [0; 0]);
    assert_eq!(rung.resume().get(), AT + 5);
}

#[test]
fn an_endbr64_stays_in_front_of_the_jump() {
    let rung = Fixture::new(&[
        ("f3 0f 1e fa", "endbr64"),
        PUSH,
        FRAME,
        ("5d", "pop rbp"),
        RET,
    ])
    .fits(Strategy::Jump);
    assert_eq!(rung.place.get(), AT + 4);
    assert_eq!(displaced(&rung), ["push rbp", "mov rbp, rsp", "pop rbp"]);
    assert_eq!(rung.displaced[0].offset, 4);
    assert_eq!(rung.pattern, [Trap, Free, Free, Trap]);
    assert_eq!(rung.existing, hex("55 48 89 e5 5d"));
}

#[test]
fn an_endbr64_further_on_is_displaced_like_any_other() {
    let rung = Fixture::new(&[("90", "nop"), ("f3 0f 1e fa", "endbr64"), RET]).fits(Strategy::Jump);
    assert_eq!(rung.place.get(), AT);
    assert_eq!(displaced(&rung), ["nop", "endbr64"]);
}

#[test]
fn an_endbr64_with_a_prefix_too_many_is_not_cut() {
    let rung = Fixture::new(&[("3e f3 0f 1e fa", "endbr64"), PUSH, RET]).fits(Strategy::Jump);
    assert_eq!(rung.place.get(), AT);
    assert_eq!(displaced(&rung), ["endbr64"]);
}

#[test]
fn the_entry_leads_to_the_gate() {
    let rung = Fixture::new(&[("b8 01 00 00 00", "mov eax, 1"), RET]).fits(Strategy::Jump);
    assert_eq!(rung.entry_bytes(AT + 0x100), Some(hex("e9 fb 00 00 00")));
    assert_eq!(
        rung.entry_bytes(AT + 5 + 0x7fff_ffff),
        Some(hex("e9 ff ff ff 7f"))
    );
    assert_eq!(rung.entry_bytes(AT + 5 + 0x8000_0000), None);
    assert_eq!(
        rung.entry_bytes(AT + 5 - 0x8000_0000),
        Some(hex("e9 00 00 00 80"))
    );
    assert_eq!(rung.entry_bytes(AT + 4 - 0x8000_0000), None);
}

#[test]
fn a_branch_behind_the_jump_does_not_hinder_it() {
    // The loop begins in the instruction that the jump cuts, but behind the jump.
    let fixture = Fixture::new(&[
        PUSH,
        FRAME,
        ("b8 90 90 90 90", "mov eax, 0x90909090"), // nops from +5 on
        ("75 fa", "jne short 0x555500001005"),
        RET,
    ]);
    let rung = fixture.fits(Strategy::Jump);
    assert_eq!(rung.resume().get(), AT + 9);
}

#[test]
fn every_known_entry_into_the_jump_is_seen() {
    for entry in 1..5 {
        let mut fixture = Fixture::new(&[("b8 01 00 00 00", "mov eax, 1"), RET]);
        fixture.around.entries = vec![AT + u64::from(entry)];
        let refusal = fixture.refusal(Strategy::Jump);
        assert_eq!(refusal.reason, Reason::BranchIntoSpan { target: entry });
        assert_eq!(refusal.offset, i64::from(entry));
    }
    let mut fixture = Fixture::new(&[("b8 01 00 00 00", "mov eax, 1"), RET]);
    fixture.around.entries = vec![AT, AT + 5];
    assert_eq!(
        fixture.best(),
        Strategy::Jump,
        "the entry itself, and what is behind"
    );
}

#[test]
fn every_way_of_entering_the_jump_is_seen() {
    for (bytes, text) in [
        ("75 f7", "jne short 0x555500001003"),
        ("0f 85 f3 ff ff ff", "jne 0x555500001003"),
        ("eb f7", "jmp short 0x555500001003"),
        ("e8 f4 ff ff ff", "call 0x555500001003"),
        ("e2 f7", "loop 0x555500001003"),
        ("e3 f7", "jrcxz 0x555500001003"),
        ("c7 f8 f3 ff ff ff", "xbegin 0x555500001003"),
        ("48 8d 05 f2 ff ff ff", "lea rax, [0x555500001003]"),
        ("48 b8 03 10 00 00 55 55 00 00", "mov rax, 0x555500001003"),
    ] {
        let fixture = Fixture::new(&[
            ("89 f8", "mov eax, edi"),
            ("90", "nop"),
            ("ff c0", "inc eax"),
            ("85 ff", "test edi, edi"),
            ("90", "nop"),
            ("90", "nop"),
            ("90", "nop"),
            (bytes, text),
            RET,
        ]);
        let rung = fixture.rung(Strategy::Jump).map(|_| ());
        let reason = rung.map_err(|refusal| refusal.reason);
        assert_eq!(reason, Err(Reason::BranchIntoSpan { target: 3 }), "{text}");
    }
}

#[test]
fn an_address_in_non_relocatable_code_is_an_entry() {
    const LOW: u64 = 0x40_1000;
    for line in [
        ("68 03 10 40 00", "push 0x401003"),
        ("b8 03 10 40 00", "mov eax, 0x401003"),
        ("48 c7 07 03 10 40 00", "mov qword ptr [rdi], 0x401003"),
        ("8d 04 25 03 10 40 00", "lea eax, [0x401003]"),
    ] {
        let head = [
            ("89 f8", "mov eax, edi"),
            ("90", "nop"),
            ("ff c0", "inc eax"),
        ];
        let mut fixture = Fixture::new(&[]);
        fixture.body = assemble(LOW, &[head.as_slice(), &[line, RET]].concat());
        let mut function = fixture.function();
        function.address = TargetAddress::new(LOW);
        let analysis =
            Analysis::of(&function, &fixture.around).unwrap_or_else(|refusal| panic!("{refusal}"));
        let rung = analysis.rung(Strategy::Jump, &fixture.around).map(|_| ());
        let reason = rung.map_err(|refusal| refusal.reason);
        assert_eq!(
            reason,
            Err(Reason::BranchIntoSpan { target: 3 }),
            "{}",
            line.1
        );
    }
}

#[test]
fn a_return_into_the_jump_is_seen() {
    let fixture = Fixture::new(&[("ff d0", "call rax"), ("48 83 c4 08", "add rsp, 8"), RET]);
    assert_eq!(
        fixture.refusal(Strategy::Jump).reason,
        Reason::BranchIntoSpan { target: 2 }
    );
    // The instructions behind the call stay where they are.
    let rung = fixture.fits(Strategy::PunnedJump);
    assert_eq!(displaced(&rung), ["call rax"]);
}

#[test]
fn branches_to_the_entry_are_counted() {
    let fixture = Fixture::new(&[
        ("f3 0f 1e fa", "endbr64"),
        ("b8 01 00 00 00", "mov eax, 1"),
        ("75 f5", "jne short 0x555500001000"),
        ("74 f7", "je short 0x555500001004"),
        ("e8 ee ff ff ff", "call 0x555500001000"), // a call is a call
        RET,
    ]);
    assert_eq!(fixture.analysis().branches_to_entry(), 2);
}

#[test]
fn a_scan_is_complete_if_all_that_leaves_comes_back_by_calls() {
    let complete = |line| {
        Fixture::new(&[PUSH, FRAME, line, RET])
            .analysis()
            .is_complete()
    };
    assert!(complete(("e8 00 10 00 00", "call 0x555500002009")));
    assert!(complete(("ff d0", "call rax")));
    assert!(complete(("0f 05", "syscall")));
    assert!(complete(("74 00", "je short 0x555500001006")));
    assert!(
        !complete(("74 10", "je short 0x555500001016")),
        "a cold part may come back"
    );
    assert!(!complete(("e9 00 10 00 00", "jmp 0x555500002009")));
    assert!(!complete(("ff e0", "jmp rax")));
    assert!(!complete(("06", "(bad)")));
    assert!(!complete(("48 cf", "iretq")), "leads anywhere");
    assert!(
        !complete(("66 e9 00 00 00 00", "jmp 0x55550000100a")),
        "AMD reads on in the middle"
    );
}

#[test]
fn a_scan_is_not_complete_if_other_functions_are_not_known() {
    let mut fixture = Fixture::new(&[PUSH, FRAME, RET]);
    fixture.around.branches_are_unknown = true;
    assert!(!fixture.analysis().is_complete());
}

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

const TINY: &[(&str, &str)] = &[("31 c0", "xor eax, eax"), RET];

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

// ---- PunnedJump ----

#[test]
fn a_punned_jump_ends_with_the_bytes_of_the_next_function() {
    let rung = Fixture::new(TINY).fits(Strategy::PunnedJump);
    assert_eq!(rung.written, 3);
    assert_eq!(rung.pattern, [Free, Trap, Fixed(0xf4), Fixed(0xf4)]);
    assert_eq!(displaced(&rung), ["xor eax, eax", "ret"]);
    let rung = Fixture::new(&[RET]).fits(Strategy::PunnedJump);
    assert_eq!(rung.written, 1);
    assert_eq!(rung.pattern, [Fixed(0xf4); 4]);
}

#[test]
fn a_punned_jump_ends_where_a_branch_leads() {
    let fixture = Fixture::new(&[
        ("31 c0", "xor eax, eax"),
        ("ff c0", "inc eax"),
        ("ff cf", "dec edi"),
        ("75 fa", "jne short 0x555500001002"),
        RET,
    ]);
    assert_eq!(
        fixture.refusal(Strategy::Jump).reason,
        Reason::BranchIntoSpan { target: 2 }
    );
    let rung = fixture.fits(Strategy::PunnedJump);
    assert_eq!(rung.written, 2);
    assert_eq!(rung.pattern, [Free, Fixed(0xff), Fixed(0xc0), Fixed(0xff)]);
    assert_eq!(displaced(&rung), ["xor eax, eax"]);
    assert_eq!(rung.resume().get(), AT + 2);
    assert_eq!(rung.existing, hex("31 c0 ff c0 ff"));
}

#[test]
fn a_punned_jump_needs_the_bytes_behind_a_short_function() {
    let mut fixture = Fixture::new(TINY);
    fixture.after = hex("f4");
    let reason = fixture.refusal(Strategy::PunnedJump).reason;
    assert_eq!(
        reason,
        Reason::NoRoom {
            needed: 5,
            available: 4
        }
    );
    fixture.after = hex("f4 f5");
    assert_eq!(
        fixture.fits(Strategy::PunnedJump).pattern,
        [Free, Trap, Fixed(0xf4), Fixed(0xf5)]
    );
}

// ---- Breakpoint ----

#[test]
fn a_breakpoint_takes_one_byte() {
    let rung = Fixture::new(&[RET]).fits(Strategy::Breakpoint);
    assert_eq!(rung.written, 1);
    assert_eq!(boundaries(&rung), [0; 0]);
    assert_eq!(rung.entry_bytes(0), Some(vec![INT3]));
    assert_eq!(displaced(&rung), ["ret"]);
}

#[test]
fn an_entry_into_bytes_that_stay_hinders_nothing() {
    // Over the lock prefix, which is the first byte: the rest stays.
    let mut fixture = Fixture::new(&[
        ("f0 0f b1 0f", "lock cmpxchg [rdi], ecx"),
        ("75 fb", "jne short 0x555500001001"),
        RET,
    ]);
    assert_eq!(fixture.best(), Strategy::PunnedJump);
    let rung = fixture.fits(Strategy::PunnedJump);
    assert_eq!(
        rung.pattern,
        [Fixed(0x0f), Fixed(0xb1), Fixed(0x0f), Fixed(0x75)]
    );
    assert_eq!(rung.resume().get(), AT + 4);
    fixture.fits(Strategy::Breakpoint);
    fixture.around.entries = vec![AT + 2, AT + 3];
    fixture.fits(Strategy::Breakpoint);
}

// ---- all of them ----

/// The best rung for a function of `len` bytes, `padding` and a gap nearby.
fn best(len: usize, padding: usize, nearby: bool) -> Strategy {
    let mut fixture = Fixture::new(&[]);
    fixture.body = vec![0x90; len]; // nops
    fixture.body[len - 1] = 0xc3; // ret
    fixture.after.splice(0..0, vec![INT3; padding]);
    fixture.gap = padding;
    if nearby {
        fixture = fixture.with_gap(AT + 64, "cc cc cc cc cc");
    }
    fixture.best()
}

#[test]
fn all_lengths_of_function_and_padding_have_their_rung() {
    for len in 1..8 {
        for padding in 0..8 {
            let whole = match (len, len + padding) {
                (5.., _) => Some(Strategy::Jump),
                (_, 5..) => Some(Strategy::JumpIntoPadding),
                _ => None,
            };
            let short = if len + padding >= 2 {
                Strategy::ShortJump
            } else {
                Strategy::PunnedJump
            };
            assert_eq!(
                best(len, padding, true),
                whole.unwrap_or(short),
                "{len} and {padding}"
            );
            let punned = whole.unwrap_or(Strategy::PunnedJump);
            assert_eq!(
                best(len, padding, false),
                punned,
                "{len} and {padding}, nothing nearby"
            );
        }
    }
}

#[test]
fn every_rung_displaces_what_it_writes_over() {
    for len in 1..8 {
        for padding in 0..8 {
            for strategy in LADDER {
                let mut fixture = Fixture::new(&[]).with_gap(AT + 64, "cc cc cc cc cc");
                fixture.body = vec![0x90; len]; // nops
                fixture.body[len - 1] = 0xc3; // ret
                fixture.after.splice(0..0, vec![INT3; padding]);
                fixture.gap = padding;
                let Ok(rung) = fixture.rung(strategy) else {
                    continue;
                };
                let own = rung.written.min(len);
                assert_eq!(
                    rung.displaced.len(),
                    own,
                    "{strategy:?} of {len} and {padding}"
                );
                assert_eq!(boundaries(&rung), (1..own).collect::<Vec<_>>());
                assert_eq!(rung.existing.len(), 5);
                for (index, byte) in rung.pattern.iter().enumerate() {
                    let at = index + 1;
                    let is_jump = rung.entry_bytes(AT).is_some_and(|bytes| bytes.len() == 5);
                    let expected = match at {
                        _ if !is_jump => Free,
                        at if at >= rung.written => Fixed(rung.existing[at]),
                        at if at < own => Trap,
                        _ => Free,
                    };
                    assert_eq!(
                        *byte, expected,
                        "{strategy:?} of {len} and {padding} at {at}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_ladder_is_listed_best_first_with_names() {
    let names: Vec<&str> = LADDER.iter().map(|strategy| strategy.name()).collect();
    assert_eq!(
        names,
        [
            "jump",
            "jump into padding",
            "short jump",
            "punned jump",
            "breakpoint"
        ]
    );
}

// ---- code of unknown extent ----

/// `body` as code of which only the start is known.
#[track_caller]
fn unknown(body: &[(&'static str, &'static str)]) -> (Analysis, Around) {
    let body = assemble(AT, body);
    let function = Function {
        address: TargetAddress::new(AT),
        body: &body,
        exact: false,
        after: &[],
        gap: 0,
    };
    let around = Around::default();
    let analysis = Analysis::of(&function, &around).unwrap_or_else(|refusal| panic!("{refusal}"));
    (analysis, around)
}

#[test]
fn code_of_unknown_extent_ends_with_its_first_return() {
    let (analysis, around) = unknown(&[("31 c0", "xor eax, eax"), RET, PUSH, FRAME, RET]);
    assert!(!analysis.is_complete());
    let jump = analysis
        .rung(Strategy::Jump, &around)
        .map(|_| ())
        .map_err(|r| r.reason);
    assert_eq!(
        jump,
        Err(Reason::NoRoom {
            needed: 5,
            available: 3
        })
    );
    let rung = analysis
        .rung(Strategy::PunnedJump, &around)
        .unwrap_or_else(|r| panic!("{r}"));
    assert_eq!(rung.pattern, [Free, Trap, Fixed(0x55), Fixed(0x48)]);
}

#[test]
fn the_start_of_code_of_unknown_extent_is_scanned() {
    for line in [
        ("75 fb", "jne short 0x555500001002"),
        ("e8 f8 ff ff ff", "call 0x555500001002"),
        ("48 8d 05 f6 ff ff ff", "lea rax, [0x555500001002]"),
    ] {
        let (analysis, around) = unknown(&[
            ("31 c0", "xor eax, eax"),
            ("ff c0", "inc eax"),
            ("90", "nop"),
            line,
            RET,
        ]);
        let jump = analysis
            .rung(Strategy::Jump, &around)
            .map(|_| ())
            .map_err(|r| r.reason);
        assert_eq!(
            jump,
            Err(Reason::BranchIntoSpan { target: 2 }),
            "{}",
            line.1
        );
    }
    let (analysis, around) = unknown(&[
        ("8b 05 fc ff ff ff", "mov eax, [0x555500001002]"),
        PUSH,
        RET,
    ]);
    let jump = analysis
        .rung(Strategy::Jump, &around)
        .map(|_| ())
        .map_err(|r| r.reason);
    assert_eq!(jump, Err(Reason::ReadsItself));
}

// ---- the ends of the address space ----

#[test]
fn a_function_at_either_end_of_the_address_space_is_analysed() {
    let body = hex("55 48 89 e5 5d c3"); // push rbp; mov rbp,rsp; pop rbp; ret
    for at in [
        0,
        1,
        u64::MAX,
        u64::MAX - 3,
        u64::MAX - 5,
        u64::MAX - 16,
        1 << 63,
    ] {
        let function = Function {
            address: TargetAddress::new(at),
            body: &body,
            exact: true,
            after: &[INT3; 8],
            gap: 8,
        };
        let around = Around {
            gaps: vec![(0, vec![INT3; 64])],
            ..Around::default()
        };
        let analysis =
            Analysis::of(&function, &around).unwrap_or_else(|refusal| panic!("{refusal}"));
        for strategy in LADDER {
            if let Ok(rung) = analysis.rung(strategy, &around) {
                boundaries(&rung);
                rung.entry_bytes(at.wrapping_add(64));
            }
        }
        let rung = analysis
            .rung(Strategy::Jump, &around)
            .unwrap_or_else(|r| panic!("{r}"));
        assert_eq!(boundaries(&rung), [1, 4], "at {at:#x}");
        assert_eq!(rung.resume().get(), at.wrapping_add(5));
    }
}
