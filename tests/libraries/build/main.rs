//! Makes the shared objects that the tests patch, in `OUT_DIR`:
//! `libmidair_z.so`, `libmidair_sqlite3.so`, `libmidair_fixtures.so` and
//! `libmidair_many.so`.
//!
//! The first two are the static archives that `libz-sys` and `libsqlite3-sys`
//! have compiled, linked whole; the others are `fixtures/` and `many/`. None is
//! stripped, so that functions which are `static` in C keep their names in
//! `.symtab`, as they do in a program that somebody is working on.
//!
//! Needs a C compiler and its linker, nothing else. Does not look for, or
//! fall back to, what the system has installed. With a C++ compiler there is a
//! fifth, `libmidair_throws.so`; without one, a warning.

mod fixtures;
mod link;
mod visibility;

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=build");
    let out = folder("OUT_DIR");

    let zlib = visibility::export_functions(
        &folder("DEP_Z_ROOT").join("lib/libz.a"),
        &out.join("libz-exported.a"),
    );
    link::whole_archive(&zlib, &out.join("libmidair_z.so"), &[]);

    let sqlite = folder("DEP_SQLITE3_LIB_DIR").join("libsqlite3.a");
    link::whole_archive(
        &sqlite,
        &out.join("libmidair_sqlite3.so"),
        &["-lm", "-ldl", "-lpthread"],
    );

    fixtures::build_cpp(&out);

    // The fixtures are assembly.
    let machine = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets it");
    fixtures::build(&machine, &out);
}

/// The folder that Cargo names in the environment variable `name`.
fn folder(name: &str) -> PathBuf {
    env::var_os(name)
        .unwrap_or_else(|| panic!("cargo did not set {name}"))
        .into()
}
