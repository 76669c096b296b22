//! A jump over the first instructions: where it traps, and what enters it.

use super::*;

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
