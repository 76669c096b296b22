//! Operands relative to RIP, in and out of reach; and instructions that have
//! none.

mod common;

use common::{AT, FAR, NEAR, assert_copy, refused};
use midair_arch::Reason;

/// Checks the copy of one instruction, apart from the jump back.
#[track_caller]
fn assert_instruction(
    original: (&'static str, &'static str),
    to: u64,
    expected: &[(&'static str, &'static str)],
) {
    let copy = common::relocated(&[original], to).unwrap_or_else(|refusal| panic!("{refusal}"));
    let back = if to == NEAR { 5 } else { 14 };
    common::assert_listing(&copy.bytes[..copy.bytes.len() - back], to, expected);
}

/// Checks the far copy of an instruction that needs a scratch register.
#[track_caller]
fn assert_scratch(
    original: (&'static str, &'static str),
    push: (&'static str, &'static str),
    address: (&'static str, &'static str),
    instruction: (&'static str, &'static str),
    pop: (&'static str, &'static str),
) {
    let expected = [
        ("48 8d a4 24 80 ff ff ff", "lea rsp, [rsp-0x80]"), // the red zone stays
        push,
        address,
        instruction,
        pop,
        ("48 8d a4 24 80 00 00 00", "lea rsp, [rsp+0x80]"),
    ];
    assert_instruction(original, FAR, &expected);
}

const PUSH_RAX: (&str, &str) = ("50", "push rax");
const POP_RAX: (&str, &str) = ("58", "pop rax");
const PUSH_RCX: (&str, &str) = ("51", "push rcx");
const POP_RCX: (&str, &str) = ("59", "pop rcx");
const RAX_IS_OPERAND: (&str, &str) = ("48 b8 10 10 00 00 55 55 00 00", "mov rax, 0x555500001010");
const RCX_IS_OPERAND: (&str, &str) = ("48 b9 10 10 00 00 55 55 00 00", "mov rcx, 0x555500001010");

#[test]
fn an_operand_in_reach_gets_another_displacement() {
    assert_instruction(
        ("48 8b 05 09 00 00 00", "mov rax, [0x555500001010]"),
        NEAR,
        &[("48 8b 05 09 10 f0 ff", "mov rax, [0x555500001010]")],
    );
}

#[test]
fn a_displacement_counts_from_behind_the_immediate() {
    assert_instruction(
        ("80 3d 09 00 00 00 00", "cmp byte ptr [0x555500001010], 0"),
        NEAR,
        &[("80 3d 09 10 f0 ff 00", "cmp byte ptr [0x555500001010], 0")],
    );
    assert_instruction(
        (
            "48 c7 05 05 00 00 00 78 56 34 12",
            "mov qword ptr [0x555500001010], 0x12345678",
        ),
        NEAR,
        &[(
            "48 c7 05 05 10 f0 ff 78 56 34 12",
            "mov qword ptr [0x555500001010], 0x12345678",
        )],
    );
}

#[test]
fn a_displacement_of_more_than_two_gigabytes_is_out_of_reach() {
    let load = ("8b 05 0a 00 00 00", "mov eax, [0x555500001010]");
    let last = AT + 16 - 6 + 0x8000_0000; // the displacement is -2^31
    let copy = |to| {
        common::relocated(&[load], to)
            .unwrap_or_else(|refusal| panic!("{refusal}"))
            .bytes
    };
    assert_eq!(copy(last)[..6], [0x8b, 0x05, 0, 0, 0, 0x80]);
    assert_eq!(copy(last + 1)[..4], [0x48, 0x8d, 0xa4, 0x24], "lea rsp, …");
    let first = AT + 16 - 6 - 0x7fff_ffff;
    assert_eq!(copy(first)[..6], [0x8b, 0x05, 0xff, 0xff, 0xff, 0x7f]);
    assert_eq!(copy(first - 1)[..4], [0x48, 0x8d, 0xa4, 0x24], "lea rsp, …");
}

#[test]
fn the_address_of_an_operand_out_of_reach_is_moved_into_the_register() {
    assert_instruction(
        ("48 8d 05 09 00 00 00", "lea rax, [0x555500001010]"),
        FAR,
        &[("48 b8 10 10 00 00 55 55 00 00", "mov rax, 0x555500001010")],
    );
    assert_instruction(
        ("4c 8d 3d 09 00 00 00", "lea r15, [0x555500001010]"),
        FAR,
        &[("49 bf 10 10 00 00 55 55 00 00", "mov r15, 0x555500001010")],
    );
    // A register of 32 bits gets the lower half, and its upper half is cleared.
    assert_instruction(
        ("8d 05 0a 00 00 00", "lea eax, [0x555500001010]"),
        FAR,
        &[("b8 10 10 00 00", "mov eax, 0x1010")],
    );
    assert_instruction(
        ("44 8d 0d 09 00 00 00", "lea r9d, [0x555500001010]"),
        FAR,
        &[("41 b9 10 10 00 00", "mov r9d, 0x1010")],
    );
    let refusal = refused(&[("66 8d 05 09 00 00 00", "lea ax, [0x555500001010]")], FAR);
    assert_eq!(
        refusal.reason,
        Reason::OperandOutOfReach { operand: AT + 16 }
    );
}

