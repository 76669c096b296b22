//! Which jump fits, where it goes, and what it displaces.

mod arm;

use arm::{AT, Around, Assembly, BRANCH, FAR, analysis, best, rung};
use midair_arch::aarch64::{Maintenance as M, Scratch, disassemble, is_exchangeable, maintenance};
use midair_arch::{CopyAddress, Reason, Strategy};

const RET: (u32, &str) = (0xd65f_03c0, "ret");
const STP: (u32, &str) = (0xa9bf_7bfd, "stp x29, x30, [sp, #-0x10]!");
const BTI_C: (u32, &str) = (0xd503_245f, "bti c");
const PACIASP: (u32, &str) = (0xd503_233f, "paciasp");
const NOP: (u32, &str) = (0xd503_201f, "nop");

fn texts(bytes: &[u8], at: u64) -> Vec<String> {
    disassemble(bytes, at).into_iter().map(|l| l.text).collect()
}

#[test]
fn a_function_of_one_instruction_takes_a_jump() {
    let rung = best(&[RET], &Around::default()).unwrap();
    assert_eq!(rung.strategy, Strategy::Jump);
    assert_eq!(rung.displaced.len(), 1);
    assert_eq!(rung.boundaries().count(), 0);
    let entry = rung.entry_bytes(BRANCH).unwrap();
    assert_eq!(texts(&entry, AT), ["b 0x555504000000"]);
    assert_eq!(rung.entry_bytes(FAR), None);
}

#[test]
fn a_bti_stays_first() {
    for word in [0xd503_241f, 0xd503_245f, 0xd503_249f, 0xd503_24df] {
        let text = texts(&u32::to_le_bytes(word), 0)[0].clone().leak() as &str;
        let rung = rung(&[(word, text), STP, RET], Strategy::Jump);
        assert_eq!(rung.place.get(), AT + 4);
        assert_eq!(rung.displaced[0].text(), STP.1);
        assert!(rung.may_be_straight());
    }
}

#[test]
fn a_paciasp_stays_first_and_the_gate_takes_the_signature_off() {
    let rung = rung(&[PACIASP, STP, RET], Strategy::Jump);
    assert_eq!(rung.place.get(), AT + 4);
    let displaced: Vec<String> = rung.displaced.iter().map(|d| d.text()).collect();
    assert_eq!(displaced, [PACIASP.1, STP.1]);
    assert_eq!(rung.resume().get(), AT + 8);
    assert!(!rung.may_be_straight());
    let gate = rung
        .gate(CopyAddress::new(BRANCH), BRANCH + 0x1008)
        .unwrap();
    let expected = [
        "autiasp",
        "adrp x16, 0x555504001000",
        "ldr x16, [x16, #0x8]",
        "br x16",
    ];
    assert_eq!(texts(&gate, BRANCH), expected);
    let stub = rung
        .stub(CopyAddress::new(BRANCH), BRANCH + 0x1008)
        .unwrap();
    assert_eq!(texts(&stub, BRANCH)[0], "adrp x16, 0x555504001000");
}

#[test]
fn code_that_enters_behind_a_paciasp_keeps_it_from_being_undone() {
    let around = Around {
        entries: vec![AT + 4],
        ..Around::default()
    };
    let refusal = best(&[PACIASP, STP, RET], &around).unwrap_err();
    assert_eq!(refusal.reason, Reason::EnteredBehindSigning);
    assert_eq!(
        best(&[BTI_C, STP, RET], &around).unwrap().strategy,
        Strategy::Jump
    );
}

#[test]
fn the_longer_forms_cover_more_and_reach_farther() {
    let body: &Assembly = &[STP, NOP, NOP, NOP, RET];
    let long = rung(body, Strategy::LongJump);
    assert_eq!(
        (long.written, long.boundaries().collect::<Vec<_>>()),
        (12, vec![4, 8])
    );
    let entry = long.entry_bytes(0x5555_4000_0010).unwrap();
    let expected = ["adrp x16, 0x555540000000", "add x16, x16, #0x10", "br x16"];
    assert_eq!(texts(&entry, AT), expected);
    assert_eq!(long.entry_bytes(FAR), None);
    let literal = rung(body, Strategy::LiteralJump);
    let entry = literal.entry_bytes(FAR).unwrap();
    assert_eq!(
        texts(&entry, AT)[..2],
        ["ldr x16, 0x555500001008", "br x16"]
    );
    assert_eq!(entry[8..], FAR.to_le_bytes());
}

#[test]
fn a_branch_into_the_longer_forms_refuses_them_only() {
    let body = [STP, NOP, (0x54ff_ffe0, "b.eq 0x555500001004"), NOP, RET];
    let analysis = analysis(&body, &Around::default()).unwrap();
    let around = Around::default();
    assert!(analysis.rung(Strategy::Jump, &around).is_ok());
    let refusal = analysis.rung(Strategy::LongJump, &around).unwrap_err();
    assert_eq!(refusal.reason, Reason::BranchIntoSpan { target: 4 });
}

