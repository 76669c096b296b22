//! Direct branches, in and out of reach of the copy.

mod common;

use common::{AT, FAR, NEAR, assert_copy, assert_listing, hex, moved, refused, relocated};
use midair_arch::x86_64::{Displaced, relocate};
use midair_arch::{CopyAddress, Reason, TargetAddress};

#[test]
fn a_short_jump_becomes_a_near_one() {
    assert_copy(
        &[("eb 0e", "jmp short 0x555500001010")],
        NEAR,
        &[("e9 0b 10 f0 ff", "jmp 0x555500001010")],
    );
}

#[test]
fn a_jump_out_of_reach_becomes_absolute() {
    let expected = [
        ("ff 25 00 00 00 00", "jmp qword ptr [0x7fff00000006]"),
        ("10 10 00 00 55 55 00 00", "-> 0x555500001010"),
    ];
    assert_copy(&[("eb 0e", "jmp short 0x555500001010")], FAR, &expected);
    assert_copy(&[("e9 0b 00 00 00", "jmp 0x555500001010")], FAR, &expected);
}

#[test]
fn a_jump_ends_the_copy_which_does_not_lead_back() {
    let copy = relocated(&[("e9 0b 00 00 00", "jmp 0x555500001010")], NEAR);
    assert_eq!(copy.map(|copy| copy.bytes.len()), Ok(5));
}

#[test]
fn a_conditional_jump_is_copied_in_its_near_form() {
    let expected = [
        ("0f 84 0a 10 f0 ff", "je 0x555500001010"),
        ("e9 f7 0f f0 ff", "jmp 0x555500001002"),
    ];
    assert_copy(&[("74 0e", "je short 0x555500001010")], NEAR, &expected);
    assert_copy(
        &[("0f 84 0a 00 00 00", "je 0x555500001010")],
        NEAR,
        &[
            ("0f 84 0a 10 f0 ff", "je 0x555500001010"),
            ("e9 fb 0f f0 ff", "jmp 0x555500001006"),
        ],
    );
}

#[test]
fn a_conditional_jump_out_of_reach_is_inverted_over_an_absolute_one() {
    assert_copy(
        &[("74 0e", "je short 0x555500001010")],
        FAR,
        &[
            ("75 0e", "jne short 0x7fff00000010"),
            ("ff 25 00 00 00 00", "jmp qword ptr [0x7fff00000008]"),
            ("10 10 00 00 55 55 00 00", "-> 0x555500001010"),
            ("ff 25 00 00 00 00", "jmp qword ptr [0x7fff00000016]"),
            ("02 10 00 00 55 55 00 00", "-> 0x555500001002"),
        ],
    );
}

#[test]
fn every_condition_keeps_its_meaning() {
    for condition in 0..16 {
        for code in [
            vec![0x70 | condition, 0x0e],
            vec![0x0f, 0x80 | condition, 0x0a, 0, 0, 0],
        ] {
            let at = TargetAddress::new(AT);
            let displaced = Displaced::decode(&code, at, code.len());
            let copied = |to| {
                relocate(
                    at,
                    &displaced,
                    at.plus(code.len() as u64),
                    CopyAddress::new(to),
                )
                .unwrap_or_else(|refusal| panic!("{refusal}"))
                .bytes
            };
            assert_eq!(
                copied(NEAR)[..2],
                [0x0f, 0x80 | condition],
                "near copy of {code:02x?}"
            );
            assert_eq!(
                copied(FAR)[..2],
                [0x70 | (condition ^ 1), 14],
                "far copy of {code:02x?}"
            );
        }
    }
}

#[test]
fn hints_and_bounds_prefixes_are_dropped() {
    for original in [
        ("2e 74 0d", "hint-not-taken je short 0x555500001010"),
        ("3e 74 0d", "hint-taken je short 0x555500001010"),
    ] {
        assert_copy(
            &[original],
            NEAR,
            &[
                ("0f 84 0a 10 f0 ff", "je 0x555500001010"),
                ("e9 f8 0f f0 ff", "jmp 0x555500001003"),
            ],
        );
    }
    assert_copy(
        &[("f2 eb 0d", "jmp short 0x555500001010")],
        NEAR,
        &[("e9 0b 10 f0 ff", "jmp 0x555500001010")],
    );
}