#[test]
fn an_operand_out_of_reach_is_reached_through_a_scratch_register() {
    assert_scratch(
        ("8b 0d 0a 00 00 00", "mov ecx, [0x555500001010]"),
        PUSH_RAX,
        RAX_IS_OPERAND,
        ("8b 88 00 00 00 00", "mov ecx, [rax]"),
        POP_RAX,
    );
    assert_scratch(
        ("48 89 05 09 00 00 00", "mov [0x555500001010], rax"),
        PUSH_RCX,
        RCX_IS_OPERAND,
        ("48 89 81 00 00 00 00", "mov [rcx], rax"),
        POP_RCX,
    );
    assert_scratch(
        ("80 3d 09 00 00 00 07", "cmp byte ptr [0x555500001010], 7"),
        PUSH_RAX,
        RAX_IS_OPERAND,
        ("80 b8 00 00 00 00 07", "cmp byte ptr [rax], 7"),
        POP_RAX,
    );
    assert_scratch(
        (
            "f0 48 0f c1 0d 07 00 00 00",
            "lock xadd [0x555500001010], rcx",
        ),
        PUSH_RAX,
        RAX_IS_OPERAND,
        ("f0 48 0f c1 88 00 00 00 00", "lock xadd [rax], rcx"),
        POP_RAX,
    );
}

#[test]
fn registers_that_are_used_unseen_are_no_scratch_registers() {
    // rax, rbx, rcx and rdx
    assert_scratch(
        (
            "f0 48 0f c7 0d 07 00 00 00",
            "lock cmpxchg16b [0x555500001010]",
        ),
        ("56", "push rsi"),
        ("48 be 10 10 00 00 55 55 00 00", "mov rsi, 0x555500001010"),
        ("f0 48 0f c7 8e 00 00 00 00", "lock cmpxchg16b [rsi]"),
        ("5e", "pop rsi"),
    );
    // ah is a part of rax
    assert_scratch(
        ("88 25 0a 00 00 00", "mov [0x555500001010], ah"),
        PUSH_RCX,
        RCX_IS_OPERAND,
        ("88 a1 00 00 00 00", "mov [rcx], ah"),
        POP_RCX,
    );
    // rdx:rax
    assert_scratch(
        ("48 f7 25 09 00 00 00", "mul qword ptr [0x555500001010]"),
        PUSH_RCX,
        RCX_IS_OPERAND,
        ("48 f7 a1 00 00 00 00", "mul qword ptr [rcx]"),
        POP_RCX,
    );
}

#[test]
fn a_prefix_that_had_no_effect_on_the_operand_gets_none() {
    // REX.B means nothing beside RIP, and r8 beside a register.
    assert_scratch(
        ("49 8b 05 09 00 00 00", "mov rax, [0x555500001010]"),
        ("41 50", "push r8"),
        ("49 b8 10 10 00 00 55 55 00 00", "mov r8, 0x555500001010"),
        ("49 8b 80 00 00 00 00", "mov rax, [r8]"),
        ("41 58", "pop r8"),
    );
}

#[test]
fn a_segment_is_kept() {
    assert_scratch(
        ("64 48 8b 0d 08 00 00 00", "mov rcx, fs:[0x555500001010]"),
        PUSH_RAX,
        RAX_IS_OPERAND,
        ("64 48 8b 88 00 00 00 00", "mov rcx, fs:[rax]"),
        POP_RAX,
    );
}

#[test]
fn vex_evex_and_xop_fields_are_kept() {
    assert_scratch(
        (
            "c5 e9 ef 0d 08 00 00 00",
            "vpxor xmm1, xmm2, [0x555500001010]",
        ),
        PUSH_RAX,
        RAX_IS_OPERAND,
        ("c5 e9 ef 88 00 00 00 00", "vpxor xmm1, xmm2, [rax]"),
        POP_RAX,
    );
    assert_scratch(
        (
            "c4 e3 71 0f 15 06 00 00 00 08",
            "vpalignr xmm2, xmm1, [0x555500001010], 8",
        ),
        PUSH_RAX,
        RAX_IS_OPERAND,
        (
            "c4 e3 71 0f 90 00 00 00 00 08",
            "vpalignr xmm2, xmm1, [rax], 8",
        ),
        POP_RAX,
    );
    assert_scratch(
        (
            "62 f1 6d 58 fe 0d 06 00 00 00",
            "vpaddd zmm1, zmm2, [0x555500001010]{1to16}",
        ),
        PUSH_RAX,
        RAX_IS_OPERAND,
        (
            "62 f1 6d 58 fe 88 00 00 00 00",
            "vpaddd zmm1, zmm2, [rax]{1to16}",
        ),
        POP_RAX,
    );
    assert_scratch(
        (
            "8f e8 78 c0 05 06 00 00 00 07",
            "vprotb xmm0, [0x555500001010], 7",
        ),
        PUSH_RAX,
        RAX_IS_OPERAND,
        ("8f e8 78 c0 80 00 00 00 00 07", "vprotb xmm0, [rax], 7"),
        POP_RAX,
    );
}

