//! Gates that choose.

mod common;

use common::{AT, Assembly, assemble};
use midair_arch::x86_64::choice::{
    BY_DISPATCHER, BY_EPOCH, CONTEXT_BEHIND, RED_ZONE, by_dispatcher, by_epoch,
};

#[test]
fn a_choice_by_epoch_keeps_registers_flags_and_the_red_zone() {
    let code = by_epoch(0x1111, 0x2222, 0x3333);
    let assembly: &Assembly = &[
        ("48 8d 64 24 80", "lea rsp, [rsp-0x80]"),
        ("51", "push rcx"),
        ("48 8b 0d 23 00 00 00", "mov rcx, [0x555500001030]"),
        ("48 8b 09", "mov rcx, [rcx]"),
        ("e3 0f", "jrcxz 0x555500001021"),
        ("59", "pop rcx"),
        ("48 8d a4 24 80 00 00 00", "lea rsp, [rsp+0x80]"),
        ("ff 25 17 00 00 00", "jmp qword ptr [0x555500001038]"),
        ("59", "pop rcx"),
        ("48 8d a4 24 80 00 00 00", "lea rsp, [rsp+0x80]"),
        ("ff 25 10 00 00 00", "jmp qword ptr [0x555500001040]"),
    ];
    let bytes = assemble(AT, assembly);
    assert_eq!(bytes.len(), 0x30, "the data stand behind the code");
    assert_eq!(code.len(), BY_EPOCH);
    assert_eq!(code[..0x30], bytes);
    assert_eq!(
        words(&code[0x30..]),
        [0x1111, 0x3333, 0x2222],
        "epoch, new, old"
    );
}

#[test]
fn a_choice_by_dispatcher_calls_it_below_the_red_zone() {
    let code = by_dispatcher(0x1111, 0x2222);
    let assembly: &Assembly = &[
        ("48 8d 64 24 80", "lea rsp, [rsp-0x80]"),
        ("ff 15 05 00 00 00", "call qword ptr [0x555500001010]"),
    ];
    let bytes = assemble(AT, assembly);
    assert_eq!(RED_ZONE, 0x80);
    assert_eq!(code.len(), BY_DISPATCHER);
    assert_eq!(code[..bytes.len()], bytes);
    assert_eq!(words(&code[0x10..]), [0x1111, 0x2222]);
    assert_eq!(bytes.len() + CONTEXT_BEHIND, 0x18, "the context");
}

fn words(bytes: &[u8]) -> Vec<u64> {
    let (words, rest) = bytes.as_chunks::<8>();
    assert_eq!(rest, []);
    words.iter().copied().map(u64::from_le_bytes).collect()
}
