//! Who inlined what, in files compiled in every way.

use super::build::{self, SMALL, User, options};
use crate::symbols::debug::inlined::{Inlined, Wanted, in_image};
use crate::symbols::debug::{Unknown, inlined};
use crate::symbols::{Image, Slide, file_symbols};

/// The lines of the fixtures in which `small` is called.
fn lines(places: &[Inlined]) -> Vec<(String, u64)> {
    let line = |place: &Inlined| {
        let (file, line) = place.call.clone().unwrap();
        let file = file.rsplit('/').next().unwrap().to_owned();
        (file, line)
    };
    let mut lines: Vec<_> = places.iter().map(line).collect();
    lines.sort();
    lines.dedup();
    lines
}

fn line_of(fixture: &str, text: &str) -> u64 {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = root.join("tests/fixtures/debug").join(fixture);
    let source = std::fs::read_to_string(source).unwrap();
    let line = source.lines().position(|line| line.contains(text)).unwrap();
    line as u64 + 1
}

#[test]
fn callers_and_lines_are_told_for_each_kind_of_debug_information() {
    let mine = (
        "user.rs".to_owned(),
        line_of("user.rs", "the line of the inlined calls"),
    );
    let its = ("dep.rs".to_owned(), line_of("dep.rs", "small(5)"));
    for (number, (opt_level, debug, mangling)) in [
        ("2", "2", "v0"),
        ("3", "1", "v0"),
        ("3", "2", "legacy"),
        ("2", "1", "legacy"),
        ("2", "line-tables-only", "v0"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("inlined_{number}");
        let [path, _] = build::users(&name, options(opt_level, debug, mangling));
        let library = User::load(&path);
        let into = inlined(library.address(SMALL)).unwrap();
        let own: Vec<_> = into
            .places
            .into_iter()
            .filter(|place| place.module == path)
            .collect();
        let told = lines(&own);
        assert!(
            told.contains(&mine),
            "{opt_level} {debug} {mangling}: {own:?}"
        );
        assert!(
            told.contains(&its),
            "{opt_level} {debug} {mangling}: {own:?}"
        );
        assert_eq!(told.len(), 2, "{own:?}");
        for place in &own {
            assert_eq!(place.is_certain, debug != "line-tables-only");
            assert!(!place.code.is_empty());
            let caller = crate::symbol(&format!("{:#x}", place.caller_address)).unwrap();
            let end = place.caller_address + caller.size;
            assert!(
                place.code.iter().any(|code| code.end <= end),
                "{place:?} {caller:?}"
            );
            assert_eq!(place.caller, caller.name);
        }
        assert!(own.iter().any(|place| place.caller == "uses"), "{own:?}");
        let unknown = into.unknown.iter().find(|(module, _)| *module == path);
        assert!(unknown.is_none(), "{unknown:?}");
    }
}

#[test]
fn what_is_not_inlined_has_no_places() {
    let [path, _] = build::users("inlined_none", options("0", "2", "v0"));
    let library = User::load(&path);
    for number in 0..8 {
        let into = inlined(library.address(number)).unwrap();
        let own = into.places.iter().filter(|place| place.module == path);
        assert_eq!(own.count(), 0, "{number}");
    }
}

#[test]
fn other_instances_that_are_inlined_do_not_count() {
    for mangling in ["v0", "legacy"] {
        let name = format!("inlined_instances_{mangling}");
        let [path, _] = build::users(&name, options("3", "2", mangling));
        let library = User::load(&path);
        let into = inlined(library.address(build::GENERIC_U8)).unwrap();
        let own = into.places.iter().filter(|place| place.module == path);
        assert_eq!(own.count(), 0, "{mangling}");
    }
}

#[test]
fn code_that_is_not_described_is_not_taken_for_code_without_calls() {
    // Only the standard library has debug information.
    let [path, _] = build::users("inlined_partly", options("2", "0", "v0"));
    let library = User::load(&path);
    let into = inlined(library.address(SMALL)).unwrap();
    assert!(!into.places.iter().any(|place| place.module == path));
    let unknown = into.unknown.iter().find(|(module, _)| *module == path);
    assert!(
        matches!(unknown, Some((_, Unknown::Partly { .. }))),
        "{into:?}"
    );
}

#[test]
fn without_debug_information_it_is_unknown() {
    let [path, _] = build::users("inlined_unknown", options("2", "0", "v0"));
    // The standard library in it has some, so that is cut off.
    build::run("strip", &["--strip-debug".as_ref(), path.as_os_str()]);
    let library = User::load(&path);
    let into = inlined(library.address(SMALL)).unwrap();
    let unknown = into.unknown.iter().find(|(module, _)| *module == path);
    assert!(
        matches!(unknown, Some((_, Unknown::None { .. }))),
        "{into:?}"
    );
    // Nobody expects the C library to have functions of Rust inlined.
    let of_c = |module: &std::path::Path| module.to_string_lossy().contains("libc.so");
    assert!(
        !into.unknown.iter().any(|(module, _)| of_c(module)),
        "{into:?}"
    );
}

#[test]
fn a_library_of_rust_that_is_stripped_is_not_taken_for_one_of_c() {
    let name = "inlined_stripped";
    let [path, other] = build::users(name, options("2", "1", "v0"));
    build::run("strip", &["--strip-all".as_ref(), path.as_os_str()]);
    let (_stripped, library) = (User::load(&path), User::load(&other));
    let into = inlined(library.address(SMALL)).unwrap();
    assert!(into.places.iter().any(|place| place.module == other));
    let unknown = into.unknown.iter().find(|(module, _)| *module == path);
    assert!(
        matches!(unknown, Some((_, Unknown::None { .. }))),
        "{into:?}"
    );
}

#[test]
fn a_debug_file_answers_for_a_stripped_library() {
    let [path, _] = build::users("inlined_split", options("2", "1", "v0"));
    let debug = path.with_extension("debug");
    let only = [
        "--only-keep-debug".as_ref(),
        path.as_os_str(),
        debug.as_os_str(),
    ];
    build::run("objcopy", &only);
    build::run("strip", &["--strip-all".as_ref(), path.as_os_str()]);
    let link = format!("--add-gnu-debuglink={}", debug.display());
    build::run("objcopy", &[link.as_ref(), path.as_os_str()]);
    let library = User::load(&path);
    let into = inlined(library.address(SMALL)).unwrap();
    let own: Vec<_> = into
        .places
        .into_iter()
        .filter(|place| place.module == path)
        .collect();
    assert_eq!(lines(&own).len(), 2, "{own:?} {:?}", into.unknown);
}

#[test]
fn a_file_that_is_not_loaded_can_be_asked() {
    let [path, _] = build::users("inlined_file", options("2", "2", "v0"));
    let image = Image::open(&path).unwrap();
    let small = file_symbols(&image, "dep::inner::small").unwrap();
    let wanted = Wanted::in_file(&image, small[0].address);
    let (places, unknown) = in_image(&image, Slide::default(), &wanted).unwrap();
    assert_eq!(unknown, None);
    assert_eq!(lines(&places).len(), 2, "{places:?}");
}
