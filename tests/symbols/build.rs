//! Builds fixtures. Each test uses a folder of its own, so that tests can run
//! at the same time.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("symbols")
        .join(test);
    // What an earlier run left could hide a mistake of this one.
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/fixtures/symbols").join(name)
}

/// Set where this machine is emulated and tools are the host's: what their names for this
/// machine begin with.
fn prefix() -> Option<String> {
    std::env::var("MIDAIR_TOOLS").ok()
}

fn name_of(tool: &str) -> String {
    match prefix() {
        Some(prefix) if tool == "cc" => prefix + "gcc",
        Some(prefix) => prefix + tool,
        None => tool.to_owned(),
    }
}

/// Runs a tool that must be there and must succeed.
pub(crate) fn run<I: AsRef<OsStr>>(tool: &str, arguments: impl IntoIterator<Item = I>) {
    let mut command = Command::new(name_of(tool));
    command.args(arguments);
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{tool} is needed: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{errors}");
}

/// A shared library from a fixture in C or assembly.
pub(crate) fn c_library(source: &str, library: &Path, flags: &[&str]) {
    let source = fixture(source);
    let mut arguments: Vec<&OsStr> = vec!["-shared".as_ref(), "-fPIC".as_ref(), "-O1".as_ref()];
    arguments.extend(flags.iter().map(OsStr::new));
    arguments.extend([OsStr::new("-o"), library.as_os_str(), source.as_os_str()]);
    run("cc", arguments);
}

/// A shared library of Rust with that crate name and mangling.
pub(crate) fn rust_library(crate_name: &str, mangling: &str, library: &Path) {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let mangling = format!("symbol-mangling-version={mangling}");
    let mut arguments = vec![
        "--edition=2024",
        "--crate-type=cdylib",
        "--crate-name",
        crate_name,
    ];
    arguments.extend(["-Copt-level=1", "-Cdebuginfo=0", "-C", &mangling]);
    // Asking for the older mangling by name is unstable, default or not.
    arguments.extend(["-Zunstable-options", "-o"]);
    let source = fixture("shapes.rs");
    let arguments = arguments.into_iter().map(OsStr::new);
    let arguments = arguments.chain([library.as_os_str(), source.as_os_str()]);
    let mut command = Command::new(&rustc);
    command.env("RUSTC_BOOTSTRAP", "1").args(arguments);
    if prefix().is_some() {
        let target = format!("--target={}-unknown-linux-gnu", std::env::consts::ARCH);
        let linker = format!("-Clinker={}", name_of("cc"));
        command.args([target, linker]);
    }
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{errors}");
}

/// Loads a library. Its constructors do nothing.
pub(crate) fn load(library: &Path) -> libloading::Library {
    // SAFETY: the fixtures have no constructors.
    unsafe { libloading::Library::new(library) }.unwrap()
}

/// Where the dynamic linker says a symbol of a library is.
pub(crate) fn address_in(library: &libloading::Library, name: &str) -> usize {
    // SAFETY: only the address is used.
    let symbol = unsafe { library.get::<*const ()>(name) }.unwrap();
    // SAFETY: as above.
    let raw = unsafe { symbol.into_raw() };
    raw.as_raw_ptr().addr()
}
