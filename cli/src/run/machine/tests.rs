//! Fields that we fill in, against those of a real linker: rust-lld, which rustup's
//! toolchains have, links the same object.

use super::*;
use ::object::write::{Object, Relocation, Symbol, SymbolId, SymbolSection};
use ::object::{
    Architecture, BinaryFormat, Endianness, Object as _, ObjectSection as _, ObjectSymbol as _,
    RelocationFlags, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};
use object::LittleEndian as Le;
use object::read::elf::{ElfFile64, ProgramHeader as _};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Code or data with one field in it.
struct Case {
    assembly: &'static str,
    code: Vec<u8>,
    /// Where in it the field is.
    at: usize,
    kind: RelocationType,
    symbol: &'static str,
    addend: i64,
}

fn case(
    assembly: &'static str,
    code: &[u8],
    (at, kind): (usize, RelocationType),
    symbol: &'static str,
    addend: i64,
) -> Case {
    Case {
        assembly,
        code: code.to_vec(),
        at,
        kind,
        symbol,
        addend,
    }
}

/// An instruction of aarch64.
fn word(
    assembly: &'static str,
    word: u32,
    kind: RelocationType,
    symbol: &'static str,
    addend: i64,
) -> Case {
    case(assembly, &word.to_le_bytes(), (0, kind), symbol, addend)
}

/// Where sections are, each with a symbol of its name, so far into it.
const SECTIONS: [(&str, SectionKind, u64, u64); 5] = [
    ("back", SectionKind::Text, 0x40_0000, 0),
    ("near", SectionKind::Text, 0x100_4000, 8),
    ("far", SectionKind::Text, 0x500_0000, 4),
    ("own", SectionKind::Tls, 0x7640_0040, 0x1230),
    ("data", SectionKind::Data, 0x7654_3000, 0x560),
];
const TEXT: u64 = 0x100_0000;

/// An object with these cases in its text, and where each of them is.
fn object(machine: Machine, cases: &[Case]) -> (Vec<u8>, Vec<u64>) {
    let architecture = match machine {
        Machine::X86_64 => Architecture::X86_64,
        Machine::Aarch64 => Architecture::Aarch64,
    };
    let mut object = Object::new(BinaryFormat::Elf, architecture, Endianness::Little);
    let add = |object: &mut Object<'_>, name: &str, kind, section, value| -> SymbolId {
        object.add_symbol(Symbol {
            name: name.as_bytes().to_vec(),
            value,
            size: 8,
            kind,
            scope: SymbolScope::Dynamic,
            weak: false,
            section,
            flags: SymbolFlags::None,
        })
    };
    let mut symbols = HashMap::new();
    for (name, kind, _, offset) in SECTIONS {
        let section = object.add_section(Vec::new(), format!(".{name}").into_bytes(), kind);
        object.append_section_data(section, &[0; 0x1500], 64);
        let kind = match kind {
            SectionKind::Tls => SymbolKind::Tls,
            SectionKind::Text => SymbolKind::Text,
            _ => SymbolKind::Data,
        };
        let section = SymbolSection::Section(section);
        symbols.insert(name, add(&mut object, name, kind, section, offset));
    }
    let text = object.add_section(Vec::new(), b".text".to_vec(), SectionKind::Text);
    let start = SymbolSection::Section(text);
    add(&mut object, "_start", SymbolKind::Text, start, 0);
    let mut places = Vec::new();
    for case in cases {
        let place = object.append_section_data(text, &case.code, 8);
        let symbol = symbols.get(case.symbol).copied().unwrap_or_else(|| {
            let undefined = SymbolSection::Undefined;
            add(&mut object, case.symbol, SymbolKind::Text, undefined, 0)
        });
        let relocation = Relocation {
            offset: place + case.at as u64,
            symbol,
            addend: case.addend,
            flags: RelocationFlags::Elf { r_type: case.kind },
        };
        object.add_relocation(text, relocation).unwrap();
        places.push(place);
    }
    (object.write().unwrap(), places)
}

