//! Jump tables: what their entries mean for the longer jumps.

mod arm;

use arm::{Around, Assembly, analysis};
use midair_arch::{Reason, Strategy};

/// `switch` as gcc makes it: signed entries, counted from behind the jump.
const GCC: [(u32, &str); 8] = [
    (0x9000_0001, "adrp x1, 0x555500001000"),
    (0x9140_0021, "add x1, x1, #0x0, lsl #12"),
    (0x3860_4821, "ldrb w1, [x1, w0, uxtw]"),
    (0x1000_0062, "adr x2, 0x555500001018"),
    (0x8b21_8841, "add x1, x2, w1, sxtb #2"),
    (0xd61f_0020, "br x1"),
    (0xd503_201f, "nop"),
    (0xd65f_03c0, "ret"),
];

/// The same function with the table at the start of the next page but one.
fn body() -> Vec<(u32, &'static str)> {
    let mut body = GCC.to_vec();
    body[0] = (0xd000_0001, "adrp x1, 0x555500003000");
    body[1] = (0x9100_0021, "add x1, x1, #0x0");
    body
}

fn around(table: &[u8]) -> Around {
    Around {
        memory: vec![(0x5555_0000_3000, table.to_vec())],
        ..Around::default()
    }
}

#[track_caller]
fn long_jump(body: &Assembly, around: &Around) -> (bool, Result<(), Reason>) {
    let analysis = analysis(body, around).unwrap_or_else(|refusal| panic!("{refusal}"));
    let rung = analysis.rung(Strategy::LongJump, around);
    (analysis.is_complete(), rung.map(drop).map_err(|r| r.reason))
}

#[test]
fn a_table_that_leads_elsewhere_leaves_room_for_a_long_jump() {
    assert_eq!(long_jump(&body(), &around(&[0, 1, 0x7f])), (true, Ok(())));
}

#[test]
fn an_entry_that_leads_into_the_jump_refuses_it() {
    // From +24, five words back: +4.
    let table = around(&[0, 0xfb, 0x7f]);
    let refused = Reason::BranchIntoSpan { target: 4 };
    assert_eq!(long_jump(&body(), &table), (true, Err(refused)));
}

#[test]
fn an_entry_that_leads_to_the_entry_is_counted() {
    let table = around(&[0, 0xfa, 0x7f]);
    assert_eq!(analysis(&body(), &table).unwrap().branches_to_entry(), 1);
}

#[test]
fn a_table_that_cannot_be_read_is_not_understood() {
    assert!(!long_jump(&body(), &Around::default()).0);
}

#[test]
fn a_jump_of_another_kind_is_not_understood() {
    let body = [
        (0xf940_0001, "ldr x1, [x0]"),
        (0xd503_201f, "nop"),
        (0xd503_201f, "nop"),
        (0xd61f_0020, "br x1"),
    ];
    assert!(!long_jump(&body, &Around::default()).0);
}
