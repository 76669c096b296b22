//! Compiles and links `fixtures/` into `libmidair_fixtures.so`, `many/` into
//! `libmidair_many.so`, and `fixtures/cpp` into `libmidair_throws.so` if there
//! is a C++ compiler.

use crate::link;
use std::fs;
use std::path::Path;

/// Builds the libraries of this machine in the folder `out`.
///
/// Each source is an object of its own and there is no link-time
/// optimisation: a driver must really call the function it drives.
pub(crate) fn build(machine: &str, out: &Path) {
    let shapes = out.join("libmidair_fixtures.so");
    match machine {
        "x86_64" => {
            shared_object("fixtures", &shapes);
            shared_object("many", &out.join("libmidair_many.so"));
        }
        "aarch64" => shared_object("fixtures/aarch64", &shapes),
        other => println!("cargo::warning=there are no fixtures for {other}"),
    }
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

/// Builds the C++ fixtures in the folder `out`, and tells the crate where.
pub(crate) fn build_cpp(out: &Path) {
    let Some(mut command) = link::cpp_compiler() else {
        println!(
            "cargo::warning=no C++ compiler (c++): what midair does to C++ exceptions is NOT \
             tested; install g++"
        );
        return;
    };
    let library = out.join("libmidair_throws.so");
    command
        .args(["-g", "-Wall", "-Wextra", "-shared", "-Wl,-Bsymbolic"])
        .arg("fixtures/cpp/throws.cpp")
        .arg(link::soname(&library))
        .arg("-o")
        .arg(&library);
    link::run(command);
    println!("cargo::rustc-env=MIDAIR_THROWS={}", library.display());
}
