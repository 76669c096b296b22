//! Runs the C compiler: the tool that the `cc` crate finds for this target,
//! with the options that the fixtures and the libraries share.
//!
//! `-Bsymbolic` binds a library's references to its own functions, so that two
//! copies of zlib in one process (ours and Debian's, say) never call into each
//! other.

use std::path::Path;
use std::process::Command;

/// The compiler, at `-O2`, position-independent and with no frame pointers:
/// what distributions build with, whatever Cargo's profile is.
pub(crate) fn compiler() -> Command {
    cc::Build::new()
        .opt_level(2)
        .debug(false)
        .force_frame_pointer(false)
        .pic(true)
        .get_compiler()
        .to_command()
}

/// The C++ compiler with the same options, if there is one.
pub(crate) fn cpp_compiler() -> Option<Command> {
    let tool = cc::Build::new()
        .cpp(true)
        .opt_level(2)
        .debug(false)
        .force_frame_pointer(false)
        .pic(true)
        .try_get_compiler()
        .ok()?;
    let answers = tool.to_command().arg("--version").output();
    answers
        .is_ok_and(|answer| answer.status.success())
        .then(|| tool.to_command())
}

/// Links every member of `archive` into the shared object `library`.
pub(crate) fn whole_archive(archive: &Path, library: &Path, with: &[&str]) {
    let mut command = compiler();
    command
        .args(["-shared", "-Wl,-Bsymbolic", "-Wl,--whole-archive"])
        .arg(archive)
        .arg("-Wl,--no-whole-archive")
        .args(with)
        .arg(soname(library))
        .arg("-o")
        .arg(library);
    run(command);
}

/// The linker option that gives `library` its file name as soname.
pub(crate) fn soname(library: &Path) -> String {
    let name = library.file_name().expect("a library has a file name");
    format!("-Wl,-soname,{}", name.display())
}

/// Runs `command` and stops the build, with its output shown, if it fails.
pub(crate) fn run(mut command: Command) {
    let status = command
        .status()
        .unwrap_or_else(|error| panic!("failed to start {command:?}: {error}"));
    assert!(status.success(), "{command:?} ended with {status}");
}