fn linker() -> PathBuf {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir"])
        .output()
        .unwrap();
    let folder = String::from_utf8(output.stdout).unwrap();
    let found = Path::new(folder.trim()).with_file_name("bin/rust-lld");
    assert!(
        found.exists(),
        "{} is missing; use a toolchain of rustup's",
        found.display()
    );
    found
}

/// What the linker makes of an object.
fn linked(name: &str, object: &[u8], options: &[&str]) -> Vec<u8> {
    let folder = std::env::temp_dir().join(format!("midair-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (from, to) = (folder.join("object.o"), folder.join("linked"));
    std::fs::write(&from, object).unwrap();
    let mut command = Command::new(linker());
    command.args(["-flavor", "gnu", "--no-relax", "-znorelro"]);
    command.arg(format!("--section-start=.text={TEXT:#x}"));
    for (name, _, at, _) in SECTIONS {
        command.arg(format!("--section-start=.{name}={at:#x}"));
    }
    let output = command
        .args(options)
        .arg("-o")
        .args([&to, &from])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let bytes = std::fs::read(&to).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    bytes
}

/// Fills each case in as the linker does, and compares.
fn compare(name: &str, machine: Machine, options: &[&str], cases: &[Case]) {
    let (object, places) = object(machine, cases);
    let linked = linked(name, &object, options);
    let file = ElfFile64::<Le>::parse(linked.as_slice()).unwrap();
    let threads = file.elf_program_headers().iter();
    let mut threads = threads.filter(|header| header.p_type(Le) == elf::PT_TLS);
    let threads = threads.next().map(|header| ThreadLocals {
        at: header.p_vaddr(Le),
        len: header.p_memsz(Le),
        align: header.p_align(Le),
    });
    let text = file.section_by_name(".text").unwrap();
    assert_eq!(text.address(), TEXT);
    let entries = file.section_by_name(".got").map(|got| got.address());
    for (case, place) in cases.iter().zip(places) {
        let symbol = file
            .symbols()
            .find(|symbol| symbol.name() == Ok(case.symbol));
        let value = match symbol {
            Some(symbol) if symbol.kind() == SymbolKind::Tls => {
                machine.thread_local_at(threads.unwrap(), symbol.address()) as u64
            }
            Some(symbol) => symbol.address(),
            None => 0,
        };
        // There is one entry in each of these tables.
        let value = match machine.need(case.kind) {
            Need::Entry => entries.unwrap(),
            Need::Stub | Need::Nothing => value,
        };
        let mut bytes = case.code.clone();
        let filled = machine.fill(Field {
            kind: case.kind,
            bytes: &mut bytes,
            offset: case.at,
            here: TEXT + place + case.at as u64,
            value,
            addend: case.addend,
        });
        assert_eq!(filled, Ok(()), "{}", case.assembly);
        let expected = &text.data().unwrap()[place as usize..][..bytes.len()];
        assert_eq!(bytes, expected, "{}: {value:#x}", case.assembly);
        assert_ne!(bytes, case.code, "{}: nothing was filled in", case.assembly);
        // What is filled in is what a comparison of functions leaves out.
        if bytes.len() == 4 && !case.assembly.contains("tlsdesc") {
            machine.clear(case.kind, &mut bytes, case.at);
            assert_eq!(bytes, case.code, "{}", case.assembly);
        }
    }
}

#[test]
fn aarch64_code_and_data() {
    let cases = [
        word("bl far", 0x9400_0000, elf::R_AARCH64_CALL26, "far", 0),
        word("b back + 4", 0x1400_0000, elf::R_AARCH64_JUMP26, "back", 4),
        word("b.ne near", 0x5400_0001, elf::R_AARCH64_CONDBR19, "near", 0),
        word(
            "cbz x9, near",
            0xb400_0009,
            elf::R_AARCH64_CONDBR19,
            "near",
            12,
        ),
        word(
            "tbz w3, #4, near",
            0x3620_0003,
            elf::R_AARCH64_TSTBR14,
            "near",
            8,
        ),
        word(
            "ldr x5, near",
            0x5800_0005,
            elf::R_AARCH64_LD_PREL_LO19,
            "near",
            0,
        ),
        word(
            "adr x6, near + 3",
            0x1000_0006,
            elf::R_AARCH64_ADR_PREL_LO21,
            "near",
            3,
        ),
        word(
            "adrp x7, data",
            0x9000_0007,
            elf::R_AARCH64_ADR_PREL_PG_HI21,
            "data",
            0x1abc,
        ),
        word(
            "adrp x8, back",
            0x9000_0008,
            elf::R_AARCH64_ADR_PREL_PG_HI21,
            "back",
            -9,
        ),
        word(
            "adrp x8, far",
            0x9000_0008,
            elf::R_AARCH64_ADR_PREL_PG_HI21_NC,
            "far",
            0,
        ),
        word(
            "add x7, x7, :lo12:data",
            0x9100_00e7,
            elf::R_AARCH64_ADD_ABS_LO12_NC,
            "data",
            0x1abc,
        ),
        word(
            "ldrb w8, [x7, :lo12:data]",
            0x3940_00e8,
            elf::R_AARCH64_LDST8_ABS_LO12_NC,
            "data",
            7,
        ),
        word(
            "ldrh w8, [x7, :lo12:data]",
            0x7940_00e8,
            elf::R_AARCH64_LDST16_ABS_LO12_NC,
            "data",
            6,
        ),
        word(
            "ldr w8, [x7, :lo12:data]",
            0xb940_00e8,
            elf::R_AARCH64_LDST32_ABS_LO12_NC,
            "data",
            4,
        ),
        word(
            "ldr x8, [x7, :lo12:data]",
            0xf940_00e8,
            elf::R_AARCH64_LDST64_ABS_LO12_NC,
            "data",
            8,
        ),
        word(
            "ldr q8, [x7, :lo12:data]",
            0x3dc0_00e8,
            elf::R_AARCH64_LDST128_ABS_LO12_NC,
            "data",
            16,
        ),
        word(
            "adrp x1, :got:data",
            0x9000_0001,
            elf::R_AARCH64_ADR_GOT_PAGE,
            "data",
            0,
        ),
        word(
            "ldr x1, [x1, :got_lo12:data]",
            0xf940_0021,
            elf::R_AARCH64_LD64_GOT_LO12_NC,
            "data",
            0,
        ),
        case(
            ".xword data",
            &[0; 8],
            (0, elf::R_AARCH64_ABS64),
            "data",
            -1,
        ),
        case(".word data", &[0; 4], (0, elf::R_AARCH64_ABS32), "data", 1),
        case(
            ".xword far - .",
            &[0; 8],
            (0, elf::R_AARCH64_PREL64),
            "far",
            0,
        ),
        case(
            ".word back - .",
            &[0; 4],
            (0, elf::R_AARCH64_PREL32),
            "back",
            0,
        ),
        case(
            ".word far@plt - .",
            &[0; 4],
            (0, elf::R_AARCH64_PLT32),
            "far",
            0,
        ),
    ];
    compare("aarch64", Machine::Aarch64, &[], &cases);
}

#[test]
fn aarch64_thread_locals_of_the_executable() {
    let own = |assembly, code, kind, addend| word(assembly, code, kind, "own", addend);
    let cases = [
        own(
            "add x0, x0, :tprel_hi12:",
            0x9140_0000,
            elf::R_AARCH64_TLSLE_ADD_TPREL_HI12,
            0,
        ),
        own(
            "add x0, x0, :tprel_lo12_nc:",
            0x9100_0000,
            elf::R_AARCH64_TLSLE_ADD_TPREL_LO12_NC,
            0,
        ),
        own(
            "ldrb w0, :tprel_lo12_nc:",
            0x3940_0000,
            elf::R_AARCH64_TLSLE_LDST8_TPREL_LO12_NC,
            1,
        ),
        own(
            "ldrh w0, :tprel_lo12_nc:",
            0x7940_0000,
            elf::R_AARCH64_TLSLE_LDST16_TPREL_LO12_NC,
            2,
        ),
        own(
            "ldr w0, :tprel_lo12_nc:",
            0xb940_0000,
            elf::R_AARCH64_TLSLE_LDST32_TPREL_LO12_NC,
            4,
        ),
        own(
            "ldr x0, :tprel_lo12_nc:",
            0xf940_0000,
            elf::R_AARCH64_TLSLE_LDST64_TPREL_LO12_NC,
            8,
        ),
        own(
            "adrp x0, :tlsdesc:",
            0x9000_0000,
            elf::R_AARCH64_TLSDESC_ADR_PAGE21,
            0,
        ),
        own(
            "ldr x1, [x0, :tlsdesc_lo12:]",
            0xf940_0001,
            elf::R_AARCH64_TLSDESC_LD64_LO12,
            0,
        ),
        own(
            "add x0, x0, :tlsdesc_lo12:",
            0x9100_0000,
            elf::R_AARCH64_TLSDESC_ADD_LO12,
            0,
        ),
        own(
            "blr x1 (tlsdesccall)",
            0xd63f_0020,
            elf::R_AARCH64_TLSDESC_CALL,
            0,
        ),
    ];
    compare("aarch64-threads", Machine::Aarch64, &[], &cases);
}

#[test]
fn aarch64_thread_locals_by_the_table() {
    let own = |assembly, code, kind| word(assembly, code, kind, "own", 0);
    let page = elf::R_AARCH64_TLSIE_ADR_GOTTPREL_PAGE21;
    let load = elf::R_AARCH64_TLSIE_LD64_GOTTPREL_LO12_NC;
    let cases = [
        own("adrp x2, :gottprel:", 0x9000_0002, page),
        own("ldr x2, [x2, :gottprel_lo12:]", 0xf940_0042, load),
    ];
    compare("aarch64-table", Machine::Aarch64, &["-shared"], &cases);
}

#[test]
fn x86_64_thread_locals_by_the_table() {
    let code = [0x48, 0x8b, 5, 0, 0, 0, 0];
    let kind = elf::R_X86_64_GOTTPOFF;
    let cases = [case("mov rax, [own@gottpoff]", &code, (3, kind), "own", -4)];
    compare("x86-64-table", Machine::X86_64, &["-shared"], &cases);
}

#[test]
fn x86_64_code_and_data() {
    let cases = [
        case(
            "call far",
            &[0xe8, 0, 0, 0, 0],
            (1, elf::R_X86_64_PLT32),
            "far",
            -4,
        ),
        case(
            "lea rax, data",
            &[0x48, 0x8d, 5, 0, 0, 0, 0],
            (3, elf::R_X86_64_PC32),
            "data",
            1,
        ),
        case(
            "jmp [data@got]",
            &[0xff, 0x25, 0, 0, 0, 0],
            (2, elf::R_X86_64_GOTPCREL),
            "data",
            -4,
        ),
        case(".quad data", &[0; 8], (0, elf::R_X86_64_64), "data", -1),
        case(".quad far - .", &[0; 8], (0, elf::R_X86_64_PC64), "far", 0),
        case(".long data", &[0; 4], (0, elf::R_X86_64_32), "data", 1),
        case(
            "mov eax, data",
            &[0xb8, 0, 0, 0, 0],
            (1, elf::R_X86_64_32S),
            "data",
            1,
        ),
        case(
            ".quad own@tpoff",
            &[0; 8],
            (0, elf::R_X86_64_TPOFF64),
            "own",
            0,
        ),
        case(
            "mov eax, fs:own",
            &[0x64, 0x8b, 4, 0x25, 0, 0, 0, 0],
            (4, elf::R_X86_64_TPOFF32),
            "own",
            4,
        ),
    ];
    compare("x86-64", Machine::X86_64, &[], &cases);
}

/// What is said of a field of aarch64 that does not fit.
fn refused(code: u32, kind: RelocationType, here: u64, value: u64) -> Unfit {
    let mut bytes = code.to_le_bytes();
    let filled = Machine::Aarch64.fill(Field {
        kind,
        bytes: &mut bytes,
        offset: 0,
        here,
        value,
        addend: 0,
    });
    assert_eq!(bytes, code.to_le_bytes(), "nothing is written");
    filled.unwrap_err()
}

#[test]
fn what_is_out_of_reach_is_refused() {
    let branch = |value| refused(0x9400_0000, elf::R_AARCH64_CALL26, 0x1000_0000, value);
    assert_eq!(branch(0x1800_0000), Unfit::Reach);
    assert_eq!(branch(0x07ff_fffc), Unfit::Reach);
    assert_eq!(branch(0x1000_0002), Unfit::Reach, "between instructions");
    let page = elf::R_AARCH64_ADR_PREL_PG_HI21;
    assert_eq!(refused(0x9000_0000, page, 0, 1 << 32), Unfit::Reach);
    let load = elf::R_AARCH64_LDST64_ABS_LO12_NC;
    assert_eq!(
        refused(0xf940_0000, load, 0, 0x1004),
        Unfit::Reach,
        "between words"
    );
    let word = elf::R_AARCH64_PREL32;
    assert_eq!(refused(0, word, 0, 1 << 31), Unfit::Reach);
    let high = elf::R_AARCH64_TLSLE_ADD_TPREL_HI12;
    assert_eq!(refused(0x9140_0000, high, 0, 1 << 24), Unfit::Reach);
    assert_eq!(refused(0x9140_0000, high, 0, -16_i64 as u64), Unfit::Reach);
}

#[test]
fn what_is_not_known_is_refused() {
    let kind = elf::R_AARCH64_MOVW_UABS_G0;
    assert_eq!(refused(0, kind, 0, 0), Unfit::Unknown(kind));
    // adrp x3, where a descriptor's address is in x0
    let page = elf::R_AARCH64_TLSDESC_ADR_PAGE21;
    assert_eq!(refused(0x9000_0003, page, 0, 0), Unfit::Instructions);
    let mut short = [0; 3];
    let filled = Machine::Aarch64.fill(Field {
        kind: elf::R_AARCH64_CALL26,
        bytes: &mut short,
        offset: 0,
        here: 0,
        value: 4,
        addend: 0,
    });
    assert_eq!(filled, Err(Unfit::Outside));
}

#[test]
fn a_function_that_there_is_not_is_not_called() {
    // bl: a weak reference
    let mut bytes = 0x9400_0000_u32.to_le_bytes();
    let filled = Machine::Aarch64.fill(Field {
        kind: elf::R_AARCH64_CALL26,
        bytes: &mut bytes,
        offset: 0,
        here: 0x7000_0000,
        value: 0,
        addend: 0,
    });
    assert_eq!(filled, Ok(()));
    assert_eq!(u32::from_le_bytes(bytes), 0xd503_201f); // nop
}

#[test]
fn a_stub_goes_where_its_entry_says() {
    let code = Machine::Aarch64.stub(0x12_3450, 0x10_0018).unwrap();
    let words: Vec<u32> = code
        .chunks(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect();
    // adrp x16, -0x23000; ldr x16, [x16, #0x18]; br x16; nop
    assert_eq!(words, [0xb0ff_fef0, 0xf940_0e10, 0xd61f_0200, 0xd503_201f]);
    assert_eq!(code.len() as u64, Machine::Aarch64.stub_len());
    let far = Machine::Aarch64.stub(0, 1 << 33);
    assert_eq!(far, Err(Unfit::Reach));
}
