//! Calls: the return address is the original's, whatever is called.

mod common;

use common::{AT, Assembly, FAR, NEAR, assert_copy, assert_listing, moved, refused};
use midair_arch::Reason;

/// What pushes the return address of a call that ends at AT+`end`.
macro_rules! push_return {
    ($low:literal, $text:literal) => {
        [
            ($low, $text),
            ("c7 44 24 04 55 55 00 00", "mov dword ptr [rsp+4], 0x5555"),
        ]
    };
}

#[track_caller]
fn assert_call(
    original: &Assembly,
    to: u64,
    push: [(&'static str, &'static str); 2],
    rest: &Assembly,
) {
    assert_copy(original, to, &[&push, rest].concat());
}

#[test]
fn a_direct_call_pushes_the_original_return_address() {
    let call = [("e8 0b 00 00 00", "call 0x555500001010")];
    let push = push_return!("68 05 10 00 00", "push 0x1005");
    assert_call(
        &call,
        NEAR,
        push,
        &[
            ("e9 fe 0f f0 ff", "jmp 0x555500001010"),
            ("e9 ee 0f f0 ff", "jmp 0x555500001005"), // not reached
        ],
    );
    assert_call(
        &call,
        FAR,
        push,
        &[
            ("ff 25 00 00 00 00", "jmp qword ptr [0x7fff00000013]"),
            ("10 10 00 00 55 55 00 00", "-> 0x555500001010"),
            ("ff 25 00 00 00 00", "jmp qword ptr [0x7fff00000021]"),
            ("05 10 00 00 55 55 00 00", "-> 0x555500001005"),
        ],
    );
}

#[test]
fn a_call_that_a_linker_has_relaxed_is_a_call() {
    // call [rip+…] of a function in the same module becomes addr32 call
    assert_call(
        &[("67 e8 0a 00 00 00", "call 0x555500001010")],
        NEAR,
        push_return!("68 06 10 00 00", "push 0x1006"),
        &[
            ("e9 fe 0f f0 ff", "jmp 0x555500001010"),
            ("e9 ef 0f f0 ff", "jmp 0x555500001006"),
        ],
    );
}

#[test]
fn a_return_address_that_a_push_extends_to_is_pushed_at_once() {
    for (at, to, push) in [
        (0x40_1000, 0x50_1000, ("68 05 10 40 00", "push 0x401005")),
        (
            0xffff_ffff_8100_0000,
            0xffff_ffff_8200_0000,
            ("68 05 00 00 81", "push 0xffffffff81000005"),
        ),
    ] {
        let target: &'static str = if at == 0x40_1000 {
            "call 0x401010"
        } else {
            "call 0xffffffff81000010"
        };
        let copy = moved(at, &[("e8 0b 00 00 00", target)], to)
            .unwrap_or_else(|refusal| panic!("{refusal}"));
        let found = common::listing(&copy.bytes, to);
        assert_eq!(found[0], (String::from(push.0), String::from(push.1)));
        assert!(found[1].1.starts_with("jmp "), "{found:?}");
    }
}

#[test]
fn a_return_address_that_a_push_would_extend_wrongly_gets_its_upper_half() {
    let at = 0x5555_8000_1000;
    let copy = moved(
        at,
        &[("e8 0b 00 00 00", "call 0x555580001010")],
        at + 0x1000,
    )
    .unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_listing(
        &copy.bytes[..13],
        at + 0x1000,
        &[
            ("68 05 10 00 80", "push 0xffffffff80001005"),
            ("c7 44 24 04 55 55 00 00", "mov dword ptr [rsp+4], 0x5555"),
        ],
    );
}

#[test]
fn a_call_of_the_next_instruction_goes_on_in_the_copy() {
    // Old position-independent code asks for its address like this.
    let original = [
        ("e8 00 00 00 00", "call 0x555500001005"),
        ("58", "pop rax"),
        ("c3", "ret"),
    ];
    let push = push_return!("68 05 10 00 00", "push 0x1005");
    let rest = [
        ("e9 00 00 00 00", "jmp 0x555500100012"),
        ("58", "pop rax"),
        ("c3", "ret"),
    ];
    assert_call(&original, NEAR, push, &rest);
}

#[test]
fn a_call_through_a_register_becomes_a_jump_through_it() {
    for (original, copy, end) in [
        (("ff d0", "call rax"), ("ff e0", "jmp rax"), "02"),
        (("41 ff d3", "call r11"), ("41 ff e3", "jmp r11"), "03"),
        (("48 ff d7", "call rdi"), ("48 ff e7", "jmp rdi"), "03"),
        (
            ("3e ff d0", "notrack call rax"),
            ("3e ff e0", "notrack jmp rax"),
            "03",
        ),
    ] {
        let found =
            common::relocated(&[original], FAR).unwrap_or_else(|refusal| panic!("{refusal}"));
        let found = common::listing(&found.bytes, FAR);
        assert_eq!(
            found[0].0,
            format!("68 {end} 10 00 00"),
            "pushes for {}",
            original.1
        );
        assert_eq!(found[2], (String::from(copy.0), String::from(copy.1)));
    }
}

