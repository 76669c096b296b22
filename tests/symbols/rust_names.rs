//! Rust names in both manglings.

use midair::symbols::{Image, SymbolError, file_symbols, symbol, symbols};

use crate::build;

fn library(crate_name: &str, mangling: &str) -> libloading::Library {
    let folder = build::folder(crate_name);
    let path = folder.join(format!("lib{crate_name}.so"));
    build::rust_library(crate_name, mangling, &path);
    build::load(&path)
}

fn candidates(query: &str) -> Vec<String> {
    match symbol(query) {
        Err(SymbolError::Ambiguous { candidates, .. }) => {
            let mut names: Vec<String> = candidates.into_iter().map(|found| found.name).collect();
            names.sort();
            names
        }
        other => panic!("{query}: {other:?}"),
    }
}

#[test]
fn legacy_names_are_found_with_and_without_hash() {
    let _library = library("midair_legacy", "legacy");
    let found = symbol("midair_legacy::inner::only").unwrap();
    assert!(
        found
            .raw_name
            .starts_with("_ZN13midair_legacy5inner4only17h"),
        "{found:?}"
    );
    let with_hash = rustc_demangle(&found.raw_name);
    assert!(with_hash.contains("only::h"), "{with_hash}");
    assert_eq!(symbol(&with_hash).unwrap().address, found.address);
    assert_eq!(symbol(&found.raw_name).unwrap().address, found.address);
    assert!(symbol("midair_legacy::inner::private").unwrap().is_local());
    // Legacy names do not show the types of an instance.
    assert_eq!(
        candidates("midair_legacy::inner::generic"),
        ["midair_legacy::inner::generic"; 2]
    );
    let speak = "<midair_legacy::inner::Held<u32> as midair_legacy::inner::Speak>::speak";
    assert_eq!(symbol(speak).unwrap().name, speak);
    assert_eq!(symbols("midair_legacy::inner::gr??e").unwrap().len(), 1);
    assert_eq!(
        symbol("midair_legacy::inner::größe").unwrap().name,
        "midair_legacy::inner::größe"
    );
}

#[test]
fn v0_names_are_found_with_and_without_arguments() {
    let _library = library("midair_v0", "v0");
    let found = symbol("midair_v0::inner::only").unwrap();
    assert!(found.raw_name.starts_with("_R"), "{found:?}");
    let with_hash = rustc_demangle(&found.raw_name);
    assert!(with_hash.starts_with("midair_v0["), "{with_hash}");
    assert_eq!(symbol(&with_hash).unwrap().address, found.address);
    assert!(symbol("midair_v0::inner::private").unwrap().is_local());
    assert_eq!(
        candidates("midair_v0::inner::generic"),
        [
            "midair_v0::inner::generic::<u32>",
            "midair_v0::inner::generic::<u8>"
        ]
    );
    let one = symbol("midair_v0::inner::generic::<u8>").unwrap();
    assert_eq!(one.name, "midair_v0::inner::generic::<u8>");
    for query in [
        "midair_v0::inner::Held::value",
        "<midair_v0::inner::Held>::value",
        "<midair_v0::inner::Held<u16>>::value",
    ] {
        let found = symbol(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        assert_eq!(found.name, "<midair_v0::inner::Held<u16>>::value");
    }
    let speak = "<midair_v0::inner::Held<u32> as midair_v0::inner::Speak>::speak";
    assert_eq!(symbol(speak).unwrap().name, speak);
    assert_eq!(
        symbol("midair_v0::inner::größe").unwrap().name,
        "midair_v0::inner::größe"
    );
    let closures = symbols("midair_v0::inner::all::{closure#?}").unwrap();
    assert!(!closures.is_empty());
}

#[test]
fn a_file_that_is_not_loaded_can_be_asked_too() {
    let folder = build::folder("unloaded");
    let path = folder.join("libmidair_unloaded.so");
    build::rust_library("midair_unloaded", "v0", &path);
    let image = Image::open(&path).unwrap();
    let found = file_symbols(&image, "midair_unloaded::inner::*").unwrap();
    let only = found
        .iter()
        .find(|found| found.name.ends_with("::only"))
        .unwrap();
    assert_eq!(
        image.symbol_name_at(only.address).as_deref(),
        Some(only.name.as_str())
    );
    let extent = image.functions().extent(only.address).unwrap();
    assert!(extent.size() >= only.size);
    assert!(image.code(only.address, only.size as usize).is_some());
    let error = file_symbols(&image, "midair_unloaded::inner::onyl").unwrap_err();
    assert!(
        error.to_string().contains("midair_unloaded::inner::only"),
        "{error}"
    );
}

#[test]
fn every_name_is_found_by_each_of_its_forms() {
    // The filter before demangling must never hide a match.
    let folder = build::folder("forms");
    for mangling in ["legacy", "v0"] {
        let path = folder.join(format!("libmidair_forms_{mangling}.so"));
        build::rust_library(&format!("forms_{mangling}"), mangling, &path);
        let image = Image::open(&path).unwrap();
        let all = file_symbols(&image, "*").unwrap();
        assert!(all.len() > 200, "{}", all.len());
        for symbol in &all {
            let whole = rustc_demangle(&symbol.raw_name);
            let middle = symbol.name.get(1..).unwrap_or_default();
            let glob = format!("?{middle}");
            for form in [&symbol.name, &symbol.raw_name, &whole, &glob] {
                let found = file_symbols(&image, form).unwrap_or_default();
                let is_there = found.iter().any(|found| found.address == symbol.address);
                assert!(is_there, "{form} does not find {symbol:?}");
            }
        }
    }
}

fn rustc_demangle(raw: &str) -> String {
    rustc_demangle::demangle(raw).to_string()
}
