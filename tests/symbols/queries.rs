//! Names, globs and addresses in this process.

use std::ffi::CString;

use midair::symbols::{SymbolBinding, SymbolError, SymbolKind, symbol, symbols};

use crate::build;

#[inline(never)]
fn private_function_of_the_test(value: u64) -> u64 {
    std::hint::black_box(value) + 1
}

fn dlsym(name: &str) -> usize {
    let name = CString::new(name).unwrap();
    // SAFETY: the name is NUL-terminated.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }.addr()
}

#[test]
fn a_private_function_of_this_program_is_found_by_its_rust_path() {
    let function: fn(u64) -> u64 = private_function_of_the_test;
    let found = symbol("symbols::queries::private_function_of_the_test").unwrap();
    assert_eq!(found.address.addr(), function as usize);
    assert_eq!(found.name, "symbols::queries::private_function_of_the_test");
    assert!(found.size > 0);
    assert_eq!(found.kind, SymbolKind::Function);
    let raw = symbol(&found.raw_name).unwrap();
    assert_eq!(raw.address, found.address);
    let by_address = symbol(&format!("{:#x}", function as usize)).unwrap();
    assert_eq!(by_address.name, found.name);
    // The program's file is symbols-<hash>.
    let qualified = symbol("symbols::symbols::queries::private_function_of_the_test").unwrap();
    assert_eq!(qualified.address, found.address);
}

#[test]
fn an_address_in_the_middle_of_a_function_tells_the_function() {
    let function: fn(u64) -> u64 = private_function_of_the_test;
    let middle = function as usize + 1;
    match symbol(&format!("{middle:#x}")) {
        Err(SymbolError::NotAFunction {
            address, inside, ..
        }) => {
            assert_eq!(address, middle);
            let (name, start) = inside.unwrap();
            assert!(name.ends_with("private_function_of_the_test"), "{name}");
            assert_eq!(start, function as usize);
        }
        other => panic!("{other:?}"),
    }
    let error = symbol("0x10").unwrap_err();
    assert!(
        matches!(error, SymbolError::NotAFunction { inside: None, .. }),
        "{error}"
    );
}

