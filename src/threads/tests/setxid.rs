//! glibc uses the same signal to change the user of all threads.

use super::{look_at, thread_that};
use crate::threads::front;
use crate::threads::look::Outcome;
use crate::threads::tasks;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set in a process in which we come before glibc.
const FIRST: &std::ffi::CStr = c"MIDAIR_TEST_FRONT_FIRST";

/// Runs before `main`, when there is no second thread yet.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = {
    extern "C" fn before_main() {
        // SAFETY: the name is a C string; nobody changes the environment yet.
        if !unsafe { libc::getenv(FIRST.as_ptr()) }.is_null() {
            front::ensure().expect("the signal is to be had");
        }
    }
    before_main
};

/// The real group of a thread, by the kernel.
fn group_of(tid: i32) -> String {
    let status = std::fs::read_to_string(format!("/proc/self/task/{tid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("Gid:"))
        .unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().to_owned()
}

/// Threads asleep and running follow a `setgid`, before and after they were
/// looked at.
fn all_threads_change_their_group() {
    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..6)
        .map(|number| {
            let stop = Arc::clone(&stop);
            thread_that(move || {
                while !stop.load(Ordering::Relaxed) {
                    if number % 2 == 0 {
                        std::thread::sleep(std::time::Duration::from_millis(20));
                    }
                }
            })
        })
        .collect();
    // SAFETY: takes no pointers.
    let is_root = unsafe { libc::getuid() } == 0;
    for round in 0..20 {
        for (tid, _) in &threads {
            assert!(matches!(look_at(*tid), Outcome::Seen(_)));
        }
        // SAFETY: takes no pointers.
        let own = unsafe { libc::getgid() };
        let group = if is_root { 4000 + round } else { own };
        // SAFETY: glibc makes all threads do it, by signal 33.
        assert_eq!(unsafe { libc::setgid(group) }, 0);
        // SAFETY: as above; the user stays as it is.
        assert_eq!(unsafe { libc::setuid(libc::getuid()) }, 0);
        for tid in tasks::list().unwrap() {
            assert_eq!(group_of(tid), group.to_string(), "of {tid}");
        }
    }
    stop.store(true, Ordering::Relaxed);
    for (_, thread) in threads {
        thread.join().expect("it does not panic");
    }
}

/// In a process of its own, for it changes the group of all threads.
fn alone(name: &str, first: bool) {
    let mut command = Command::new(std::env::current_exe().expect("a test has a file"));
    command.args(["--exact", "--ignored", "--nocapture", name]);
    if first {
        command.env(FIRST.to_str().expect("it is ASCII"), "1");
    }
    let output = command.output().expect("it can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "started by the tests below"]
fn the_group_changes() {
    all_threads_change_their_group();
}

#[test]
fn setgid_reaches_all_threads_with_our_handler_in_front() {
    alone("threads::tests::setxid::the_group_changes", false);
}

#[test]
fn setgid_reaches_all_threads_where_glibc_came_after_us() {
    alone("threads::tests::setxid::the_group_changes", true);
}