#[test]
fn loops_lead_over_a_short_jump() {
    for (opcode, name) in [
        ("e0", "loopne"),
        ("e1", "loope"),
        ("e2", "loop"),
        ("e3", "jrcxz"),
    ] {
        let code = hex(&format!("{opcode} 0e"));
        let at = TargetAddress::new(AT);
        let displaced = Displaced::decode(&code, at, code.len());
        let copied = |to| {
            relocate(at, &displaced, at.plus(2), CopyAddress::new(to))
                .unwrap_or_else(|refusal| panic!("{refusal}"))
                .bytes
        };
        let near = common::listing(&copied(NEAR), NEAR);
        let texts: Vec<&str> = near.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(
            texts,
            [
                format!("{name} 0x555500100004").as_str(),
                "jmp short 0x555500100009",
                "jmp 0x555500001010",
                "jmp 0x555500001002",
            ]
        );
        let far = common::listing(&copied(FAR), FAR);
        let texts: Vec<&str> = far.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(
            texts,
            [
                format!("{name} 0x7fff00000004").as_str(),
                "jmp short 0x7fff00000012",
                "jmp qword ptr [0x7fff0000000a]",
                "-> 0x555500001010",
                "jmp qword ptr [0x7fff00000018]",
                "-> 0x555500001002",
            ]
        );
    }
}

#[test]
fn loops_that_count_in_ecx_still_do() {
    assert_copy(
        &[("67 e3 0d", "jecxz 0x555500001010")],
        NEAR,
        &[
            ("67 e3 02", "jecxz 0x555500100005"),
            ("eb 05", "jmp short 0x55550010000a"),
            ("e9 06 10 f0 ff", "jmp 0x555500001010"),
            ("e9 f4 0f f0 ff", "jmp 0x555500001003"),
        ],
    );
    // The prefix has an effect wherever it stands; that of a segment has none.
    let copy = relocated(&[("3e 67 e2 0c", "addr32 loop 0x555500001010")], NEAR);
    let copy = copy.unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_eq!(copy.bytes[..3], [0x67, 0xe2, 0x02]);
}

#[test]
fn a_transaction_aborts_to_the_original_handler() {
    assert_copy(
        &[("c7 f8 0a 00 00 00", "xbegin 0x555500001010")],
        NEAR,
        &[
            ("c7 f8 0a 10 f0 ff", "xbegin 0x555500001010"),
            ("e9 fb 0f f0 ff", "jmp 0x555500001006"),
        ],
    );
    assert_copy(
        &[("c7 f8 0a 00 00 00", "xbegin 0x555500001010")],
        FAR,
        &[
            ("c7 f8 02 00 00 00", "xbegin 0x7fff00000008"),
            ("eb 0e", "jmp short 0x7fff00000016"),
            ("ff 25 00 00 00 00", "jmp qword ptr [0x7fff0000000e]"),
            ("10 10 00 00 55 55 00 00", "-> 0x555500001010"),
            ("ff 25 00 00 00 00", "jmp qword ptr [0x7fff0000001c]"),
            ("06 10 00 00 55 55 00 00", "-> 0x555500001006"),
        ],
    );
}

#[test]
fn a_transaction_with_a_16_bit_displacement_aborts_to_the_same_handler() {
    assert_copy(
        &[("66 c7 f8 0b 00", "xbegin 0x555500001010")],
        NEAR,
        &[
            ("c7 f8 0a 10 f0 ff", "xbegin 0x555500001010"),
            ("e9 fa 0f f0 ff", "jmp 0x555500001005"),
        ],
    );
}

#[test]
fn the_end_of_a_transaction_is_copied() {
    assert_copy(
        &[("c6 f8 07", "xabort 7"), ("0f 01 d5", "xend")],
        NEAR,
        &[
            ("c6 f8 07", "xabort 7"),
            ("0f 01 d5", "xend"),
            ("e9 fb 0f f0 ff", "jmp 0x555500001006"),
        ],
    );
}

