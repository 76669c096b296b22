//! What cargo starts a program by: nothing, or the runner that is configured for its
//! target (`target.….runner`, `CARGO_TARGET_…_RUNNER`), such as an emulator.
//!
//! The agent is preloaded into whatever the runner starts. It does nothing but in the
//! program itself. qemu's emulators of single programs are told by an option, for the
//! dynamic linker of the host would complain of a library of another machine.

use cargo_config2::{Config, PathAndArgs};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

pub(crate) struct Runner(PathAndArgs);

impl Runner {
    /// The one that cargo would use here for programs of this target.
    pub(crate) fn of(target: Option<&str>) -> Result<Option<Self>, String> {
        let found = || {
            let config = Config::load()?;
            match target {
                Some(target) => config.runner(target),
                None => config.runner(config.host_triple()?),
            }
        };
        let runner = found().map_err(|e| format!("cargo's configuration: {e}"))?;
        Ok(runner.map(Self))
    }

    /// Starts the program, with its arguments still to come.
    pub(crate) fn command(&self, copy: &Path, executable: &Path, preload: &OsStr) -> Command {
        let mut command = Command::new(&self.0.path);
        command.args(&self.0.args);
        // qemu takes a comma for the end of a variable.
        if self.is_emulator() && !preload.as_bytes().contains(&b',') {
            let mut variable = OsString::from("LD_PRELOAD=");
            variable.push(preload);
            command.arg("-0").arg(executable);
            command.arg("-E").arg(variable);
        } else {
            command.env("LD_PRELOAD", preload);
        }
        command.arg(copy);
        command
    }

    /// Whether it is qemu's emulator of single programs.
    fn is_emulator(&self) -> bool {
        let name = self.0.path.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        name.strip_prefix("qemu-")
            .is_some_and(|rest| !rest.starts_with("system"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command line that starts `/c` by this runner, and what is set for it.
    fn started_by(runner: &str, args: &[&str], agent: &str) -> (Vec<String>, usize) {
        let mut found = PathAndArgs::new(runner);
        found.args(args);
        let command = Runner(found).command("/c".as_ref(), "/e".as_ref(), agent.as_ref());
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words = words.map(|word| word.to_str().unwrap().to_owned());
        (words.collect(), command.get_envs().count())
    }

    #[test]
    fn an_emulator_is_told_by_an_option_what_to_preload() {
        let (words, variables) = started_by("/usr/bin/qemu-aarch64", &["-L", "/r"], "/a.so");
        let expected = [
            "/usr/bin/qemu-aarch64",
            "-L",
            "/r",
            "-0",
            "/e",
            "-E",
            "LD_PRELOAD=/a.so",
            "/c",
        ];
        assert_eq!(words, expected);
        assert_eq!(variables, 0);
    }

    #[test]
    fn any_other_runner_hands_its_environment_on() {
        let (words, variables) = started_by("strace", &["-f"], "/a.so");
        assert_eq!(words, ["strace", "-f", "/c"]);
        assert_eq!(variables, 1);
        // So does an emulator to which the path would be two variables.
        let (words, variables) = started_by("qemu-aarch64", &[], "/a,b.so");
        assert_eq!(words, ["qemu-aarch64", "/c"]);
        assert_eq!(variables, 1);
    }
}
