//! Functions of awkward shapes: many arguments, large results, no result, hidden
//! types and lifetimes, other ABIs.

use midair::mock;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[derive(Clone, Debug, PartialEq)]
struct Large {
    words: [u64; 40],
    name: String,
}

#[inline(never)]
fn large(first: u64, name: &str) -> Large {
    Large {
        words: [black_box(first); 40],
        name: name.to_owned(),
    }
}

#[test]
fn a_large_struct_is_returned_by_pointer() {
    let mine = Large {
        words: std::array::from_fn(|n| n as u64),
        name: "mine".to_owned(),
    };
    let mock = mock!(large).returns(mine.clone());
    assert_eq!((large(1, "a"), large(2, "b")), (mine.clone(), mine));
    drop(mock);
    let _mock = mock!(large => |first, name| {
        let mut original = call_original!(first, name);
        original.words[39] += 1;
        original
    });
    let got = large(7, "seven");
    assert_eq!((got.words[38], got.words[39], &*got.name), (7, 8, "seven"));
}

#[inline(never)]
fn takes_large(large: Large, by: [u64; 9]) -> u64 {
    black_box(large.words[0]) + by[8]
}

#[test]
fn large_arguments_arrive_whole_and_are_dropped_once() {
    let mock = mock!(takes_large => |large, by| large.words[39] * by[8] + large.name.len() as u64);
    let large = Large {
        words: [5; 40],
        name: "four".to_owned(),
    };
    assert_eq!(takes_large(large, [3; 9]), 19);
    assert_eq!(mock.calls()[0].arguments[1], format!("{:?}", [3_u64; 9]));
}

#[inline(never)]
#[allow(clippy::too_many_arguments, reason = "that is the point")]
fn twelve(
    a: u8,
    b: i16,
    c: u32,
    d: i64,
    e: f32,
    f: f64,
    g: bool,
    h: char,
    i: &str,
    j: (u8, u64),
    k: Option<u32>,
    l: String,
) -> String {
    format!("{a}{b}{c}{d}{e}{f}{g}{h}{i}{j:?}{k:?}{l}")
}

#[test]
fn twelve_arguments_in_registers_and_on_the_stack() {
    let call = || {
        let text = "i";
        twelve(
            1,
            -2,
            3,
            -4,
            0.5,
            0.25,
            true,
            'h',
            text,
            (9, 10),
            Some(11),
            "l".to_owned(),
        )
    };
    let before = call();
    let mock = mock!(twelve => |a, b, c, d, e, f, g, h, i, j, k, l| {
        call_original!(a, b, c, d, e, f, g, h, i, j, k, l + "!")
    });
    assert_eq!(call(), before + "!");
    let mut seen = mock.calls().remove(0);
    assert_eq!(seen.arguments.pop().unwrap(), "\"l\"");
    assert_eq!(
        seen.arguments.join(" "),
        "1 -2 3 -4 0.5 0.25 true 'h' \"i\" (9, 10) Some(11)"
    );
}

#[inline(never)]
extern "C" fn doubles(a: f64, b: f32, c: u8, d: f64) -> f64 {
    black_box(a) + f64::from(b) + f64::from(c) + d
}

#[test]
fn floating_point_arguments_of_the_c_abi() {
    let _mock = mock!(doubles as extern "C" fn(_, _, _, _) -> _ => |a, b, c, d| a * f64::from(b) - f64::from(c) / d);
    assert_eq!(doubles(3.0, 2.0, 1, 4.0), 5.75);
}

#[inline(never)]
fn leave(code: i32) -> ! {
    std::process::exit(black_box(code))
}

#[test]
fn a_function_that_never_returns() {
    let mock = mock!(leave => |code| panic!("would leave with {code}"));
    let payload = catch_unwind(|| leave(3)).unwrap_err();
    assert_eq!(
        *payload.downcast::<String>().unwrap(),
        "would leave with 3".to_owned()
    );
    assert_eq!(mock.calls()[0].arguments, ["3"]);
    drop(mock);
    let _exit = mock!(std::process::exit => |code| std::panic::panic_any(code));
    let code = catch_unwind(|| leave(4)).unwrap_err();
    assert_eq!(*code.downcast::<i32>().unwrap(), 4);
}

#[inline(never)]
fn hidden(from: u32) -> impl Iterator<Item = u32> + Clone + std::fmt::Debug {
    black_box(from)..from + 3
}

#[test]
fn a_hidden_result_type_is_given_a_value_of_it() {
    let mock = mock!(hidden).returns_hidden(10_u32..12);
    assert_eq!(hidden(0).collect::<Vec<_>>(), [10, 11]);
    drop(mock);
    let mock = mock!(hidden => |from| call_original!(from + 100));
    assert_eq!(hidden(0).next(), Some(100));
    drop(mock);
    let refused =
        catch_unwind(|| drop(mock!(hidden).returns_hidden(vec![1_u32].into_iter()))).unwrap_err();
    let text = refused.downcast_ref::<String>().unwrap();
    assert!(
        text.contains("Range<u32>") && text.contains("IntoIter<u32>"),
        "{text}"
    );
}

#[inline(never)]
unsafe fn read(at: *const u32) -> u32 {
    // SAFETY: the caller's promise.
    black_box(unsafe { *at })
}

