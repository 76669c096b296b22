//! Compiles fixtures as their users would.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder for one test's files, empty.
pub(super) fn folder(test: &str) -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    // deps/.. is the folder of the profile.
    let folder = exe.parent().unwrap().join("../debug-tests").join(test);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    folder.canonicalize().unwrap()
}

/// How the compiler is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) opt_level: &'static str,
    pub(super) debug: &'static str,
    pub(super) mangling: &'static str,
}

pub(super) fn options(
    opt_level: &'static str,
    debug: &'static str,
    mangling: &'static str,
) -> Options {
    Options {
        opt_level,
        debug,
        mangling,
    }
}

/// Runs rustc on a fixture.
pub(super) fn rustc<S: AsRef<OsStr>>(fixture: &str, output: &Path, options: Options, more: &[S]) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/debug")
        .join(fixture);
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let mut command = Command::new(rustc);
    // Asking for the older mangling by name is unstable, default or not.
    command
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["--edition=2024", "-Zunstable-options"]);
    command.arg(format!("-Copt-level={}", options.opt_level));
    command.arg(format!("-Cdebuginfo={}", options.debug));
    command.arg(format!("-Csymbol-mangling-version={}", options.mangling));
    command.args(more).arg("-o").arg(output).arg(source);
    let result = command.output().unwrap();
    let errors = String::from_utf8_lossy(&result.stderr);
    assert!(result.status.success(), "{command:?}\n{errors}");
}

/// Runs a tool that must be there and must succeed.
pub(super) fn run(tool: &str, arguments: &[&OsStr]) {
    let result = Command::new(tool).args(arguments).output();
    let result = result.unwrap_or_else(|error| panic!("{tool} is needed: {error}"));
    let errors = String::from_utf8_lossy(&result.stderr);
    assert!(result.status.success(), "{tool} {arguments:?}\n{errors}");
}

/// Libraries `name_a` and `name_b` that both use the crate `dep`.
pub(super) fn users(name: &str, options: Options) -> [PathBuf; 2] {
    let folder = folder(name);
    let dep = folder.join("libdep.rlib");
    rustc(
        "dep.rs",
        &dep,
        options,
        &["--crate-type=rlib", "--crate-name=dep", "-Ccodegen-units=1"],
    );
    ["a", "b"].map(|letter| {
        let library = folder.join(format!("lib{name}_{letter}.so"));
        let more = [
            "--crate-type=cdylib".to_owned(),
            format!("--crate-name={name}_{letter}"),
            format!("--extern=dep={}", dep.display()),
        ];
        rustc("user.rs", &library, options, &more);
        library
    })
}

/// A library of [`users`], loaded.
pub(super) struct User(libloading::Library);

impl User {
    pub(super) fn load(path: &Path) -> User {
        // SAFETY: the fixtures have no constructors.
        User(unsafe { libloading::Library::new(path) }.unwrap())
    }

    /// The address of one of its functions.
    pub(super) fn address(&self, number: u32) -> usize {
        // SAFETY: the fixture defines it so.
        let address: libloading::Symbol<extern "C" fn(u32) -> *const ()> =
            unsafe { self.0.get("address") }.unwrap();
        address(number).addr()
    }
}

pub(super) const SMALL: u32 = 0;
pub(super) const GENERIC_U8: u32 = 1;
pub(super) const GENERIC_U32: u32 = 2;
pub(super) const CALLS_PRIVATE: u32 = 3;
pub(super) const GET_U8: u32 = 4;
pub(super) const GET_U64: u32 = 5;
pub(super) const ONE: u32 = 7;
pub(super) const TWO: u32 = 8;
