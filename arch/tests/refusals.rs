//! Every refusal that comes from this crate: where, what and why, in words.

mod common;

use common::{AT, Around, FAR, Fixture, NEAR, hex, refused};
use midair_arch::x86_64::{Analysis, Function, LADDER, Strategy};
use midair_arch::{Reason, Refusal, TargetAddress};

/// Checks all that a refusal says.
#[track_caller]
fn assert_refusal(refusal: Refusal, offset: i64, instruction: Option<&str>, text: &str) {
    assert_eq!(refusal.address, TargetAddress::new(AT));
    assert_eq!(refusal.offset, offset);
    assert_eq!(refusal.instruction.as_deref(), instruction);
    assert_eq!(refusal.symbol, None, "the caller knows it");
    let remedy = refusal.reason.remedy();
    assert!(!remedy.is_empty());
    let named = refusal.with_symbol(String::from("f")).to_string();
    assert_eq!(
        named,
        format!("cannot patch `f` at 0x555500001000{text}; {remedy}")
    );
}

#[track_caller]
fn analysis_refusal(body: &str) -> Refusal {
    let body = hex(body);
    let function = Function {
        address: TargetAddress::new(AT),
        body: &body,
        exact: true,
        after: &[],
        gap: 0,
    };
    match Analysis::of(&function, &Around::default()) {
        Ok(analysis) => panic!("was analysed: {analysis:?}"),
        Err(refusal) => refusal,
    }
}

#[test]
fn bytes_that_are_no_instruction() {
    let text = ": the bytes are no valid instruction";
    assert_refusal(analysis_refusal("06 c3"), 0, None, text); // push es, gone in 64-bit mode
    let text = ", at +4: the bytes are no valid instruction";
    assert_refusal(analysis_refusal("f3 0f 1e fa 06 c3"), 4, None, text); // endbr64; push es
}

#[test]
fn bytes_that_are_no_instruction_under_the_jump() {
    let mut fixture = Fixture::new(&[]);
    fixture.body = hex("31 c0 06 06 06 c3"); // xor eax,eax; push es; push es; push es; ret
    let refusal = fixture.refusal(Strategy::Jump);
    assert_eq!(refusal.reason, Reason::InvalidInstruction);
    assert_refusal(
        refusal,
        2,
        None,
        ", at +2: the bytes are no valid instruction",
    );
    fixture.fits(Strategy::Breakpoint);
}

#[test]
fn a_function_that_ends_within_an_instruction() {
    let text = ": the function ends in the middle of an instruction";
    assert_refusal(analysis_refusal(""), 0, None, text);
    assert_refusal(analysis_refusal("e9 00 00"), 0, None, text); // jmp …
    let text = ", at +4: the function ends in the middle of an instruction";
    assert_refusal(analysis_refusal("f3 0f 1e fa"), 4, None, text); // endbr64
    assert_refusal(analysis_refusal("f3 0f 1e fa 48"), 4, None, text); // endbr64; REX
}

#[test]
fn a_foreign_breakpoint() {
    let text = ", `int3` at +0: a foreign breakpoint stands at the entry";
    assert_refusal(analysis_refusal("cc c3"), 0, Some("int3"), text);
    let text = ", `int3` at +4: a foreign breakpoint stands at the entry";
    assert_refusal(analysis_refusal("f3 0f 1e fa cc c3"), 4, Some("int3"), text);
}

#[test]
fn a_branch_with_an_operand_size_prefix() {
    let expected = ", `jmp 0x555500001010` at +1: \
        a branch with an operand-size prefix means different things to Intel and AMD";
    let body = [("90", "nop"), ("66 e9 09 00 00 00", "jmp 0x555500001010")];
    let refusal = refused(&body, NEAR);
    assert_refusal(refusal, 1, Some("jmp 0x555500001010"), expected);
    let refusal = Fixture::new(&body).refusal(Strategy::Jump);
    assert_refusal(refusal, 1, Some("jmp 0x555500001010"), expected);
}

#[test]
fn an_operand_cut_to_32_bits() {
    let body = [("67 8b 05 09 00 00 00", "mov eax, [0x1010]")];
    let text = ", `mov eax, [0x1010]` at +0: the operand's address is cut to 32 bits";
    assert_refusal(refused(&body, NEAR), 0, Some("mov eax, [0x1010]"), text);
    let refusal = Fixture::new(&body).refusal(Strategy::Breakpoint);
    assert_refusal(refusal, 0, Some("mov eax, [0x1010]"), text);
}

#[test]
fn a_far_branch() {
    let body = [("ff 28", "jmp far fword ptr [rax]")];
    let text = ", `jmp far fword ptr [rax]` at +0: a far branch cannot be followed";
    let instruction = Some("jmp far fword ptr [rax]");
    assert_refusal(refused(&body, NEAR), 0, instruction, text);
    assert_refusal(
        Fixture::new(&body).refusal(Strategy::Breakpoint),
        0,
        instruction,
        text,
    );
}

#[test]
fn a_call_through_the_stack_pointer() {
    let body = [
        ("55", "push rbp"),
        ("ff 54 24 08", "call qword ptr [rsp+8]"),
    ];
    let text = ", `call qword ptr [rsp+8]` at +1: a call through the stack pointer cannot be moved";
    let instruction = Some("call qword ptr [rsp+8]");
    assert_refusal(refused(&body, NEAR), 1, instruction, text);
    assert_refusal(
        Fixture::new(&body).refusal(Strategy::Jump),
        1,
        instruction,
        text,
    );
}

