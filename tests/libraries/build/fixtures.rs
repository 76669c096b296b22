//! Compiles and links `fixtures/` into `libmidair_fixtures.so`, and `many/` into
//! `libmidair_many.so`.

use crate::link;
use std::fs;
use std::path::Path;

/// Builds both libraries in the folder `out`.
///
/// Each source is an object of its own and there is no link-time
/// optimisation: a driver must really call the function it drives.
pub(crate) fn build(out: &Path) {
    shared_object("fixtures", &out.join("libmidair_fixtures.so"));
    shared_object("many", &out.join("libmidair_many.so"));
}

fn shared_object(folder: &str, library: &Path) {
    println!("cargo::rerun-if-changed={folder}");
    let mut sources: Vec<_> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("failed to read {folder}: {error}"))
        .map(|entry| entry.expect("an entry of a folder can be read").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|kind| kind == "S" || kind == "c")
        })
        .collect();
    sources.sort();

    let mut command = link::compiler();
    command
        .args(["-g", "-Wall", "-Wextra", "-shared", "-Wl,-Bsymbolic"])
        .args(sources)
        .arg(link::soname(library))
        .arg("-o")
        .arg(library);
    link::run(command);
}
