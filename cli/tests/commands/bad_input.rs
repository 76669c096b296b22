//! Input that has no good answer: a message that says what to do, exit code 1,
//! nothing on stdout and no panic.

use crate::fixture::{LIBRARY, folder, midair};
use std::path::Path;

fn fails(folder: &Path, args: &[&str], message: &str) {
    midair(folder, args)
        .assert()
        .code(1)
        .stdout_eq("")
        .stderr_eq(message.to_owned());
}

#[test]
fn a_missing_file() {
    let folder = folder("bad_missing");
    let message = "error: cannot open nowhere.so: No such file or directory (os error 2)\n";
    fails(&folder, &["symbols", "nowhere.so", "*"], message);
    fails(&folder, &["inspect", "nowhere.so", "f"], message);
}

#[test]
fn no_elf_file() {
    let folder = folder("bad_text");
    std::fs::write(folder.join("text"), "not code\n").unwrap();
    fails(
        &folder,
        &["inspect", "text", "f"],
        "error: text is not an ELF file\n",
    );
    std::fs::write(folder.join("empty"), "").unwrap();
    for args in [["inspect", "empty", "f"], ["symbols", "empty", "f"]] {
        midair(&folder, &args)
            .assert()
            .code(1)
            .stdout_eq("")
            .stderr_eq("error: [..]empty[..]\n");
    }
}

#[test]
fn a_truncated_file_is_no_panic() {
    let folder = folder("bad_truncated");
    let whole = std::fs::read(folder.join(LIBRARY)).unwrap();
    for length in (0..whole.len())
        .step_by(199)
        .chain([17, 40, 63, 64, 65, 120])
    {
        let name = format!("cut-{length}.so");
        std::fs::write(folder.join(&name), &whole[..length]).unwrap();
        for args in [
            vec!["symbols", &name, "*"],
            vec!["inspect", &name, "framed"],
            vec!["inspect", &name, "--at", "10000"],
            vec!["coverage", &name],
        ] {
            let output = midair(&folder, &args).output().unwrap();
            let errors = String::from_utf8(output.stderr).unwrap();
            assert!(!errors.contains("panicked"), "{length}: {errors}");
            let code = output.status.code();
            assert!(
                code == Some(0) || code == Some(1) && !errors.is_empty(),
                "{length}: {code:?}"
            );
        }
    }
}

#[test]
fn bytes_that_were_damaged_are_no_panic() {
    let folder = folder("bad_damaged");
    let whole = std::fs::read(folder.join(LIBRARY)).unwrap();
    // Headers, then the tables that they lead to.
    for place in (16..whole.len()).step_by(61) {
        let mut damaged = whole.clone();
        let end = (place + 8).min(damaged.len());
        damaged[place..end].fill(0xff);
        std::fs::write(folder.join("damaged.so"), &damaged).unwrap();
        for args in [
            vec!["inspect", "damaged.so", "--at", "10000"],
            vec!["coverage", "damaged.so"],
        ] {
            let output = midair(&folder, &args).output().unwrap();
            let errors = String::from_utf8(output.stderr).unwrap();
            assert!(!errors.contains("panicked"), "{place}: {errors}");
            assert!(
                matches!(output.status.code(), Some(0 | 1)),
                "{place}: {:?}",
                output.status
            );
        }
    }
}

#[test]
fn an_unknown_symbol() {
    let folder = folder("bad_unknown");
    let message = "error: no function is named `frame`; nearest: `framed`, `framed.cold`\n";
    fails(&folder, &["symbols", LIBRARY, "frame"], message);
    fails(&folder, &["inspect", LIBRARY, "frame"], message);
}

#[test]
fn an_ambiguous_symbol() {
    let folder = folder("bad_ambiguous");
    let candidates = "\n  twin at 0x10080 (6 bytes)\n  twin at 0x100b0 (6 bytes)\n";
    let message = format!(
        "error: `twin` names 2 functions:{candidates}\
         choose one with --at ADDRESS, or use its raw name\n"
    );
    fails(&folder, &["inspect", LIBRARY, "twin"], &message);
    let message = format!("error: no function `twin` is at 0x10000; there is:{candidates}");
    fails(
        &folder,
        &["inspect", LIBRARY, "twin", "--at", "10000"],
        &message,
    );
}

#[test]
fn an_address_that_is_no_function() {
    let folder = folder("bad_address");
    let message = "error: 0x10004 is not the start of a function; \
                   it is 0x4 bytes into framed, ask for 0x10000\n";
    fails(&folder, &["inspect", LIBRARY, "--at", "10004"], message);
    let message = "error: no code is at 0xffffffffffffffff of libshapes.so; \
                   give the address that the file states, without the load address\n";
    fails(
        &folder,
        &["inspect", LIBRARY, "0xffffffffffffffff"],
        message,
    );
}

#[test]
fn a_process_that_is_not_there() {
    let folder = folder("bad_process");
    for number in ["99999999", "99999999999999999999"] {
        let message = format!(
            "error: no process {number} is running and no file has that name; \
             for a file write ./{number}\n"
        );
        fails(&folder, &["symbols", number, "malloc"], &message);
    }
    let pid = std::process::id().to_string();
    let output = midair(&folder, &["symbols", &pid, "libc::mallox"])
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("nearest: `malloc`"), "{errors}");
}

#[test]
fn a_command_line_that_makes_no_sense() {
    let folder = folder("bad_usage");
    for args in [
        &["inspect", LIBRARY][..],
        &["inspect", LIBRARY, "--at", "xyz"],
        &["symbols", LIBRARY],
        &["coverage"],
        &[],
    ] {
        midair(&folder, args).assert().code(2).stdout_eq("");
    }
}
