//! Programs that may have little.

use crate::program::{Program, redirected};
use crate::workspace::Workspace;

/// By a runner, as cargo has them: the compiler has no limit.
#[test]
fn a_program_with_a_limit_of_its_address_space_starts_and_is_edited() {
    let workspace = Workspace::of("cli/tests/fixtures/soak", "soak");
    std::fs::create_dir_all(workspace.root().join(".cargo")).unwrap();
    workspace.write(
        ".cargo/config.toml",
        "[target.'cfg(target_os = \"linux\")']\n\
         runner = ['sh', '-c', 'ulimit -v 700000; exec \"$0\" \"$@\"']\n",
    );
    let mut program = Program::with(workspace, &[]);
    program.wait_until_watched();
    assert_eq!(program.ask("answer"), "answer 0");
    let report = program.edit("src/main.rs", "\"answer {}\", 0", "\"answer {}\", 1");
    assert_eq!(redirected(&report), ["answer"], "{report:#}");
    assert_eq!(program.ask("answer"), "answer 1");
    assert_eq!(program.end(), 0);
}
