//! What counts as padding between functions.

mod common;

use common::hex;
use midair_arch::x86_64::is_padding;

#[track_caller]
fn assert_padding(bytes: &str) {
    assert!(is_padding(&hex(bytes)), "{bytes} is padding");
}

#[track_caller]
fn assert_no_padding(bytes: &str) {
    assert!(!is_padding(&hex(bytes)), "{bytes} is no padding");
}

#[test]
fn nops_of_every_length_are_padding() {
    for nop in [
        "90",                            // nop
        "66 90",                         // xchg ax,ax
        "0f 1f 00",                      // nop dword ptr [rax]
        "0f 1f 40 00",                   // nop dword ptr [rax+0]
        "0f 1f 44 00 00",                // nop dword ptr [rax+rax+0]
        "66 0f 1f 44 00 00",             // nop word ptr [rax+rax+0]
        "0f 1f 80 00 00 00 00",          // nop dword ptr [rax+0]
        "0f 1f 84 00 00 00 00 00",       // nop dword ptr [rax+rax+0]
        "66 0f 1f 84 00 00 00 00 00",    // nop word ptr [rax+rax+0]
        "66 2e 0f 1f 84 00 00 00 00 00", // nop word ptr cs:[rax+rax+0]
        "66 66 2e 0f 1f 84 00 00 00 00 00",
        "66 66 66 66 66 2e 0f 1f 84 00 00 00 00 00",
    ] {
        assert_padding(nop);
        assert_padding(&format!("{nop} {nop}"));
        assert_padding(&format!("cc {nop} cc"));
    }
}

#[test]
fn breakpoints_are_padding() {
    assert_padding("cc");
    assert_padding("cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc");
}

#[test]
fn no_bytes_are_padding_of_no_bytes() {
    assert_padding("");
}

#[test]
fn zeros_are_not_padding_since_tables_are_full_of_them() {
    assert_no_padding("00 00 00 00 00 00 00 00");
    assert_no_padding("cc cc cc 00");
}

#[test]
fn half_a_nop_is_not_padding() {
    assert_no_padding("0f 1f");
    assert_no_padding("90 0f 1f 44 00"); // nop; nop dword ptr [rax+rax+…
    assert_no_padding("66");
}

#[test]
fn instructions_that_do_something_are_not_padding() {
    assert_no_padding("f3 90"); // pause
    assert_no_padding("41 90"); // xchg r8d,eax
    assert_no_padding("87 c0"); // xchg eax,eax clears the upper half
    assert_no_padding("f4"); // hlt
    assert_no_padding("c3"); // ret
    assert_no_padding("f3 0f 1e fa"); // endbr64 is where a function begins
    assert_no_padding("90 90 90 c3 90"); // a function that nobody knows of
    assert_no_padding("cd 03"); // int 3
}
