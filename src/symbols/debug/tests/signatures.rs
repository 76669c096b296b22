//! Signatures of functions of this very test against what Rust says of them.

use std::any::type_name;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt::{Debug, Formatter};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::build::{self, User, options};
use crate::symbols::debug::{Comparison, Signature, Unknown, keeps_signature, signature};
use crate::symbols::symbols;

#[derive(Clone, Copy)]
struct Plain(u64);

struct Held<'a, T, const N: usize>(&'a [T; N]);

#[allow(dead_code, reason = "only its type is used")]
enum Shape {
    Round(f64),
    Square,
}

/// What is asked about: the value is never made.
#[inline(never)]
fn takes<T>(value: T) -> usize {
    std::hint::black_box(size_of_val(&value))
}

#[inline(never)]
fn gives<T>(value: u8) -> Option<T> {
    std::hint::black_box(value);
    None
}

struct Told {
    signature: Signature,
    type_name: &'static str,
    size: usize,
    gives: Signature,
    option: (&'static str, usize),
}

fn told<T>() -> Result<Told, Unknown> {
    let function: fn(T) -> usize = takes::<T>;
    let giver: fn(u8) -> Option<T> = gives::<T>;
    Ok(Told {
        signature: signature(function as *const () as usize)?,
        type_name: type_name::<T>(),
        size: size_of::<T>(),
        gives: signature(giver as *const () as usize)?,
        option: (type_name::<Option<T>>(), size_of::<Option<T>>()),
    })
}

macro_rules! told {
    ($($kind:ty),* $(,)?) => { [$(told::<$kind>()),*] };
}

#[test]
fn types_are_those_that_rust_names() {
    if matches!(
        told::<u8>(),
        Err(Unknown::NoTypes { .. } | Unknown::NotDescribed { .. })
    ) {
        println!("SKIPPED: this build has no types in its debug information");
        return;
    }
    let all = told![
        u8, i8, u16, u32, i32, u64, i64, u128, usize, isize, f32, f64, bool, char, (),
        &'static str, &'static mut str, String, &'static String, &'static mut String,
        *const u8, *mut u8, *const str, &'static [u8], &'static mut [u8], [u8; 4], [u8; 5],
        [[u16; 2]; 3], (u32, u32), (u32,), (u8, String), Option<u32>, Option<i32>,
        Option<&'static str>, Result<u8, String>, Result<String, u8>, Vec<u8>, Vec<String>,
        Vec<Vec<u8>>, Box<u8>, Box<str>, Box<[u8]>, Rc<u8>, Arc<Mutex<u8>>, RefCell<u8>,
        HashMap<String, u8>, HashSet<u8>, BTreeMap<u8, String>, VecDeque<u8>,
        Cow<'static, str>, Cow<'static, [u8]>, PathBuf, &'static Path, Duration, Instant,
        Plain, &'static Plain, Held<'static, u8, 3>, Held<'static, u8, 4>, Shape,
        &'static mut Formatter<'static>, std::io::Error, std::io::Result<()>,
        fn(u32) -> u32, fn(), extern "C" fn(u8), unsafe fn(&u8) -> u8, std::net::SocketAddr,
        std::num::NonZero<u32>, std::ops::Range<usize>, std::pin::Pin<&'static mut u8>,
    ]
    .map(Result::unwrap);
    let mut wrong = Vec::new();
    for own in &all {
        let parameters = &own.signature.parameters;
        assert_eq!(parameters.len(), 1, "{} {:?}", own.type_name, own.signature);
        let parameter = parameters[0].as_ref().unwrap();
        assert_eq!(parameter.size, Some(own.size as u64), "{parameter:?}");
        let result = own.signature.result.compare("usize", 8);
        assert_eq!(result, Comparison::Equal, "{:?}", own.signature);
        let same = parameter.compare(own.type_name, own.size);
        let given = own.gives.result.compare(own.option.0, own.option.1);
        if (same, given) != (Comparison::Equal, Comparison::Equal) {
            let found = (same, &parameter.name, given, &own.gives.result.name);
            wrong.push(format!("{}: {found:?}", own.type_name));
        }
        // Nothing is taken for another type.
        for other in all.iter().filter(|other| other.type_name != own.type_name) {
            let same = parameter.compare(other.type_name, other.size);
            assert_ne!(same, Comparison::Equal, "{parameter:?} {}", other.type_name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_has_no_own_name_is_compared_by_size() {
    if matches!(
        told::<u8>(),
        Err(Unknown::NoTypes { .. } | Unknown::NotDescribed { .. })
    ) {
        println!("SKIPPED: this build has no types in its debug information");
        return;
    }
    fn of_closure<F: Fn() -> u32>(_: F) -> (Told, Comparison) {
        let told = told::<F>().unwrap();
        let parameter = told.signature.parameters[0].clone().unwrap();
        let same = parameter.compare(told.type_name, told.size);
        (told, same)
    }
    let captured = 3u32;
    let (told_of, same) = of_closure(move || captured);
    assert_eq!(same, Comparison::NotComparable);
    let parameter = told_of.signature.parameters[0].clone().unwrap();
    assert_eq!(
        parameter.compare(told_of.type_name, 5),
        Comparison::Different
    );
    for own in told![
        &'static dyn Debug,
        Box<dyn Fn(u32) -> u32>,
        Box<dyn Debug + Send>
    ] {
        let own = own.unwrap();
        let parameter = own.signature.parameters[0].clone().unwrap();
        let same = parameter.compare(own.type_name, own.size);
        assert_ne!(
            same,
            Comparison::Different,
            "{parameter:?} {}",
            own.type_name
        );
        assert_eq!(parameter.compare("u8", 1), Comparison::Different);
    }
    assert_eq!(size_of::<Plain>(), 8);
    let (Plain(zero), held) = (Plain(0), Held(&[0u8; 3]));
    assert_eq!(zero, u64::from(held.0[0]));
    assert!(!matches!(Shape::Square, Shape::Round(_)));
}

#[test]
fn a_private_function_of_another_crate_tells_its_types_at_every_level() {
    for (number, opt_level) in ["0", "2", "3"].into_iter().enumerate() {
        let name = format!("signature_{number}");
        let [path, _] = build::users(&name, options(opt_level, "2", "v0"));
        let _library = User::load(&path);
        let private = symbols("*dep::inner::private").unwrap();
        let private = private
            .iter()
            .find(|found| found.module_path == path)
            .unwrap();
        let told = signature(private.address.addr()).unwrap();
        let [text, option] = &told.parameters[..] else {
            panic!("{opt_level} {told:?}");
        };
        let same = |kind: &Option<_>, name, size| {
            let kind: &Option<crate::symbols::debug::Type> = kind;
            kind.as_ref().unwrap().compare(name, size)
        };
        assert_eq!(same(text, "&str", 16), Comparison::Equal);
        assert_eq!(
            same(option, "core::option::Option<u32>", 8),
            Comparison::Equal
        );
        assert_eq!(
            same(option, "core::option::Option<i32>", 8),
            Comparison::Different
        );
        assert_eq!(told.result.compare("(u32, u32)", 8), Comparison::Equal);
    }
}

#[test]
fn without_types_there_is_no_signature() {
    let [path, _] = build::users("signature_none", options("0", "1", "v0"));
    let library = User::load(&path);
    let error = signature(library.address(build::ONE)).unwrap_err();
    assert!(matches!(error, Unknown::NoTypes { .. }), "{error:?}");
    assert!(error.to_string().contains("dep::inner::one"), "{error}");
}

#[test]
fn a_function_without_types_in_a_unit_without_types_is_of_a_crate_that_has_them() {
    let folder = build::folder("signature_bare");
    for debug in ["1", "2"] {
        let name = format!("bare_{debug}");
        let library = folder.join(format!("lib{name}.so"));
        let more = [
            "--crate-type=cdylib".to_owned(),
            format!("--crate-name={name}"),
            // A unit for each module.
            "-Ccodegen-units=16".to_owned(),
            format!("-Cincremental={}", folder.display()),
        ];
        build::rustc("bare.rs", &library, options("0", debug, "v0"), &more);
        // SAFETY: the fixture has no constructors.
        let _library = unsafe { libloading::Library::new(&library) }.unwrap();
        let found = crate::symbol(&format!("lib{name}.so::bare")).unwrap();
        let told = signature(found.address.addr());
        match told {
            Ok(told) if debug == "2" => {
                assert!(told.parameters.is_empty());
                assert_eq!(told.result.name, "()");
            }
            Err(Unknown::NoTypes { .. }) if debug == "1" => {}
            other => panic!("debug = {debug}: {other:?}"),
        }
    }
}

#[test]
fn a_function_that_is_called_in_another_way_is_told() {
    let folder = build::folder("signature_changed");
    for (opt_level, debug) in [("0", "2"), ("2", "1"), ("3", "2")] {
        let name = format!("changed_{opt_level}");
        let library = folder.join(format!("lib{name}.so"));
        let more = [
            "--crate-type=cdylib".to_owned(),
            format!("--crate-name={name}"),
        ];
        build::rustc(
            "changed.rs",
            &library,
            options(opt_level, debug, "v0"),
            &more,
        );
        // SAFETY: the fixture has no constructors.
        let _library = unsafe { libloading::Library::new(&library) }.unwrap();
        let address = |function| {
            let found = crate::symbol(&format!("{name}::{function}")).unwrap();
            found.address.addr()
        };
        assert!(keeps_signature(address("kept")).unwrap(), "{opt_level}");
        let is_kept = opt_level == "0";
        assert_eq!(
            keeps_signature(address("unused")).unwrap(),
            is_kept,
            "{opt_level}"
        );
        if debug == "2" {
            assert_eq!(signature(address("unused")).unwrap().is_kept, is_kept);
        }
    }
}
