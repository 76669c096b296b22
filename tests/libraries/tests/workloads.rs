//! A workload gives the same digest every time.

use midair_libraries::workload::{crypto::Crypto, sqlite::Sqlite, zlib::Zlib};
use midair_libraries::{Error, installed, sqlite, zlib};
use std::path::Path;
use std::process::Command;

#[test]
fn zlib_gives_the_same_digest_twice_and_another_for_other_data() {
    let zlib = Zlib::load(zlib()).expect("our zlib loads");
    let first = zlib.round_trip(1, 60_000).expect("the workload runs");
    assert_eq!(first, zlib.round_trip(1, 60_000).expect("it runs again"));
    assert_ne!(
        first,
        zlib.round_trip(2, 60_000).expect("it runs with other data")
    );
}

#[test]
fn sqlite_gives_the_same_digest_twice_and_another_for_more_rows() {
    let sqlite = Sqlite::load(sqlite()).expect("our SQLite loads");
    let first = sqlite.run(2_000).expect("the workload runs");
    assert_eq!(first, sqlite.run(2_000).expect("it runs again"));
    assert_ne!(first, sqlite.run(2_001).expect("it runs with another row"));
}

#[test]
fn the_system_s_libraries_run_the_same_workloads() {
    if let Some(path) = installed("libz.so.1") {
        let zlib = Zlib::load(&path).expect("the system's zlib loads");
        let run = || zlib.round_trip(3, 20_000).expect("the workload runs");
        assert_eq!(run(), run());
    }
    if let Some(path) = installed("libsqlite3.so.0") {
        let sqlite = Sqlite::load(&path).expect("the system's SQLite loads");
        let run = || sqlite.run(1_000).expect("the workload runs");
        assert_eq!(run(), run());
    }
    if let Some(path) = installed("libcrypto.so.3") {
        let crypto = Crypto::load(&path).expect("the system's libcrypto loads");
        let run = || crypto.run(5).expect("the workload runs");
        assert_eq!(run(), run());
    }
}

#[test]
fn threads_run_workloads_together() {
    let sqlite = Sqlite::load(sqlite()).expect("our SQLite loads");
    let zlib = Zlib::load(zlib()).expect("our zlib loads");
    let alone = (sqlite.run(500), zlib.round_trip(9, 9_000));
    let alone = (alone.0.expect("SQLite runs"), alone.1.expect("zlib runs"));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                assert_eq!(sqlite.run(500).expect("SQLite runs"), alone.0);
                assert_eq!(zlib.round_trip(9, 9_000).expect("zlib runs"), alone.1);
            });
        }
    });
}

#[test]
fn small_and_empty_inputs_work() {
    let zlib = Zlib::load(zlib()).expect("our zlib loads");
    for bytes in [1, 2, 100] {
        zlib.round_trip(1, bytes).expect("the workload runs");
    }
    let sqlite = Sqlite::load(sqlite()).expect("our SQLite loads");
    sqlite.run(1).expect("the workload runs with one row");
}

#[test]
fn a_library_that_is_not_there_is_named() {
    let error = Zlib::load(Path::new("/nowhere/libz.so"))
        .err()
        .expect("there is none");
    assert!(matches!(&error, Error::Load { .. }));
    assert_eq!(error.to_string(), "failed to load /nowhere/libz.so");
}

#[test]
fn a_library_that_is_another_one_is_refused_by_its_first_missing_function() {
    let error = Zlib::load(sqlite()).err().expect("SQLite is no zlib");
    assert_eq!(error.to_string(), "failed to find the function zlibVersion");
}

#[test]
fn the_test_s_own_executable_carries_no_copy_of_the_libraries() {
    let this = std::env::current_exe().expect("the path of this test");
    let output = Command::new("nm").arg(this).output().expect("nm runs");
    let listing = String::from_utf8(output.stdout).expect("nm writes text");
    let named = |name| {
        listing
            .lines()
            .any(|line| line.split(' ').next_back() == Some(name))
    };
    assert!(named("main"));
    for name in ["inflate", "deflate", "sqlite3VdbeExec"] {
        assert!(!named(name), "{name} is linked into the test");
    }
}
