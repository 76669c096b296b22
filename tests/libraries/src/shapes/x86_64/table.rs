//! The table of shapes: name, result, and what is special.
//!
//! The C meaning of each is in `fixtures/`, next to its instructions.

use super::meanings::{
    arms, c_big_frame, c_big_struct, c_big_struct_by_value, c_computed_goto, c_fetch, c_loop,
    c_many_arguments, c_recursive, c_scan, c_switch, doubles, low_half, low_nonzero, machine, plus,
    rax, recursive, triple, until_odd_parity,
};
use super::{R10_BEFORE, R11_BEFORE};
use crate::shapes::meanings::{
    CONSTANT, add, constant, do_while_loop, first, table, while_loop, xor,
};
use crate::shapes::{Caution, Needs, Shape, shape};

/// Every shape of the library.
pub const SHAPES: &[Shape] = &[
    // tiny.S
    shape("shape_1_nops", rax, "1 byte, nops behind").caution(Caution::ReadsScratch),
    shape("shape_1_int3", rax, "1 byte, int3 behind").caution(Caution::ReadsScratch),
    shape("shape_1_packed", rax, "1 byte, a function behind").caution(Caution::ReadsScratch),
    shape("shape_1_packed_next", add, "behind a function of 1 byte"),
    shape("shape_2_nops", rax, "2 bytes, nops behind").caution(Caution::ReadsScratch),
    shape("shape_2_int3", rax, "2 bytes, int3 behind").caution(Caution::ReadsScratch),
    shape("shape_2_packed", rax, "2 bytes, a function behind").caution(Caution::ReadsScratch),
    shape("shape_2_packed_next", add, "behind a function of 2 bytes"),
    shape("shape_3_nops", low_half, "3 bytes, nops behind"),
    shape("shape_3_int3", low_half, "3 bytes, int3 behind"),
    shape("shape_3_packed", low_half, "3 bytes, a function behind"),
    shape("shape_3_packed_next", add, "behind a function of 3 bytes"),
    shape("shape_4_nops", first, "4 bytes, nops behind"),
    shape("shape_4_int3", first, "4 bytes, int3 behind"),
    shape("shape_4_packed", first, "4 bytes, a function behind"),
    shape("shape_4_packed_next", add, "behind a function of 4 bytes"),
    shape("shape_5_packed", add, "5 bytes, a function behind"),
    shape("shape_5_packed_next", add, "behind a function of 5 bytes"),
    shape(
        "shape_2_ends_like_padding",
        xor,
        "2 bytes, eb cc, int3 behind",
    ),
    shape(
        "shape_ends_like_padding",
        add,
        "ends with eb cc, int3 behind",
    ),
    // branches.S
    shape("shape_jcc_first_short", add, "jcc rel8 at +0"),
    shape("shape_jcc_first_near", add, "jcc rel32 at +0"),
    shape("shape_jcc_second_short", low_nonzero, "jcc rel8 at +2"),
    shape("shape_jcc_second_near", low_nonzero, "jcc rel32 at +2"),
    shape("shape_jcc_hint_not_taken", low_nonzero, "2e jcc rel8 at +2"),
    shape("shape_jcc_hint_taken", low_nonzero, "3e jcc rel8 at +2"),
    shape("shape_jcc_hint_near", low_nonzero, "3e jcc rel32 at +2"),
    shape("shape_jcc_over_a_byte", add, "jcc at +0 to +3"),
    shape("shape_jcc_to_next", add, "jcc at +2 to +4"),
    shape("shape_jcc_to_entry", until_odd_parity, "jcc at +3 to +0"),
    shape(
        "shape_jcc_over_flag",
        |a, b| b.wrapping_add(u64::from(a as u32 != 0)),
        "jcc at +2 over an instruction that sets a flag",
    ),
    shape("shape_jmp_first_short", xor, "jmp rel8 at +0"),
    shape("shape_jmp_first_near", xor, "jmp rel32 at +0"),
    shape("shape_jmp_first_rex", xor, "48 jmp rel32 at +0"),
    shape("shape_jmp_first_bnd", xor, "f2 jmp rel32 at +0"),
    shape(
        "shape_tail_call",
        xor,
        "nothing but jmp rel32 to another function",
    ),
    shape("shape_xbegin_first", add, "xbegin at +0").needs(Needs::Rtm),
    // counted.S
    shape("shape_loop_first", add, "loop at +0"),
    shape("shape_loope_first", add, "loope at +0"),
    shape("shape_loopne_first", add, "loopne at +0"),
    shape("shape_jrcxz_first", add, "jrcxz at +0"),
    shape("shape_jecxz_first", add, "67 jecxz at +0"),
    shape(
        "shape_loop_second",
        |a, b| arms(b as u32 != 1, a, b),
        "loop at +2",
    ),
    shape(
        "shape_loop_ecx_second",
        |a, b| arms(b as u32 != 1, a, b),
        "67 loop at +3",
    ),
    shape(
        "shape_loope_third",
        |a, b| arms(b as u32 != 1 && a as u32 == 0, a, b),
        "loope at +4",
    ),
    shape(
        "shape_loopne_third",
        |a, b| arms(b as u32 != 1 && a as u32 != 0, a, b),
        "loopne at +4",
    ),
    shape(
        "shape_jrcxz_second",
        |a, b| arms(b == 0, a, b),
        "jrcxz at +3",
    ),
    shape(
        "shape_jecxz_second",
        |a, b| arms(b as u32 == 0, a, b),
        "67 jecxz at +3",
    ),
    shape("shape_jrcxz_over_a_byte", add, "jrcxz at +0 to +3"),
    shape("shape_jecxz_over_a_byte", add, "67 jecxz at +0 to +4"),
    shape("shape_jrcxz_to_next", add, "jrcxz at +2 to +4"),
    shape("shape_loop_to_itself", add, "loop at +3 to +3"),
    shape("shape_loope_to_itself", add, "loope at +3 to +3"),
    shape("shape_loopne_to_itself", add, "loopne at +3 to +3"),
    shape(
        "shape_loop_to_third",
        |a, b| a.wrapping_add(b.wrapping_mul(7)),
        "loop in the body to +3",
    ),
    // calls.S
    shape(
        "shape_get_pc",
        add,
        "call of the next instruction at +0, and pop",
    ),
    shape(
        "shape_get_pc_constant",
        constant,
        "the same, and a load relative to it",
    ),
    shape(
        "shape_get_pc_thunk",
        add,
        "call at +0 of what reads its return address",
    ),
    shape("shape_call_first", triple, "call rel32 at +0"),
    shape("shape_push_call", triple, "call rel32 at +1"),
    shape(
        "shape_call_memory_first",
        triple,
        "call through memory at +0",
    ),
    shape(
        "shape_call_register",
        triple,
        "a function's address at +1, called later",
    ),
    shape(
        "shape_jmp_memory_first",
        |a, _| a.wrapping_mul(3),
        "jmp through memory at +0",
    ),
    shape(
        "shape_call_callback",
        |a, b| plus(1, a, b),
        "call of a register at +4",
    )
    .driver("drive_call_callback"),
    shape(
        "shape_call_callback_early",
        |a, b| plus(1, a, b),
        "call through the stack at +3",
    )
    .driver("drive_call_callback_early"),
    shape(
        "shape_jmp_register",
        |a, b| plus(1, a, b),
        "jmp to a register at +3",
    )
    .driver("drive_jmp_register"),
    shape(
        "shape_jmp_register_notrack",
        |a, b| plus(1, a, b),
        "notrack jmp to a register at +3",
    )
    .driver("drive_jmp_register_notrack"),
    shape("shape_return_address", add, "returns its return address")
        .driver("drive_return_address")
        .caution(Caution::SeesCaller),
    // tables.S
    shape(
        "shape_table_relative",
        table,
        "jump table of 32-bit distances",
    ),
    shape(
        "shape_table_absolute",
        table,
        "jump table of 64-bit addresses",
    ),
    shape(
        "shape_table_relative_into_prologue",
        machine,
        "jump table of distances with targets +1 and +4",
    ),
    shape(
        "shape_table_absolute_into_prologue",
        machine,
        "jump table of addresses with targets +1 and +4",
    ),
    // edges.S
    shape(
        "shape_back_edge_0",
        while_loop,
        "jmp rel8 in the body to +0",
    ),
    shape(
        "shape_back_edge_0_pushes",
        |a, b| a.wrapping_mul((b & 7) + 1),
        "jcc in the body to +0 with more on the stack",
    )
    .driver("drive_back_edge_0_pushes")
    .caution(Caution::ReentersEntry),
    shape(
        "shape_back_edge_1",
        while_loop,
        "jmp rel8 in the body to +1",
    ),
    shape(
        "shape_back_edge_2",
        while_loop,
        "jmp rel32 in the body to +2",
    ),
    shape(
        "shape_back_edge_3",
        do_while_loop,
        "jcc rel8 in the body to +3",
    ),
    shape(
        "shape_back_edge_4",
        do_while_loop,
        "jcc rel32 in the body to +4",
    ),
    shape(
        "shape_split_into_prologue",
        |a, b| plus(b & 3, a, b - (b & 3)),
        "its cold part, a symbol elsewhere, jumps to +3",
    ),
    shape(
        "shape_split",
        |a, b| if a != 0 { add(a, b) } else { b.wrapping_mul(3) },
        "its cold part, a symbol elsewhere, jumps back later",
    ),
    shape(
        "shape_entered_by_another",
        add,
        "another function jumps to +3",
    ),
    shape(
        "shape_enters_another",
        |a, b| plus(1, a, b),
        "jumps to +3 of another function",
    ),
    shape(
        "shape_enters_entry",
        |a, b| plus(1, a, b),
        "jumps to +0 of another function",
    ),
    // landing.S
    shape("shape_endbr_body", add, "endbr64 and a frame"),
    shape("shape_endbr_ret_nops", rax, "endbr64 and ret, nops behind")
        .caution(Caution::ReadsScratch),
    shape("shape_endbr_ret_int3", rax, "endbr64 and ret, int3 behind")
        .caution(Caution::ReadsScratch),
    shape(
        "shape_endbr_ret_packed",
        rax,
        "endbr64 and ret, a function behind",
    )
    .caution(Caution::ReadsScratch),
    shape("shape_endbr_ret_packed_next", add, "behind endbr64 and ret"),
    shape("shape_endbr_jmp_short", xor, "endbr64 and jmp rel8"),
    shape("shape_endbr_jmp_near", xor, "endbr64 and jmp rel32"),
    shape("shape_endbr_jcc", low_nonzero, "endbr64, test, jcc rel8"),
    shape(
        "shape_endbr_rip_load",
        constant,
        "endbr64 and a rip-relative load",
    ),
    shape(
        "shape_endbr_get_pc",
        add,
        "endbr64, call of the next instruction, pop",
    ),
    shape(
        "shape_endbr_back_edge",
        while_loop,
        "endbr64, jmp rel8 in the body to +4",
    ),
    // frames.S
    shape(
        "shape_push_all",
        add,
        "the full prologue: rbp, r15 to r12, rbx",
    ),
    shape("shape_big_frame", add, "a frame of 64 KiB"),
    shape("shape_recursive", recursive, "calls itself"),
    shape(
        "shape_red_zone",
        |a, b| low_half(a, 0) + low_half(b, 0),
        "stores in the red zone at +0 and +4",
    ),
    shape(
        "shape_red_zone_rip_load",
        |a, b| plus(CONSTANT, low_half(a, 0), b),
        "a store in the red zone, then a rip-relative load at +4",
    ),
    shape("shape_red_zone_full", add, "both ends of the red zone"),
    shape(
        "shape_flags_live",
        |a, b| a.max(b),
        "flags of +0 used at +6",
    ),
    shape(
        "shape_flags_live_rip_load",
        |a, b| CONSTANT + u64::from(a < b),
        "flags of +0 used behind a rip-relative load at +3",
    ),
    shape(
        "shape_flags_live_test",
        |a, b| if a != 0 { b } else { 1 },
        "flags of +0 used at +6, a push at +3",
    ),
    shape("shape_reads_r10", |_, _| R10_BEFORE, "returns r10").caution(Caution::ReadsScratch),
    shape("shape_reads_r11", |_, _| R11_BEFORE, "returns r11").caution(Caution::ReadsScratch),
    shape("shape_variadic", doubles, "variadic: branches on al at +2").driver("drive_variadic"),
    shape("shape_fs_load", add, "a load relative to fs at +0"),
    shape(
        "shape_long_first",
        |a, _| a.wrapping_add(CONSTANT),
        "one instruction of ten bytes at +0",
    ),
    shape("shape_nop_first", add, "a nop of eleven bytes at +0"),
    // places.S
    shape(
        "shape_at_8_boundary",
        add,
        "across 8 bytes, several instructions",
    ),
    shape(
        "shape_at_16_boundary",
        add,
        "across 16 bytes, several instructions",
    ),
    shape(
        "shape_at_line_boundary",
        add,
        "across a cache line, several instructions",
    ),
    shape(
        "shape_at_line_boundary_one",
        |a, _| a.wrapping_add(CONSTANT),
        "across a cache line, one instruction",
    ),
    shape(
        "shape_at_page_boundary",
        add,
        "across a page, several instructions",
    ),
    shape(
        "shape_at_page_boundary_one",
        |a, _| a.wrapping_add(CONSTANT),
        "across a page, one instruction",
    ),
    // rip.S
    shape("shape_rip_load", constant, "mov rax, [rip]"),
    shape(
        "shape_rip_load_32",
        |a, b| plus(0x5566_7788, a, b),
        "mov eax, [rip]",
    ),
    shape("shape_rip_load_argument", constant, "add rdi, [rip]"),
    shape("shape_rip_lea", constant, "lea rax, [rip]"),
    shape(
        "shape_rip_movzx",
        |a, b| plus(0x88, a, b),
        "movzx eax, byte [rip]",
    ),
    shape(
        "shape_rip_movsxd",
        |a, b| plus(-7_i64 as u64, a, b),
        "movsxd rax, [rip]",
    ),
    shape("shape_rip_push", constant, "push [rip]"),
    shape(
        "shape_rip_imul",
        |a, b| plus(CONSTANT.wrapping_mul(1000), a, b),
        "imul rax, [rip], imm32",
    ),
    shape("shape_rip_bt", |a, b| plus(1, a, b), "bt [rip], imm8"),
    shape("shape_rip_movsd", constant, "movsd xmm0, [rip]"),
    shape("shape_rip_movaps", constant, "movaps xmm0, [rip]"),
    shape("shape_rip_vmovdqu", constant, "vmovdqu ymm0, [rip]").needs(Needs::Avx),
    shape(
        "shape_rip_vpshufd",
        |a, b| plus(0x0102_0304_0506_0708, a, b),
        "vpshufd xmm0, [rip], imm8",
    )
    .needs(Needs::Avx),
    shape("shape_rip_vmovdqu64", constant, "vmovdqu64 zmm0, [rip]").needs(Needs::Avx512f),
    shape(
        "shape_rip_valignq",
        constant,
        "valignq zmm17, zmm17, [rip], imm8",
    )
    .needs(Needs::Avx512f),
    shape("shape_rip_cmp_byte", add, "cmp byte [rip], imm8"),
    shape("shape_rip_cmp_imm8", add, "cmp dword [rip], imm8"),
    shape("shape_rip_cmp_imm16", add, "cmp word [rip], imm16"),
    shape("shape_rip_cmp_imm32", add, "cmp dword [rip], imm32"),
    shape("shape_rip_cmp_qword", add, "cmp qword [rip], imm8"),
    shape("shape_rip_test_imm8", add, "test byte [rip], imm8"),
    shape("shape_rip_test_imm32", add, "test dword [rip], imm32"),
    shape(
        "shape_rip_store_imm8",
        |a, b| plus(0x5a, a, b),
        "mov byte [rip], imm8",
    ),
    shape(
        "shape_rip_store_imm32",
        |a, b| plus(0x5eed, a, b),
        "mov dword [rip], imm32",
    ),
    shape("shape_rip_store", add, "mov [rip], rdi").caution(Caution::SharedState),
    shape("shape_rip_store_rsp", add, "mov [rip], rsp").caution(Caution::SharedState),
    shape("shape_rip_pop", add, "pop [rip] at +1").caution(Caution::SharedState),
    shape("shape_rip_xchg", add, "xchg [rip], rdi").caution(Caution::SharedState),
    shape("shape_rip_lock_add", constant, "lock add [rip], rdi").caution(Caution::SharedState),
    shape("shape_rip_cmpxchg", constant, "cmpxchg [rip], rsi"),
    shape(
        "shape_rip_lock_cmpxchg",
        constant,
        "lock cmpxchg [rip], rsi",
    ),
    shape(
        "shape_rip_lock_cmpxchg16b",
        |a, b| plus(CONSTANT + 1, a, b),
        "lock cmpxchg16b [rip]",
    )
    .needs(Needs::Cmpxchg16b),
    // compiled.c
    shape("shape_c_switch", c_switch, "a switch with a jump table"),
    shape(
        "shape_c_fetch",
        c_fetch,
        "a loop around a switch, its head at +4 or near",
    )
    .driver("drive_c_fetch"),
    shape("shape_c_loop", c_loop, "a loop with its head at +3 or near"),
    shape("shape_c_scan", c_scan, "a loop with its head at +2 or near").driver("drive_c_scan"),
    shape(
        "shape_c_computed_goto",
        c_computed_goto,
        "a jump table that is data",
    ),
    shape("shape_c_recursive", c_recursive, "calls itself twice"),
    shape("shape_c_big_frame", c_big_frame, "a frame of 20,000 bytes"),
    shape(
        "shape_c_variadic",
        |a, b| doubles(a, b) + 55,
        "variadic, as compiled",
    )
    .driver("drive_c_variadic"),
    shape(
        "shape_c_many_arguments",
        c_many_arguments,
        "four arguments on the stack",
    )
    .driver("drive_c_many_arguments"),
    shape(
        "shape_c_big_struct",
        c_big_struct,
        "returns through a hidden pointer",
    )
    .driver("drive_c_big_struct"),
    shape(
        "shape_c_big_struct_by_value",
        c_big_struct_by_value,
        "a struct on the stack and a hidden pointer",
    )
    .driver("drive_c_big_struct_by_value"),
    shape(
        "shape_c_doubles",
        |a, b| (a & 0xffff) * 2 + (b & 0xffff),
        "doubles in and out",
    )
    .driver("drive_c_doubles"),
];
