//! The table of shapes: name, result, and what is special.
//!
//! The instructions are in `fixtures/aarch64/`.

use crate::shapes::meanings::{add, constant, do_while_loop, first, table, while_loop, xor};
use crate::shapes::{Caution, Shape, shape};

fn word(a: u64, b: u64) -> u64 {
    add(a, b).wrapping_add(0x89ab_cdef)
}

fn less_two(a: u64, b: u64) -> u64 {
    add(a, b).wrapping_sub(2)
}

/// `add` or `xor`.
fn arms(adds: bool, a: u64, b: u64) -> u64 {
    if adds { add(a, b) } else { xor(a, b) }
}

fn low_nonzero(a: u64, b: u64) -> u64 {
    arms(a as u32 != 0, a, b)
}

fn bit_3(a: u64, b: u64) -> u64 {
    arms(a & 8 != 0, a, b)
}

fn bit_63(a: u64, b: u64) -> u64 {
    arms(a >> 63 == 0, a, b)
}

fn until_bit_2(mut a: u64, mut b: u64) -> u64 {
    loop {
        a = a.wrapping_add(3);
        b = b.wrapping_sub(1);
        if b & 4 != 0 {
            return add(a, b);
        }
    }
}

/// Every shape.
pub const SHAPES: &[Shape] = &[
    shape("shape_bti", add, "a landing pad, which stays"),
    shape("shape_bti_frame", add, "a landing pad, a frame and a call"),
    shape(
        "shape_paciasp",
        add,
        "a landing pad that signs the return address",
    ),
    shape("shape_pacibsp", add, "the same with the other key"),
    shape("shape_sub_sp", add, "the stack pointer is lowered first"),
    shape(
        "shape_saves_others",
        add,
        "a frame without a return address",
    ),
    shape("shape_adrp", constant, "`adrp` first"),
    shape("shape_adr", constant, "`adr` first"),
    shape("shape_ldr_literal", constant, "`ldr x` of a literal"),
    shape("shape_ldr_w_literal", word, "`ldr w` of a literal"),
    shape("shape_ldrsw_literal", less_two, "`ldrsw` of a literal"),
    shape("shape_ldr_d_literal", constant, "`ldr d` of a literal"),
    shape("shape_ldr_q_literal", constant, "`ldr q` of a literal"),
    shape("shape_prfm_literal", add, "`prfm` of a literal"),
    shape("shape_cbz", low_nonzero, "`cbz` first"),
    shape("shape_cbnz", low_nonzero, "`cbnz` first"),
    shape("shape_tbz", bit_3, "`tbz` first"),
    shape("shape_tbnz", bit_63, "`tbnz` first"),
    shape("shape_b", xor, "`b` first"),
    shape(
        "shape_b_tail",
        add,
        "a call in tail position and nothing else",
    ),
    shape(
        "shape_loop_to_entry",
        do_while_loop,
        "`b.cond` back to the entry",
    ),
    shape("shape_loop_of_cbz", while_loop, "`b` back to the entry"),
    shape("shape_loop_of_tbz", until_bit_2, "`tbz` back to the entry"),
    shape("shape_ret", first, "`ret` and nothing else"),
    shape("shape_one_and_ret", xor, "two instructions"),
    shape(
        "shape_nop",
        add,
        "`nop`, which may be exchanged at any time",
    ),
    shape("shape_bl", add, "`bl` first")
        .driver("drive_bl")
        .caution(Caution::ReadsScratch),
    shape("shape_blr", add, "`blr` first")
        .driver("drive_blr")
        .caution(Caution::ReadsScratch),
    shape("shape_blr_x30", add, "`blr x30` first")
        .driver("drive_blr_x30")
        .caution(Caution::ReadsScratch),
    shape(
        "shape_ldxr",
        add,
        "a sequence of exclusives from the entry on",
    )
    .driver("drive_ldxr"),
    shape("shape_reads_x16", add, "x16 is read: x17 has to serve")
        .driver("drive_reads_x16")
        .caution(Caution::ReadsScratch),
    shape("shape_table", table, "a jump table"),
];