#[test]
fn functions_of_libc_are_where_the_dynamic_linker_says() {
    // Some of these the dynamic linker has for itself too.
    let names = "malloc calloc realloc free printf getpid qsort pthread_create read write open \
        close mmap exit abort";
    for name in names.split_ascii_whitespace() {
        let found = symbol(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(found.address.addr(), dlsym(name), "{name}");
        assert_eq!(found.module, "libc.so.6");
        let qualified = symbol(&format!("libc::{name}")).unwrap();
        assert_eq!(qualified.address, found.address);
        let by_file = symbol(&format!("libc.so.6::{name}")).unwrap();
        assert_eq!(by_file.address, found.address);
        let by_path = format!("{}::{name}", found.module_path.display());
        assert_eq!(symbol(&by_path).unwrap().address, found.address);
    }
}

#[test]
fn an_ifunc_of_libc_is_what_it_resolved_to() {
    for name in [
        "memcpy",
        "memmove",
        "strlen",
        "strchr",
        "time",
        "gettimeofday",
    ] {
        let found = symbol(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(found.address.addr(), dlsym(name), "{name}");
        if cfg!(all(target_arch = "x86_64", target_env = "gnu")) {
            assert!(
                matches!(found.kind, SymbolKind::IndirectFunction { .. }),
                "{name}"
            );
            assert!(found.size > 0, "{name}");
        }
        if let SymbolKind::IndirectFunction { resolver } = found.kind {
            assert_ne!(resolver, found.address.addr());
            let resolver = symbol(&format!("{resolver:#x}")).unwrap();
            assert_eq!(resolver.kind, SymbolKind::Function);
        }
    }
}

#[test]
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
fn a_version_kept_for_old_programs_is_found_only_by_its_version() {
    let current = symbol("libc.so.6::memcpy").unwrap();
    let old = symbol("memcpy@GLIBC_2.2.5").unwrap();
    assert_ne!(current.kind, old.kind);
    assert_eq!(old.raw_name, "memcpy@GLIBC_2.2.5");
    let by_version = symbol("memcpy@@GLIBC_2.14").unwrap();
    assert_eq!(by_version.address, current.address);
}

#[test]
fn ifuncs_of_a_library_resolve_whether_exported_or_not() {
    let folder = build::folder("ifuncs");
    let path = folder.join("libmidair_indirect.so");
    build::c_library("indirect.c", &path, &[]);
    let library = build::load(&path);
    let exported = symbol("indirect_exported").unwrap();
    let local = symbol("indirect_local").unwrap();
    assert_eq!(
        exported.address.addr(),
        build::address_in(&library, "indirect_exported")
    );
    assert_eq!(exported.address, local.address);
    assert_eq!(
        symbol("libmidair_indirect::implementation")
            .unwrap()
            .address,
        local.address
    );
    assert!(matches!(local.kind, SymbolKind::IndirectFunction { .. }));
    // All three are one function.
    let all = symbols("midair_indirect::*").unwrap();
    let same: Vec<_> = all
        .iter()
        .filter(|found| found.address == local.address)
        .collect();
    assert_eq!(same.len(), 1);
    let [one] = same[..] else { unreachable!() };
    for name in ["implementation", "indirect_exported", "indirect_local"] {
        assert!(
            one.name == name || one.aliases.iter().any(|alias| alias == name),
            "{one:?}"
        );
    }
}

#[test]
fn several_names_of_one_function_are_one_symbol() {
    let folder = build::folder("aliases");
    let path = folder.join("libmidair_aliases.so");
    build::c_library("plain.c", &path, &["-DPREFIX=aliases"]);
    let library = build::load(&path);
    let found = symbol("aliases_alias").unwrap();
    assert_eq!(
        found.address.addr(),
        build::address_in(&library, "aliases_visible")
    );
    assert_eq!(found.name, "aliases_alias");
    assert_eq!(found.aliases, ["aliases_visible"]);
    assert_eq!(found.binding, SymbolBinding::Global);
    let hidden = symbol("aliases_hidden").unwrap();
    assert!(hidden.is_local());
    let all = symbols("midair_aliases::aliases_*").unwrap();
    assert_eq!(all.len(), 3, "{all:?}");
}

#[test]
fn the_same_name_in_two_modules_is_ambiguous_until_qualified() {
    let folder = build::folder("twice");
    let mut libraries = Vec::new();
    for (file, value) in [
        ("libmidair_one.so", "-DVALUE=1"),
        ("libmidair_two.so", "-DVALUE=2"),
    ] {
        let path = folder.join(file);
        build::c_library("plain.c", &path, &["-DPREFIX=twice", value]);
        libraries.push(build::load(&path));
    }
    let error = symbol("twice_visible").unwrap_err();
    let SymbolError::Ambiguous { query, candidates } = &error else {
        panic!("{error}");
    };
    assert_eq!(query, "twice_visible");
    assert_eq!(candidates.len(), 2);
    let text = error.to_string();
    assert!(
        text.contains("libmidair_one.so::twice_visible at 0x"),
        "{text}"
    );
    assert!(text.contains("module::name"), "{text}");
    for (name, library) in ["midair_one", "libmidair_two.so"].iter().zip(&libraries) {
        let found = symbol(&format!("{name}::twice_visible")).unwrap();
        assert_eq!(
            found.address.addr(),
            build::address_in(library, "twice_visible")
        );
    }
    assert_eq!(symbols("twice_visible").unwrap().len(), 2);
}

#[test]
fn a_name_that_is_missing_is_answered_with_similar_ones() {
    for (query, near) in [
        ("getpidd", "getpid"),
        ("libc.so.6::prinft", "printf"),
        (
            "symbols::querys::private_function_of_the_tset",
            "symbols::queries::private_function_of_the_test",
        ),
    ] {
        match symbol(query) {
            Err(SymbolError::NotFound { nearest, .. }) => {
                assert!(
                    nearest.iter().any(|name| name == near),
                    "{query}: {nearest:?}"
                );
                assert!(nearest.len() <= 5);
            }
            other => panic!("{query}: {other:?}"),
        }
    }
    for query in [
        "",
        "::",
        "*::",
        "0xzz",
        "libc.so.6::",
        "a\0b",
        "ü",
        "<",
        "{",
        "@",
    ] {
        let error = symbol(query).unwrap_err();
        assert!(!error.to_string().is_empty());
    }
    assert!(matches!(
        symbols("no_such_*_name"),
        Err(SymbolError::NotFound { .. })
    ));
}

#[test]
fn a_glob_finds_functions_of_this_program() {
    let found = symbols("symbols::queries::private_function_of_*").unwrap();
    assert_eq!(found.len(), 1);
    let found = symbols("*::private_function_of_the_???t").unwrap();
    assert_eq!(found.len(), 1);
    let in_libc = symbols("libc.so.6::getpi?").unwrap();
    assert!(in_libc.iter().any(|found| found.name == "getpid"));
    assert!(in_libc.iter().all(|found| found.module == "libc.so.6"));
}