#[test]
fn branches_to_the_entry_are_counted() {
    let body = [STP, (0x54ff_ffe0, "b.eq 0x555500001000"), RET];
    assert_eq!(
        analysis(&body, &Around::default())
            .unwrap()
            .branches_to_entry(),
        1
    );
}

#[test]
fn a_register_that_holds_something_at_the_entry_is_left_alone() {
    // A loop whose head is the entry, with its counter in x16.
    let body = [
        (0xd100_0610, "sub x16, x16, #0x1"),
        (0xb5ff_fff0, "cbnz x16, 0x555500001000"),
        RET,
    ];
    assert_eq!(rung(&body, Strategy::Jump).scratch, Scratch::X17);
    let both = [(0xa900_4410, "stp x16, x17, [x0]"), RET];
    let refusal = best(&both, &Around::default()).unwrap_err();
    assert_eq!(refusal.reason, Reason::NoFreeRegister);
    let written = [(0xa940_4410, "ldp x16, x17, [x0]"), RET];
    assert_eq!(rung(&written, Strategy::Jump).scratch, Scratch::X16);
}

#[test]
fn an_exclusive_sequence_is_copied_as_a_whole() {
    let body = [
        (0x885f_7c01, "ldxr w1, [x0]"),
        (0x1100_0421, "add w1, w1, #0x1"),
        (0x8802_7c01, "stxr w2, w1, [x0]"),
        (0x35ff_ffa2, "cbnz w2, 0x555500001000"),
        RET,
    ];
    let whole = rung(&body, Strategy::Jump);
    assert_eq!((whole.written, whole.displaced.len()), (4, 4));
    assert_eq!(whole.resume().get(), AT + 16);
    let torn = best(&[body[0], RET], &Around::default()).unwrap_err();
    assert_eq!(torn.reason, Reason::TornSequence);
}

#[test]
fn foreign_breakpoints_are_seen() {
    let refusal = best(&[(0xd420_0000, "brk #0x0"), RET], &Around::default()).unwrap_err();
    assert_eq!(refusal.reason, Reason::ForeignBreakpoint);
    // A compiler's trap is an instruction like others.
    assert!(best(&[(0xd420_0020, "brk #0x1"), RET], &Around::default()).is_ok());
}

#[test]
fn what_reads_its_own_first_bytes_is_refused() {
    let body = [NOP, (0x58ff_ffe1, "ldr x1, 0x555500001000"), RET];
    // The load begins at the nop.
    let body = [body[0], body[1], body[2]];
    let refusal = best(&body, &Around::default()).unwrap_err();
    assert_eq!(refusal.reason, Reason::ReadsItself);
}

#[test]
fn the_list_of_exchangeable_instructions_is_that_of_the_architecture() {
    for word in [
        0x1400_0001, // b
        0x9400_0001, // bl
        0xd503_201f, // nop
        0xd420_0000, // brk
        0xd400_0002, // hvc
        0xd503_3fdf, // isb
        0xd400_0003, // smc
        0xd400_0001, // svc
    ] {
        assert!(is_exchangeable(word), "{word:#x}");
    }
    for word in [
        0x5400_0040, // b.eq
        0xb400_0040, // cbz
        0xd61f_0200, // br
        0xd65f_03c0, // ret
        0xd503_203f, // yield
        0xd503_245f, // bti c
        0xd440_0000, // hlt
        0xd503_3b9f, // dsb ish
        0xa9bf_7bfd, // stp
    ] {
        assert!(!is_exchangeable(word), "{word:#x}");
    }
    assert!(rung(&[NOP, RET], Strategy::Jump).is_exchangeable());
    assert!(!rung(&[STP, RET], Strategy::Jump).is_exchangeable());
}

#[test]
fn maintenance_leaves_out_what_the_machine_does_by_itself() {
    let of = |ctr| maintenance(0x1000..0x1004, ctr).collect::<Vec<M>>();
    let lines = 0x0004_0004; // 64 bytes each
    let [clean, invalidate] = [M::CleanData(0x1000), M::InvalidateInstructions(0x1000)];
    assert_eq!(
        of(lines),
        [clean, M::Barrier, invalidate, M::Barrier, M::Synchronise]
    );
    assert_eq!(
        of(lines | 1 << 28),
        [M::Barrier, invalidate, M::Barrier, M::Synchronise]
    );
    assert_eq!(of(lines | 1 << 29), [clean, M::Barrier, M::Synchronise]);
    assert_eq!(of(lines | 3 << 28), [M::Barrier, M::Synchronise]);
}