#[test]
fn an_unsafe_function() {
    let mock = mock!(read as unsafe fn(_) -> _ => |at: *const u32| if at.is_null() { 0 } else { call_original!(at) });
    let number = 5;
    // SAFETY: the mock does not read null.
    assert_eq!(unsafe { (read(std::ptr::null()), read(&number)) }, (0, 5));
    drop(mock);
}

#[inline(never)]
fn of_static(name: &'static str) -> &'static str {
    black_box(name)
}

#[test]
fn references_that_are_static_may_be_kept() {
    use std::sync::Mutex;
    static KEPT: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let _mock = mock!(of_static: for<> fn(&'static str) -> &'static str => |name| {
        KEPT.lock().unwrap().push(name);
        "other"
    });
    assert_eq!(of_static("one"), "other");
    assert_eq!(*KEPT.lock().unwrap(), ["one"]);
}

struct Words<'a>(Vec<&'a str>);

#[inline(never)]
fn split<'a>(text: &'a str, by: &str) -> Words<'a> {
    Words(text.split(black_box(by)).collect())
}

#[inline(never)]
fn count(words: &Words<'_>) -> usize {
    black_box(words.0.len())
}

#[inline(never)]
fn total(all: Option<&str>) -> usize {
    black_box(all).map_or(0, str::len)
}

#[test]
fn hidden_lifetimes_are_told_or_refused() {
    let _split =
        mock!(split: for<'a> fn(&'a str, &str) -> Words<'a> => |text, _| Words(vec![&text[1..]]));
    assert_eq!(split("abc", ",").0, ["bc"]);
    let _count = mock!(count: for<'a, 'b> fn(&'a Words<'b>) -> usize => |words| words.0.len() * 10);
    assert_eq!(count(&split("abc", ",")), 10);
    let _total = mock!(total: for<'a> fn(Option<&'a str>) -> usize => |all| all.map_or(7, |s| call_original!(Some(s))));
    assert_eq!((total(None), total(Some("ab"))), (7, 2));

    let refused = catch_unwind(|| drop(mock!(total => |_| 1))).unwrap_err();
    let text = refused.downcast_ref::<String>().unwrap();
    assert!(
        text.contains("for<'a>") && text.contains("Option<&str>"),
        "{text}"
    );
}

#[inline(never)]
fn apply(f: fn(u32) -> u32, to: &dyn Fn(u32) -> u32, n: u32) -> u32 {
    to(f(black_box(n)))
}

#[test]
fn functions_and_trait_objects_as_arguments() {
    let _mock = mock!(apply => |f, to, n| f(n) * to(n));
    assert_eq!(apply(|n| n + 1, &|n| n + 2, 3), 20);
}

#[inline(never)]
fn fill(into: &mut Vec<u32>, from: &[u32], by: &mut dyn FnMut(u32) -> u32) -> usize {
    into.extend(from.iter().map(|&n| by(n)));
    black_box(into.len())
}

#[test]
fn arguments_that_are_changed() {
    let _mock = mock!(fill => |into, from, by| {
        into.push(by(from[0]));
        call_original!(into, &from[1..], by)
    });
    let (mut into, mut calls) = (Vec::new(), 0);
    let n = fill(&mut into, &[1, 2, 3], &mut |n| {
        calls += 1;
        n * 10
    });
    assert_eq!((into, n, calls), (vec![10, 20, 30], 3, 3));
}

/// Has neither `Debug` nor `Clone`.
struct Opaque(Box<u32>);

#[inline(never)]
fn opaque(it: Opaque) -> Opaque {
    black_box(it)
}

#[test]
fn types_without_debug_are_shown_by_their_name() {
    let mock = mock!(opaque => |it| Opaque(Box::new(*it.0 + 1)));
    assert_eq!(*opaque(Opaque(Box::new(1))).0, 2);
    assert_eq!(
        mock.calls()[0].arguments,
        [format!("<{}>", std::any::type_name::<Opaque>())]
    );
    let mock = mock!(opaque).returns_in_order([Opaque(Box::new(5))]);
    assert_eq!(*opaque(Opaque(Box::new(1))).0, 5);
    let more = catch_unwind(AssertUnwindSafe(|| opaque(Opaque(Box::new(1)))));
    let text = more.err().unwrap().downcast::<String>().unwrap();
    assert!(text.contains("called once more"), "{text}");
    drop(mock);
}

const fn shifted<const BY: u32>(n: u32) -> u32 {
    n << BY
}

#[test]
fn const_generics_and_pointers_to_functions() {
    let pointer: fn(u32) -> u32 = black_box(shifted::<3>);
    let _mock = mock!(shifted::<3>).returns(1);
    assert_eq!(
        (pointer(1), black_box(shifted::<4> as fn(u32) -> u32)(1)),
        (1, 16)
    );
    let _other = mock!(shifted::<5> as fn(_) -> _ => |n| n);
    assert_eq!(black_box(shifted::<5> as fn(u32) -> u32)(9), 9);
}

#[test]
fn a_closure_that_was_made_a_pointer() {
    let closure: fn(u32) -> u32 = |n| black_box(n) + 1;
    let closure = black_box(closure);
    let mock = mock!(closure => |n| n * 2);
    assert_eq!(closure(8), 16);
    drop(mock);
    assert_eq!(closure(8), 9);
}
