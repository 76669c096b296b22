//! Every class of instruction that knows its own address, moved near and far.

mod arm;

use arm::{AT, BRANCH, FAR, NEAR, PAGE, assert_copy, refused};
use midair_arch::Reason;

#[test]
fn b() {
    let b = [(0x1400_0004, "b 0x555500001010")];
    assert_copy(&b, BRANCH, &["b 0x555500001010"]);
    assert_copy(
        &b,
        PAGE,
        &["adrp x16, 0x555500001000", "add x16, x16, #0x10", "ret x16"],
    );
    assert_copy(
        &b,
        FAR,
        &["mov x16, #0x1010", "movk x16, #0x5555, lsl #32", "ret x16"],
    );
}

#[test]
fn a_call_returns_to_the_original() {
    let bl = [(0x9400_0040, "bl 0x555500001100")];
    assert_copy(&bl, NEAR, &["adr x30, 0x555500001004", "b 0x555500001100"]);
    assert_copy(
        &bl,
        BRANCH,
        &[
            "adrp x30, 0x555500001000",
            "add x30, x30, #0x4",
            "b 0x555500001100",
        ],
    );
    let blr = [(0xd63f_0060, "blr x3")];
    assert_copy(&blr, NEAR, &["adr x30, 0x555500001004", "br x3"]);
    let through_x30 = [(0xd63f_03c0, "blr x30")];
    let expected = ["mov x16, x30", "adr x30, 0x555500001004", "br x16"];
    assert_copy(&through_x30, NEAR, &expected);
    let with_key = [(0xd73f_087e, "blraa x3, x30")];
    let expected = ["mov x16, x30", "adr x30, 0x555500001004", "braa x3, x16"];
    assert_copy(&with_key, NEAR, &expected);
    let without_key = [(0xd63f_087f, "blraaz x3")];
    assert_copy(&without_key, NEAR, &["adr x30, 0x555500001004", "braaz x3"]);
}

#[test]
fn conditional_branches() {
    let cases = [
        (0x5400_0040, "b.eq 0x555500001008", "b.ne"),
        (0x3400_0040, "cbz w0, 0x555500001008", "cbnz w0,"),
        (0xb500_0050, "cbnz x16, 0x555500001008", "cbz x16,"),
        (
            0x3628_0043,
            "tbz w3, #0x5, 0x555500001008",
            "tbnz w3, #0x5,",
        ),
    ];
    for (word, text, opposite) in cases {
        let back = "b 0x555500001004";
        let code = [(word, text)];
        if opposite.starts_with("tb") {
            assert_copy(&code, AT + 0x1000, &[text, back]);
        } else {
            assert_copy(&code, NEAR, &[text, back]);
        }
        let over = format!("{opposite} {:#x}", BRANCH + 8);
        assert_copy(&code, BRANCH, &[&over, "b 0x555500001008", back]);
    }
}

#[test]
fn b_al_always_branches() {
    let al = [(0x5400_004e, "b.al 0x555500001008")];
    assert_copy(&al, NEAR, &["b 0x555500001008", "b 0x555500001004"]);
}

#[test]
fn a_branch_between_displaced_instructions_stays_in_the_copy() {
    let code = [
        (0xd100_0421, "sub x1, x1, #0x1"),
        (0xb5ff_ffe1, "cbnz x1, 0x555500001000"),
    ];
    let copied = format!("cbnz x1, {BRANCH:#x}");
    assert_copy(
        &code,
        BRANCH,
        &["sub x1, x1, #0x1", &copied, "b 0x555500001008"],
    );
}

#[test]
fn addresses() {
    let adr = [(0x3000_0020, "adr x0, 0x555500001005")];
    assert_copy(&adr, NEAR, &["adr x0, 0x555500001005", "b 0x555500001004"]);
    let expected = [
        "adrp x0, 0x555500001000",
        "add x0, x0, #0x5",
        "b 0x555500001004",
    ];
    assert_copy(&adr, BRANCH, &expected);
    let adrp = [(0x9000_0001, "adrp x1, 0x555500001000")];
    assert_copy(
        &adrp,
        BRANCH,
        &["adrp x1, 0x555500001000", "b 0x555500001004"],
    );
}

#[test]
fn literals() {
    let back = "b 0x555500001004";
    for (word, text, base, load) in [
        (0x1800_0101, "ldr w1, 0x555500001020", 1, "ldr w1, [x1]"),
        (0x5800_0101, "ldr x1, 0x555500001020", 1, "ldr x1, [x1]"),
        (0x9800_0101, "ldrsw x1, 0x555500001020", 1, "ldrsw x1, [x1]"),
        (0x1c00_0101, "ldr s1, 0x555500001020", 16, "ldr s1, [x16]"),
        (0x5c00_0101, "ldr d1, 0x555500001020", 16, "ldr d1, [x16]"),
        (0x9c00_0101, "ldr q1, 0x555500001020", 16, "ldr q1, [x16]"),
        (0x5800_011f, "ldr xzr, 0x555500001020", 16, "ldr xzr, [x16]"),
    ] {
        let code = [(word, text)];
        assert_copy(&code, NEAR, &[text, back]);
        let adrp = format!("adrp x{base}, 0x555500001000");
        let add = format!("add x{base}, x{base}, #0x20");
        assert_copy(&code, BRANCH, &[&adrp, &add, load, back]);
    }
}

#[test]
fn veneers_take_the_register_that_is_free() {
    let code = [(0x9000_0010, "adrp x16, 0x555500001000")];
    let expected = [
        "mov x16, #0x1000",
        "movk x16, #0x5555, lsl #32",
        "mov x17, #0x1004",
        "movk x17, #0x5555, lsl #32",
        "ret x17",
    ];
    assert_copy(&code, FAR, &expected);
    let both = [(0xaa11_03f0, "mov x16, x17")];
    assert_copy(&both, BRANCH, &["mov x16, x17", "b 0x555500001004"]);
    assert_eq!(refused(&both, FAR).reason, Reason::NoFreeRegister);
}

#[test]
fn what_signs_with_its_own_address_is_refused() {
    for (word, text) in [(0xd503_24ff, "pacm"), (0x5500_001f, "retaasppc")] {
        let refusal = refused(&[(word, text)], NEAR);
        assert_eq!(refusal.reason, Reason::SignsOwnAddress);
        assert_eq!(refusal.instruction.as_deref(), Some(text));
        assert_eq!(refusal.offset, 0);
    }
}

#[test]
fn a_branch_that_is_not_known_is_refused() {
    let refusal = refused(&[(0x7400_0001, ".inst 0x74000001")], NEAR);
    assert_eq!(refusal.reason, Reason::UnknownBranch);
    assert!(
        refusal.to_string().contains("patch its callers"),
        "{refusal}"
    );
}

#[test]
fn signing_and_returns_stay_as_they_are() {
    for (word, text) in [(0xd503_23bf, "autiasp"), (0xd503_233f, "paciasp")] {
        assert_copy(&[(word, text)], NEAR, &[text, "b 0x555500001004"]);
    }
    assert_copy(&[(0xd65f_0bff, "retaa")], NEAR, &["retaa"]);
}
