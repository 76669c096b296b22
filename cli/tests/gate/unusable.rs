//! Debug information that cannot be compared.

use crate::edit::Crate;
use cargo_midair::run::gate::{Changed, GateError, Object, Running, Verdict, compare};
use std::path::Path;
use std::sync::Arc;

const BEFORE: &str = "pub fn f(a: u32) -> u32 { a + 1 }";
const AFTER: &str = "pub fn f(a: u32) -> u32 { a + 2 }";

#[test]
fn there_is_no_debug_information() {
    let Err(error) = Crate::new(&["-Cdebuginfo=0"]).edit(BEFORE, AFTER) else {
        panic!("nothing was compared");
    };
    assert!(matches!(error, GateError::NoDebugInfo { .. }), "{error}");
    assert!(error.to_string().contains("set `debug = 2`"), "{error}");
}

#[test]
fn limited_debug_information_has_no_types() {
    let Err(error) = Crate::new(&["-Cdebuginfo=1"]).edit(BEFORE, AFTER) else {
        panic!("nothing was compared");
    };
    assert!(matches!(error, GateError::NoTypes { .. }), "{error}");
}

#[test]
fn another_version_of_dwarf_is_not_read() {
    let Err(error) = Crate::new(&["-Cdwarf-version=5"]).edit(BEFORE, AFTER) else {
        panic!("nothing was compared");
    };
    assert!(
        matches!(error, GateError::Version { version: 5, .. }),
        "{error}"
    );
}

#[test]
fn code_of_another_compiler_is_not_compared() {
    let krate = Crate::new(&[]);
    let path = krate.compile(BEFORE).remove(0);
    let old = std::fs::read(&path).unwrap();
    let words = b"(rustc version ";
    let at = memchr::memmem::find(&old, words).unwrap() + words.len();
    let mut new = old.clone();
    new[at] = b'9';
    let read = |bytes: Vec<u8>| Arc::new(Object::read(&path, Arc::new(bytes)).unwrap());
    let mut running = Running::new();
    running.add(read(old));
    let error = compare(&running, &[read(new)], &[]).unwrap_err();
    assert!(matches!(error, GateError::Compilers { .. }), "{error}");
    assert!(error.to_string().contains("rustc version 9"), "{error}");
}

#[test]
fn a_file_that_is_no_object_is_named() {
    let error = Object::open(Path::new("/dev/null")).unwrap_err();
    assert!(
        matches!(error, GateError::Elf { .. } | GateError::Open { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("/dev/null"), "{error}");
}

#[test]
fn damaged_debug_information_is_an_error_and_no_panic() {
    let objects = Crate::new(&[]);
    let path = objects
        .compile("pub struct S(u8, Vec<u8>); pub fn f(s: &S) -> usize { s.1.len() }")
        .remove(0);
    let bytes = std::fs::read(&path).unwrap();
    let mut errors = 0;
    for at in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0xff;
        let read = |bytes: Vec<u8>| Object::read(&path, Arc::new(bytes));
        let Ok(object) = read(damaged) else {
            errors += 1;
            continue;
        };
        let mut running = Running::new();
        running.add(Arc::new(read(bytes.clone()).unwrap()));
        let f = Changed {
            old: "f",
            new: "f",
            moved: false,
        };
        match compare(&running, &[Arc::new(object)], &[f]) {
            Ok(outcome) => assert_eq!(outcome.verdicts.len(), 1),
            Err(_) => errors += 1,
        }
    }
    assert!(errors > 10, "{errors}");
}

#[test]
fn a_function_without_debug_information_is_kept_for_old_callers() {
    let krate = Crate::new(&[]);
    let objects = krate.compile(BEFORE);
    let objects: Vec<_> = objects
        .iter()
        .map(|path| Arc::new(Object::open(path).unwrap()))
        .collect();
    let mut running = Running::new();
    objects
        .iter()
        .cloned()
        .for_each(|object| running.add(object));
    let nowhere = Changed {
        old: "nowhere",
        new: "nowhere",
        moved: false,
    };
    let outcome = compare(&running, &objects, &[nowhere]).unwrap();
    assert!(matches!(outcome.verdicts[..], [Verdict::Versioned { .. }]));
}