#[test]
fn a_call_through_memory_becomes_a_jump_through_it() {
    for (original, copy) in [
        (
            ("ff 10", "call qword ptr [rax]"),
            ("ff 20", "jmp qword ptr [rax]"),
        ),
        (
            ("ff 57 ff", "call qword ptr [rdi-1]"),
            ("ff 67 ff", "jmp qword ptr [rdi-1]"),
        ),
        (
            ("ff 97 ff 00 00 00", "call qword ptr [rdi+0xff]"),
            ("ff a7 ff 00 00 00", "jmp qword ptr [rdi+0xff]"),
        ),
        (
            ("41 ff 54 c4 10", "call qword ptr [r12+rax*8+0x10]"),
            ("41 ff 64 c4 10", "jmp qword ptr [r12+rax*8+0x10]"),
        ),
        (
            ("64 ff 14 25 28 00 00 00", "call qword ptr fs:[0x28]"),
            ("64 ff 24 25 28 00 00 00", "jmp qword ptr fs:[0x28]"),
        ),
        (
            ("67 ff 10", "call qword ptr [eax]"),
            ("67 ff 20", "jmp qword ptr [eax]"),
        ),
    ] {
        let found =
            common::relocated(&[original], FAR).unwrap_or_else(|refusal| panic!("{refusal}"));
        let found = common::listing(&found.bytes, FAR);
        assert_eq!(found[2], (String::from(copy.0), String::from(copy.1)));
    }
}

#[test]
fn a_call_through_the_global_offset_table_reads_the_same_entry() {
    let call = [("ff 15 0a 00 00 00", "call qword ptr [0x555500001010]")];
    let push = push_return!("68 06 10 00 00", "push 0x1006");
    assert_call(
        &call,
        NEAR,
        push,
        &[
            ("ff 25 fd 0f f0 ff", "jmp qword ptr [0x555500001010]"),
            ("e9 ee 0f f0 ff", "jmp 0x555500001006"),
        ],
    );
    assert_call(
        &call,
        FAR,
        push,
        &[
            ("48 8d a4 24 80 ff ff ff", "lea rsp, [rsp-0x80]"),
            ("50", "push rax"),
            ("48 b8 10 10 00 00 55 55 00 00", "mov rax, 0x555500001010"),
            ("48 8b 00", "mov rax, [rax]"),
            ("48 87 04 24", "xchg [rsp], rax"),
            ("c2 80 00", "ret 0x80"),
            ("ff 25 00 00 00 00", "jmp qword ptr [0x7fff00000030]"),
            ("06 10 00 00 55 55 00 00", "-> 0x555500001006"),
        ],
    );
}

#[test]
fn a_call_relative_to_rip_keeps_its_segment() {
    let call = [("65 ff 15 09 00 00 00", "call qword ptr gs:[0x555500001010]")];
    assert_call(
        &call,
        NEAR,
        push_return!("68 07 10 00 00", "push 0x1007"),
        &[
            ("65 ff 25 fc 0f f0 ff", "jmp qword ptr gs:[0x555500001010]"),
            ("e9 ee 0f f0 ff", "jmp 0x555500001007"),
        ],
    );
    let refusal = refused(&call, FAR);
    assert_eq!(
        refusal.reason,
        Reason::OperandOutOfReach { operand: AT + 16 }
    );
}

#[test]
fn a_call_through_the_stack_pointer_is_refused() {
    for call in [
        ("ff d4", "call rsp"),
        ("ff 14 24", "call qword ptr [rsp]"),
        ("ff 54 24 08", "call qword ptr [rsp+8]"),
        ("ff 54 c4 08", "call qword ptr [rsp+rax*8+8]"),
        ("67 ff 14 24", "call qword ptr [esp]"),
    ] {
        let refusal = refused(&[call], NEAR);
        assert_eq!(refusal.reason, Reason::StackRelativeCall);
        assert_eq!(refusal.instruction.as_deref(), Some(call.1));
    }
}

#[test]
fn a_far_call_is_refused() {
    for call in [
        ("ff 18", "call far fword ptr [rax]"),
        ("48 ff 18", "call far tbyte ptr [rax]"),
        ("ff 1d 00 00 00 00", "call far fword ptr [0x555500001006]"),
        ("ff 28", "jmp far fword ptr [rax]"),
        ("ff 2d 00 00 00 00", "jmp far fword ptr [0x555500001006]"),
    ] {
        let refusal = refused(&[call], NEAR);
        assert_eq!(refusal.reason, Reason::FarBranch, "{}", call.1);
        assert_eq!(refusal.instruction.as_deref(), Some(call.1));
    }
}

#[test]
fn calls_of_the_kernel_are_copied() {
    for call in [
        ("0f 05", "syscall"),
        ("cd 80", "int 0x80"),
        ("0f 34", "sysenter"),
    ] {
        let copy = common::relocated(&[call], FAR).unwrap_or_else(|refusal| panic!("{refusal}"));
        let found = common::listing(&copy.bytes, FAR);
        assert_eq!(found[0], (String::from(call.0), String::from(call.1)));
        assert_eq!(found[2].1, "-> 0x555500001002", "and the copy leads back");
    }
}
