//! Where functions begin and end, against what other readers say of real files.

use std::path::Path;

use gimli::{BaseAddresses, CieOrFde, EhFrame, LittleEndian, UnwindSection};
use goblin::elf::Elf;
use midair::symbols::{ExtentSource, FileAddress, FunctionTable, Image, Module, modules};

use crate::build;

/// Checks that hold for every file.
fn check(image: &Image) {
    let table = image.functions();
    let extents: Vec<_> = table.iter().collect();
    assert_eq!(extents.len(), table.len());
    assert!(extents.is_sorted_by_key(|extent| extent.start));
    for extent in &extents {
        assert!(extent.start < extent.end, "{extent:?}");
        assert_eq!(table.extent(extent.start), Some(*extent));
        let end = image.code_end(extent.start).unwrap();
        assert!(
            extent.end <= end,
            "{extent:?} ends after its section, {end}"
        );
        for at in [extent.start.0, extent.end.0 - 1] {
            let inside = table.containing(FileAddress(at)).unwrap();
            assert!(inside.contains(FileAddress(at)));
        }
        let between: Vec<_> = table.entries_between(extent.start..extent.end).collect();
        assert!(
            between
                .iter()
                .all(|at| extent.start < *at && *at < extent.end)
        );
        let gap = table.gap_after(extent.end);
        assert_eq!(gap.start, extent.end);
        if gap.start < gap.end {
            assert!(table.extent(gap.start).is_none());
        }
    }
    let gaps = table.gaps_between(image.load_range());
    let mut last = FileAddress(0);
    for gap in &gaps {
        assert!(last <= gap.start && gap.start < gap.end);
        last = gap.end;
        assert_eq!(table.containing(gap.start), None);
        assert_eq!(table.containing(FileAddress(gap.end.0 - 1)), None);
        assert_eq!(
            table
                .entries_between(FileAddress(gap.start.0 - 1)..gap.end)
                .count(),
            0
        );
        assert_eq!(table.gap_after(gap.start), *gap);
    }
    // No extent reaches into a gap, whatever the order of starts.
    for extent in &extents {
        let next = gaps.partition_point(|gap| gap.end <= extent.start);
        if let Some(gap) = gaps.get(next) {
            assert!(extent.end <= gap.start, "{extent:?} {gap:?}");
        }
    }
}

/// Every function that goblin and gimli see has an extent at least as long.
fn check_against_others(image: &Image, bytes: &[u8]) {
    let table = image.functions();
    let elf = Elf::parse(bytes).unwrap();
    let code: Vec<_> = elf
        .section_headers
        .iter()
        .filter(|s| s.is_executable())
        .collect();
    let is_code = |at: u64| code.iter().any(|s| s.vm_range().contains(&(at as usize)));
    let mut symbols = 0;
    for symbol in elf.dynsyms.iter().chain(elf.syms.iter()) {
        let is_function = symbol.is_function() || symbol.st_type() == 10;
        if is_function && symbol.st_shndx != 0 && is_code(symbol.st_value) {
            covers(table, symbol.st_value, symbol.st_size);
            symbols += 1;
        }
    }
    assert!(symbols > 0);
    let mut descriptions = 0;
    for section in &elf.section_headers {
        if elf.shdr_strtab.get_at(section.sh_name) != Some(".eh_frame") {
            continue;
        }
        let range = section.file_range().unwrap();
        let frame = EhFrame::new(&bytes[range], LittleEndian);
        let bases = BaseAddresses::default().set_eh_frame(section.sh_addr);
        let mut entries = frame.entries(&bases);
        while let Some(entry) = entries.next().unwrap() {
            if let CieOrFde::Fde(partial) = entry {
                let fde = partial.parse(EhFrame::cie_from_offset).unwrap();
                // A signal trampoline is described from the byte before it on.
                let early = u64::from(fde.cie().is_signal_trampoline());
                covers(table, fde.initial_address() + early, fde.len() - early);
                descriptions += 1;
            }
        }
    }
    assert!(descriptions > 0);
}

fn covers(table: &FunctionTable, start: u64, size: u64) {
    let extent = table.extent(FileAddress(start));
    let extent = extent.unwrap_or_else(|| panic!("nothing starts at {start:#x}"));
    assert!(
        extent.end.0 >= start + size,
        "{extent:?} is shorter than {size:#x}"
    );
}

#[test]
fn every_function_of_the_loaded_libraries_is_covered() {
    let mut checked = 0;
    for module in modules().unwrap() {
        // Fixtures come and go with other tests.
        if module.file_name().starts_with("libmidair") {
            continue;
        }
        let image = module.image().unwrap();
        check(image);
        if let Ok(bytes) = std::fs::read(module.path()) {
            check_against_others(image, &bytes);
            checked += 1;
        }
    }
    assert!(checked >= 3);
}

#[test]
fn functions_of_the_toolchain_are_covered() {
    // The largest file at hand; BOLT has moved its functions.
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = std::process::Command::new(rustc)
        .args(["--print", "sysroot"])
        .output()
        .unwrap();
    let lib = Path::new(String::from_utf8(output.stdout).unwrap().trim()).join("lib");
    let files = std::fs::read_dir(lib)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let driver = files.into_iter().find(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("librustc_driver-") && name.ends_with(".so")
    });
    let image = Image::open(&driver.unwrap()).unwrap();
    assert!(image.functions().len() > 50_000);
    check(&image);
    assert!(image.problems().is_empty());
}