#[test]
fn an_operand_out_of_reach() {
    let body = [
        ("90", "nop"),
        ("8f 05 09 00 00 00", "pop qword ptr [0x555500001010]"),
    ];
    let text = ", `pop qword ptr [0x555500001010]` at +1: \
        the operand at 0x555500001010 is out of reach and no register is free";
    let instruction = Some("pop qword ptr [0x555500001010]");
    assert_refusal(refused(&body, FAR), 1, instruction, text);
}

#[test]
fn a_function_that_reads_its_own_first_bytes() {
    let text = ": the function reads its own first bytes as data";
    for (bytes, line) in [
        ("8b 05 fa ff ff ff", "mov eax, [0x555500001000]"),
        ("8a 05 fe ff ff ff", "mov al, [0x555500001004]"),
        // from before the function into it
        ("48 8b 05 f5 ff ff ff", "mov rax, [0x555500000ffc]"),
        ("0f 10 05 ea ff ff ff", "movups xmm0, [0x555500000ff1]"),
    ] {
        let fixture = Fixture::new(&[(bytes, line), ("c3", "ret")]);
        for strategy in LADDER {
            assert_refusal(fixture.refusal(strategy), 0, None, text);
        }
    }
    for (bytes, line) in [
        ("8a 05 ff ff ff ff", "mov al, [0x555500001005]"),
        ("48 8b 05 f1 ff ff ff", "mov rax, [0x555500000ff8]"),
    ] {
        let fixture = Fixture::new(&[(bytes, line), ("c3", "ret")]);
        assert_eq!(fixture.best(), Strategy::Jump, "{line} reads beside it");
    }
}

#[test]
fn a_branch_into_the_jump() {
    let fixture = Fixture::new(&[
        ("f3 0f 1e fa", "endbr64"),
        ("31 c0", "xor eax, eax"),
        ("ff c0", "inc eax"),
        ("ff cf", "dec edi"),
        ("75 fa", "jne short 0x555500001006"),
        ("c3", "ret"),
    ]);
    let refusal = fixture.refusal(Strategy::Jump);
    assert_eq!(refusal.reason, Reason::BranchIntoSpan { target: 6 });
    assert_refusal(
        refusal,
        6,
        None,
        ", at +6: a branch leads into the jump's bytes, at +6",
    );
}

#[test]
fn code_that_overlaps() {
    let body = [
        ("74 01", "je short 0x555500001003"),
        ("f0 0f b1 0f", "lock cmpxchg [rdi], ecx"),
    ];
    let refusal = refused(&body, NEAR);
    assert_eq!(refusal.reason, Reason::OverlappingCode { target: 3 });
    let text = ", at +3: a branch leads into the middle of an instruction, at +3";
    assert_refusal(refusal, 3, None, text);
}

#[test]
fn a_function_without_room() {
    let fixture = Fixture::new(&[("31 c0", "xor eax, eax"), ("c3", "ret")]);
    let refusal = fixture.refusal(Strategy::Jump);
    assert_eq!(
        refusal.reason,
        Reason::NoRoom {
            needed: 5,
            available: 3
        }
    );
    assert_refusal(
        refusal,
        0,
        None,
        ": the jump needs 5 bytes and only 3 are free",
    );
    let fixture = Fixture::new(&[("f3 0f 1e fa", "endbr64"), ("c3", "ret")]);
    let refusal = fixture.refusal(Strategy::JumpIntoPadding);
    assert_refusal(
        refusal,
        4,
        None,
        ", at +4: the jump needs 5 bytes and only 1 are free",
    );
    let refusal = fixture.refusal(Strategy::ShortJump);
    assert_refusal(
        refusal,
        4,
        None,
        ", at +4: the jump needs 2 bytes and only 1 are free",
    );
}

#[test]
fn a_short_jump_without_padding_to_lead_to() {
    let refusal =
        Fixture::new(&[("31 c0", "xor eax, eax"), ("c3", "ret")]).refusal(Strategy::ShortJump);
    assert_refusal(refusal, 0, None, ": no padding in reach of a short jump");
}

#[test]
fn a_refusal_without_a_name_says_the_address() {
    let refusal = analysis_refusal("cc c3");
    assert_eq!(
        refusal.to_string(),
        "cannot patch the function at 0x555500001000, `int3` at +0: \
         a foreign breakpoint stands at the entry; \
         remove the breakpoint or uprobe first (gdb: `delete`), then patch"
    );
}

#[test]
fn every_reason_has_words_and_a_remedy() {
    let by = TargetAddress::new(AT);
    for (reason, words) in [
        (
            Reason::Modified {
                found: 0xe9,
                expected: 0x55,
            },
            "the code was changed by someone else (byte 0xe9, in the file 0x55)",
        ),
        (
            Reason::NoMemoryInReach,
            "no memory to be had where the jump can lead",
        ),
        (
            Reason::Taken { by },
            "the bytes belong to the patch of the function at 0x555500001000",
        ),
        (Reason::NotMapped, "nothing is mapped there"),
        (Reason::NotCode, "it is not executable"),
        (
            Reason::InsideFunction { start: by },
            "it is inside of the function that starts at 0x555500001000",
        ),
        (
            Reason::Unwritable {
                why: String::from("EACCES"),
            },
            "the code cannot be written: EACCES",
        ),
    ] {
        assert_eq!(reason.to_string(), words);
        assert!(!reason.remedy().is_empty(), "{words}");
    }
}
