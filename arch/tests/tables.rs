//! Jump tables: where indirect jumps lead, and whether that is known.

mod common;

use common::{AT, Assembly, Fixture, assemble};
use midair_arch::Reason;
use midair_arch::x86_64::Strategy;

/// Where the tables are.
const TABLE: u64 = AT + 0x1000;

/// `body` with `table` at [`TABLE`]; code is what is around [`AT`].
#[track_caller]
fn with_table(body: &Assembly, table: Vec<u8>) -> Fixture {
    let mut fixture = Fixture::new(body);
    fixture.around.code = AT - 0x800..AT + 0x800;
    fixture.around.memory.push((TABLE, table));
    fixture
}

fn relative(targets: &[u64]) -> Vec<u8> {
    let entry = |target: &u64| (target.wrapping_sub(TABLE) as u32).to_le_bytes();
    targets.iter().flat_map(entry).collect()
}

fn absolute(targets: &[u64]) -> Vec<u8> {
    targets
        .iter()
        .flat_map(|target| target.to_le_bytes())
        .collect()
}

/// `switch` as gcc and LLVM compile it for position-independent code.
const RELATIVE: &Assembly = &[
    ("89 ff", "mov edi, edi"),
    ("31 c0", "xor eax, eax"),
    ("48 8d 15 f5 0f 00 00", "lea rdx, [0x555500002000]"),
    ("48 63 04 ba", "movsxd rax, [rdx+rdi*4]"),
    ("48 01 d0", "add rax, rdx"),
    ("3e ff e0", "notrack jmp rax"),
    ("c3", "ret"),
];

#[test]
fn a_relative_table_is_followed() {
    let fixture = with_table(RELATIVE, relative(&[AT + 21, AT + 2]));
    assert!(fixture.analysis().is_complete());
    let refusal = fixture.refusal(Strategy::Jump);
    assert_eq!(refusal.reason, Reason::BranchIntoSpan { target: 2 });
}

#[test]
fn a_relative_table_that_leads_behind_the_prologue_is_no_hindrance() {
    let fixture = with_table(RELATIVE, relative(&[AT + 21, AT + 11]));
    assert!(fixture.analysis().is_complete());
    assert_eq!(fixture.best(), Strategy::Jump);
}

#[test]
fn entries_back_to_the_entry_are_counted() {
    let fixture = with_table(RELATIVE, relative(&[AT, AT + 21]));
    assert_eq!(fixture.analysis().branches_to_entry(), 1);
}

#[test]
fn what_follows_a_table_does_not_split_an_instruction() {
    let fixture = with_table(RELATIVE, relative(&[AT + 21, AT + 11, AT + 1]));
    assert_eq!(fixture.best(), Strategy::Jump);
}

#[test]
fn a_table_of_addresses_behind_a_lea_is_followed() {
    let body: &Assembly = &[
        ("89 ff", "mov edi, edi"),
        ("31 c0", "xor eax, eax"),
        ("48 8d 15 f5 0f 00 00", "lea rdx, [0x555500002000]"),
        ("ff 24 fa", "jmp qword ptr [rdx+rdi*8]"),
        ("c3", "ret"),
    ];
    let fixture = with_table(body, absolute(&[AT + 14, AT + 4]));
    assert!(fixture.analysis().is_complete());
    assert_eq!(
        fixture.refusal(Strategy::Jump).reason,
        Reason::BranchIntoSpan { target: 4 }
    );
}

#[test]
fn a_table_at_a_fixed_address_is_followed() {
    // Only below 2 GB are there such tables.
    const LOW: u64 = 0x40_1000;
    let body = assemble(
        LOW,
        &[
            ("89 ff", "mov edi, edi"),
            ("31 c0", "xor eax, eax"),
            ("ff 24 fd 00 20 40 00", "jmp qword ptr [rdi*8+0x402000]"),
            ("c3", "ret"),
        ],
    );
    let mut fixture = Fixture::new(&[]);
    fixture.body = body;
    fixture.around.code = LOW..LOW + 0x800;
    fixture
        .around
        .memory
        .push((0x40_2000, absolute(&[LOW + 11, LOW + 2])));
    let mut function = fixture.function();
    function.address = midair_arch::TargetAddress::new(LOW);
    let analysis = midair_arch::x86_64::Analysis::of(&function, &fixture.around)
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    assert!(analysis.is_complete());
    let refusal = analysis.rung(Strategy::Jump, &fixture.around).map(|_| ());
    assert_eq!(
        refusal.map_err(|refusal| refusal.reason),
        Err(Reason::BranchIntoSpan { target: 2 })
    );
}