#[test]
fn sizes_unwind_information_and_labels_are_joined() {
    let folder = build::folder("labels");
    let path = folder.join("libmidair_labels.so");
    build::c_library("labels.s", &path, &["-nostdlib"]);
    let image = Image::open(&path).unwrap();
    check(&image);
    let table = image.functions();
    let base = {
        let all = midair::symbols::file_symbols(&image, "sized").unwrap();
        all[0].address.0
    };
    let at = |offset: u64| FileAddress(base + offset);
    let extent = |offset: u64| {
        let extent = table.extent(at(offset))?;
        Some((extent.end.0 - base, extent.source))
    };
    use ExtentSource::{NextFunction, Symbol, Unwind};
    assert_eq!(extent(0x00), Some((0x01, Symbol)));
    assert_eq!(extent(0x10), Some((0x12, NextFunction)));
    assert_eq!(extent(0x12), Some((0x20, NextFunction)));
    // The larger end counts, and a label inside of it ends with it.
    assert_eq!(extent(0x20), Some((0x24, Unwind)));
    assert_eq!(extent(0x22), Some((0x24, NextFunction)));
    assert_eq!(extent(0x30), Some((0x35, Unwind)));
    assert_eq!(extent(0x32), Some((0x33, Symbol)));
    assert_eq!(extent(0x40), None, "data is no function");
    assert_eq!(extent(0x50), Some((0x51, Unwind)));
    assert_eq!(extent(0x01), None, "the middle of nowhere");

    let inside = |offset: u64| Some(table.containing(at(offset))?.start.0 - base);
    assert_eq!(inside(0x23), Some(0x20), "known bounds before a label");
    assert_eq!(inside(0x32), Some(0x32));
    assert_eq!(inside(0x34), Some(0x30));
    assert_eq!(inside(0x13), Some(0x12));
    assert_eq!(inside(0x44), None);

    let between: Vec<_> = table.entries_between(at(0x10)..at(0x30)).collect();
    assert_eq!(between, [at(0x12), at(0x20), at(0x22)]);

    assert_eq!(table.gap_after(at(0x01)), at(0x01)..at(0x10));
    assert_eq!(table.gap_after(at(0x24)), at(0x24)..at(0x30));
    // Where a nested function ends, the outer one goes on.
    assert_eq!(table.gap_after(at(0x33)), at(0x33)..at(0x33));
    assert_eq!(table.gap_after(at(0x35)), at(0x35)..at(0x40));
    let gaps = table.gaps_between(at(0)..at(0x51));
    let expected = [(0x01, 0x10), (0x24, 0x30), (0x35, 0x40), (0x48, 0x50)];
    assert_eq!(gaps, expected.map(|(start, end)| at(start)..at(end)));
    assert_eq!(table.gaps_between(at(0x26)..at(0x28)), [at(0x26)..at(0x28)]);

    let listed: Vec<u64> = table.iter().map(|extent| extent.start.0 - base).collect();
    assert_eq!(listed, [0x00, 0x20, 0x30, 0x32, 0x50]);
    assert!(!image.is_fragment(at(0)));
}

#[test]
fn a_file_without_section_headers_is_read_as_the_loader_reads_it() {
    let folder = build::folder("sectionless");
    let path = folder.join("libmidair_sectionless.so");
    for hash in ["-Wl,--hash-style=gnu", "-Wl,--hash-style=sysv"] {
        build::c_library("plain.c", &path, &["-DPREFIX=sectionless", "-s", hash]);
        let with = Image::open(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        // e_shoff, then e_shnum and e_shstrndx.
        bytes[0x28..0x30].fill(0);
        bytes[0x3c..0x40].fill(0);
        let without = Image::from_bytes(&path, bytes).unwrap();
        assert!(without.problems().is_empty());
        assert_eq!(without.build_id(), with.build_id());
        let names = |image: &Image| {
            let found = midair::symbols::file_symbols(image, "sectionless_*").unwrap();
            found
                .into_iter()
                .map(|found| (found.name, found.address))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&with), names(&without));
        assert_eq!(names(&with).len(), 2);
        for extent in with.functions().iter() {
            assert_eq!(without.functions().extent(extent.start), Some(extent));
        }
    }
}

#[test]
fn an_image_of_another_processor_is_read_too() {
    // aarch64 differs from this machine in nothing but the number here.
    let folder = build::folder("aarch64");
    let path = folder.join("libmidair_aarch64.so");
    build::c_library("plain.c", &path, &["-DPREFIX=other"]);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[0x12] = 183;
    let image = Image::from_bytes(&path, bytes).unwrap();
    assert_eq!(image.machine(), midair::symbols::Machine::Aarch64);
    check(&image);
}

#[test]
fn modules_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Module>();
    shared::<midair::symbols::Symbol>();
    shared::<midair::symbols::SymbolError>();
    shared::<midair::symbols::ForeignModule>();
}