#[test]
fn an_instruction_that_uses_the_stack_pointer_cannot_be_moved_out_of_reach() {
    for original in [
        ("8f 05 0a 00 00 00", "pop qword ptr [0x555500001010]"),
        ("48 89 25 09 00 00 00", "mov [0x555500001010], rsp"),
        ("48 03 25 09 00 00 00", "add rsp, [0x555500001010]"),
        ("66 ff 35 09 00 00 00", "push word ptr [0x555500001010]"),
        ("64 ff 35 09 00 00 00", "push qword ptr fs:[0x555500001010]"),
    ] {
        let refusal = refused(&[original], FAR);
        assert_eq!(
            refusal.reason,
            Reason::OperandOutOfReach { operand: AT + 16 }
        );
        assert_eq!(refusal.instruction.as_deref(), Some(original.1));
    }
}

#[test]
fn a_push_out_of_reach_keeps_what_is_below_it() {
    assert_instruction(
        ("ff 35 0a 00 00 00", "push qword ptr [0x555500001010]"),
        NEAR,
        &[("ff 35 0a 10 f0 ff", "push qword ptr [0x555500001010]")],
    );
    assert_instruction(
        ("ff 35 0a 00 00 00", "push qword ptr [0x555500001010]"),
        FAR,
        &[
            ("48 8d a4 24 78 ff ff ff", "lea rsp, [rsp-0x88]"),
            PUSH_RAX,
            RAX_IS_OPERAND,
            ("48 8b 00", "mov rax, [rax]"),
            ("48 89 84 24 88 00 00 00", "mov [rsp+0x88], rax"),
            POP_RAX,
            ("48 8d a4 24 80 00 00 00", "lea rsp, [rsp+0x80]"),
        ],
    );
}

#[test]
fn a_jump_through_memory_out_of_reach_keeps_all_registers() {
    let jump = [("ff 25 0a 00 00 00", "jmp qword ptr [0x555500001010]")];
    assert_copy(
        &jump,
        NEAR,
        &[("ff 25 0a 10 f0 ff", "jmp qword ptr [0x555500001010]")],
    );
    let expected = [
        ("48 8d a4 24 80 ff ff ff", "lea rsp, [rsp-0x80]"),
        PUSH_RAX,
        RAX_IS_OPERAND,
        ("48 8b 00", "mov rax, [rax]"),
        ("48 87 04 24", "xchg [rsp], rax"),
        ("c2 80 00", "ret 0x80"),
    ];
    assert_copy(&jump, FAR, &expected);
    // Prefixes that mean nothing here do not hinder it.
    assert_copy(
        &[(
            "3e ff 25 09 00 00 00",
            "notrack jmp qword ptr [0x555500001010]",
        )],
        FAR,
        &expected,
    );
}

#[test]
fn a_jump_through_memory_keeps_its_segment() {
    let jump = [("65 ff 25 09 00 00 00", "jmp qword ptr gs:[0x555500001010]")];
    assert_copy(
        &jump,
        NEAR,
        &[("65 ff 25 09 10 f0 ff", "jmp qword ptr gs:[0x555500001010]")],
    );
    let refusal = refused(&jump, FAR);
    assert_eq!(
        refusal.reason,
        Reason::OperandOutOfReach { operand: AT + 16 }
    );
}

#[test]
fn an_address_cut_to_32_bits_is_refused() {
    for original in [
        ("67 8b 05 09 00 00 00", "mov eax, [0x1010]"),
        ("67 48 8d 05 08 00 00 00", "lea rax, [0x1010]"),
        ("67 ff 25 09 00 00 00", "jmp qword ptr [0x1010]"),
        ("67 ff 15 09 00 00 00", "call qword ptr [0x1010]"),
    ] {
        let refusal = refused(&[original], NEAR);
        assert_eq!(refusal.reason, Reason::AddressSizeRip, "{}", original.1);
    }
}

#[test]
fn instructions_that_name_no_address_are_copied_as_they_are() {
    for original in [
        ("55", "push rbp"),
        ("48 89 e5", "mov rbp, rsp"),
        ("c8 10 00 00", "enter 0x10, 0"),
        ("c9", "leave"),
        ("f3 48 a5", "rep movsq [rdi], [rsi]"),
        ("f2 ae", "repne scasb [rdi]"),
        ("f3 0f 1e fa", "endbr64"),
        ("64 48 8b 04 25 28 00 00 00", "mov rax, fs:[0x28]"),
        (
            "48 a1 88 77 66 55 44 33 22 11",
            "mov rax, [0x1122334455667788]",
        ),
        ("cd 03", "int 3"),
        ("f3 90", "pause"),
        ("0f a2", "cpuid"),
        ("66 0f 1f 44 00 00", "nop [rax+rax]"),
    ] {
        assert_instruction(original, FAR, &[original]);
    }
}

#[test]
fn a_trap_for_the_unreachable_is_not_followed_by_a_jump() {
    for original in [("0f 0b", "ud2"), ("0f b9 c0", "ud1 eax, eax")] {
        assert_copy(&[original], FAR, &[original]);
    }
}