#[test]
fn a_jump_through_a_loaded_table_entry_is_understood() {
    let body: &Assembly = &[
        ("48 8d 15 f9 0f 00 00", "lea rdx, [0x555500002000]"),
        ("48 8b 04 fa", "mov rax, [rdx+rdi*8]"),
        ("ff e0", "jmp rax"),
        ("c3", "ret"),
    ];
    let fixture = with_table(body, absolute(&[AT + 13]));
    assert!(fixture.analysis().is_complete());
}

#[test]
fn a_table_that_cannot_be_read_leaves_the_scan_incomplete() {
    let mut fixture = with_table(RELATIVE, Vec::new());
    assert!(!fixture.analysis().is_complete());
    // Nor does one help whose first entry leads to no code.
    fixture.around.memory = vec![(TABLE, relative(&[AT + 0x2000_0000, AT + 2]))];
    assert!(!fixture.analysis().is_complete());
}

#[test]
fn a_table_of_other_functions_is_not_the_one_that_the_jump_uses() {
    // The table comes as an argument; the address taken is another one's.
    let body: &Assembly = &[
        ("48 8d 15 f9 0f 00 00", "lea rdx, [0x555500002000]"),
        ("48 89 16", "mov [rsi], rdx"),
        ("ff 24 c7", "jmp qword ptr [rdi+rax*8]"),
    ];
    let fixture = with_table(body, absolute(&[AT + 0x100, AT + 0x200]));
    assert!(!fixture.analysis().is_complete());
}

#[test]
fn a_table_longer_than_what_is_read_leaves_the_scan_incomplete() {
    let mut targets = vec![AT + 21; 4097];
    targets.push(AT + 2);
    let fixture = with_table(RELATIVE, relative(&targets));
    assert!(!fixture.analysis().is_complete());
}

#[test]
fn what_was_computed_before_a_branch_is_not_taken_for_the_target_of_a_jump() {
    let body: &Assembly = &[
        ("48 8d 15 f9 0f 00 00", "lea rdx, [0x555500002000]"),
        ("48 63 04 ba", "movsxd rax, [rdx+rdi*4]"),
        ("48 01 d0", "add rax, rdx"),
        ("eb 02", "jmp short 0x555500001012"),
        ("ff e0", "jmp rax"), // comes from elsewhere, with another rax
        ("c3", "ret"),
    ];
    let fixture = with_table(body, relative(&[AT + 18]));
    assert!(!fixture.analysis().is_complete());
}

#[test]
fn a_register_that_nothing_explains_leaves_the_scan_incomplete() {
    for (bytes, text) in [
        ("ff e0", "jmp rax"),
        ("ff 20", "jmp qword ptr [rax]"),
        ("ff 25 00 10 00 00", "jmp qword ptr [0x55550000200d]"),
        ("ff 64 c7 08", "jmp qword ptr [rdi+rax*8+8]"),
        ("ff 24 87", "jmp qword ptr [rdi+rax*4]"),
        ("65 ff 24 c7", "jmp qword ptr gs:[rdi+rax*8]"),
    ] {
        let fixture = with_table(
            &[
                ("48 8d 15 f9 0f 00 00", "lea rdx, [0x555500002000]"),
                (bytes, text),
            ],
            absolute(&[AT]),
        );
        assert!(!fixture.analysis().is_complete(), "{text}");
    }
}

#[test]
fn a_sum_of_which_one_part_is_no_table_entry_is_not_understood() {
    for load in [
        ("48 63 07", "movsxd rax, [rdi]"),
        ("48 63 44 ba 04", "movsxd rax, [rdx+rdi*4+4]"),
        ("48 63 04 b9", "movsxd rax, [rcx+rdi*4]"),
        ("48 8b 04 fa", "mov rax, [rdx+rdi*8]"),
    ] {
        let body = [
            ("48 8d 15 f9 0f 00 00", "lea rdx, [0x555500002000]"),
            load,
            ("48 01 d0", "add rax, rdx"),
            ("ff e0", "jmp rax"),
            ("c3", "ret"),
        ];
        let fixture = with_table(&body, relative(&[AT + 14]));
        assert!(!fixture.analysis().is_complete(), "{}", load.1);
    }
}
