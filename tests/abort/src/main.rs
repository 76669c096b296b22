//! Mocks in a program that does not unwind: what fails ends the process, and has
//! said why.
//!
//! `CARGO_PROFILE_DEV_PANIC=abort cargo run -p midair-abort`
//!
//! The program runs itself once for each way to end.

use midair::mock;
use std::hint::black_box;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

#[inline(never)]
fn add(a: u32, b: u32) -> u32 {
    black_box(a) + b
}

#[inline(never)]
extern "C" fn of_c(n: u32) -> u32 {
    black_box(n)
}

/// Each has a name and what it says at its end.
const ENDS: [(&str, &str); 4] = [
    ("panics", "the mock's own"),
    (
        "unmet",
        "was expected to be called 2 times, and was called once",
    ),
    ("exhausted", "mocked to return 1 values in order"),
    ("of-c", "in C"),
];

fn end(how: &str) {
    match how {
        "panics" => {
            let _mock = mock!(add => |_, _| panic!("the mock's own"));
            add(1, 2);
        }
        "unmet" => {
            let mock = mock!(add).returns(1).times(2);
            add(1, 2);
            drop(mock);
        }
        "exhausted" => {
            let _mock = mock!(add).returns_in_order([1]);
            add(add(1, 2), 3);
        }
        // So it is in programs that unwind, too.
        _ => {
            let _mock = mock!(of_c as extern "C" fn(_) -> _ => |_| panic!("in C"));
            of_c(1);
        }
    }
}

fn main() {
    if let Some(how) = std::env::args().nth(1) {
        end(&how);
        return;
    }
    let mock = mock!(add => |a, b| call_original!(a, b) * 10).times(2);
    let thread = std::thread::spawn(|| add(1, 2)).join();
    assert_eq!((thread.ok(), add(2, 2)), (Some(30), 40));
    drop(mock);
    assert_eq!(add(1, 2), 3);
    let _id = mock!(std::process::id).returns(1);
    assert_eq!(std::process::id(), 1);

    let own = std::env::current_exe().expect("/proc is there");
    for (how, says) in ENDS {
        if cfg!(panic = "unwind") && how != "of-c" {
            continue;
        }
        let ended = Command::new(&own).arg(how).output().expect("it is there");
        let text = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.signal(), Some(libc::SIGABRT), "{how}: {text}");
        assert!(text.contains(says), "{how}: {text}");
        println!("{how}: {}", says);
    }
    println!(
        "panic = {}",
        if cfg!(panic = "abort") {
            "abort"
        } else {
            "unwind"
        }
    );
}