#[test]
fn a_branch_to_a_displaced_instruction_stays_in_the_copy() {
    let original = [
        ("ff c8", "dec eax"),
        ("75 fc", "jne short 0x555500001000"),
        ("74 01", "je short 0x555500001007"),
        ("90", "nop"),
        ("c3", "ret"),
    ];
    let expected = |end: u64| {
        [
            (String::from("dec eax"), 2),
            (format!("jne {end:#x}"), 6),
            (format!("je {:#x}", end + 15), 6),
            (String::from("nop"), 1),
            (String::from("ret"), 1),
        ]
    };
    for to in [NEAR, FAR] {
        let copy = relocated(&original, to).unwrap_or_else(|refusal| panic!("{refusal}"));
        let found: Vec<(String, usize)> = common::listing(&copy.bytes, to)
            .into_iter()
            .map(|(bytes, text)| (text, hex(&bytes).len()))
            .collect();
        assert_eq!(found, expected(to));
        let starts: Vec<(u64, u32)> = copy
            .map
            .iter()
            .map(|(address, copy)| (address.get() - AT, *copy))
            .collect();
        assert_eq!(starts, [(0, 0), (2, 2), (4, 8), (6, 14), (7, 15)]);
    }
}

#[test]
fn a_loop_back_stays_in_the_copy_at_the_end_of_the_address_space_too() {
    let at = 0u64.wrapping_sub(4);
    let original = [
        ("ff c8", "dec eax"),
        ("75 fc", "jne short 0xfffffffffffffffc"),
        ("c3", "ret"),
    ];
    let copy = moved(at, &original, NEAR).unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_listing(
        &copy.bytes,
        NEAR,
        &[
            ("ff c8", "dec eax"),
            ("0f 85 f8 ff ff ff", "jne 0x555500100000"),
            ("c3", "ret"),
        ],
    );
}

#[test]
fn a_branch_into_a_displaced_instruction_is_refused() {
    // Over the lock prefix: glibc did that once.
    let refusal = refused(
        &[
            ("74 01", "je short 0x555500001003"),
            ("f0 0f b1 0f", "lock cmpxchg [rdi], ecx"),
        ],
        NEAR,
    );
    assert_eq!(refusal.reason, Reason::OverlappingCode { target: 3 });
    assert_eq!(refusal.offset, 3);
}

#[test]
fn a_branch_that_intel_and_amd_read_differently_is_refused() {
    for original in [
        ("66 e9 0a 00 00 00", "jmp 0x555500001010"), // AMD: jmp rel16; add
        ("66 eb 0d", "jmp short 0x555500001010"),    // AMD: cuts RIP to 16 bits
        ("66 74 0d", "je short 0x555500001010"),
        ("66 0f 84 09 00 00 00", "je 0x555500001010"),
        ("66 e2 0d", "loop 0x555500001010"),
        ("66 e8 0a 00 00 00", "call 0x555500001010"),
        ("66 ff d0", "call rax"),
        ("66 ff e0", "jmp rax"),
    ] {
        let refusal = refused(&[original], NEAR);
        assert_eq!(refusal.reason, Reason::OperandSizeBranch, "{}", original.1);
        assert_eq!(refusal.instruction.as_deref(), Some(original.1));
    }
}

#[test]
fn a_branch_whose_operand_size_rex_decides_is_copied() {
    // data16 data16 rex.W call, as thread-locals are reached
    assert_copy(
        &[("66 66 48 e8 08 00 00 00", "call 0x555500001010")],
        NEAR,
        &[
            ("68 08 10 00 00", "push 0x1008"),
            ("c7 44 24 04 55 55 00 00", "mov dword ptr [rsp+4], 0x5555"),
            ("e9 fe 0f f0 ff", "jmp 0x555500001010"),
            ("e9 f1 0f f0 ff", "jmp 0x555500001008"), // not reached
        ],
    );
}

#[test]
fn a_jump_through_a_register_is_copied_with_its_prefixes() {
    assert_copy(
        &[("3e 41 ff e3", "notrack jmp r11")],
        FAR,
        &[("3e 41 ff e3", "notrack jmp r11")],
    );
    assert_copy(
        &[("ff 64 c7 08", "jmp qword ptr [rdi+rax*8+8]")],
        FAR,
        &[("ff 64 c7 08", "jmp qword ptr [rdi+rax*8+8]")],
    );
}

#[test]
fn returns_are_copied() {
    for original in [
        ("c3", "ret"),
        ("c2 08 00", "ret 8"),
        ("f3 c3", "rep ret"),
        ("f2 c3", "bnd ret"),
    ] {
        assert_copy(&[original], FAR, &[original]);
    }
}
