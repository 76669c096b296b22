//! Each kind of function that can be mocked.

use midair::mock;
use midair::mock::Mock;
use std::hint::black_box;

#[inline(never)]
fn add(a: u32, b: u32) -> u32 {
    black_box(a) + b
}

#[inline(never)]
fn len(s: &str) -> usize {
    black_box(s).len()
}

#[inline(never)]
fn pick<'a>(a: &'a str, b: &str) -> &'a str {
    black_box(b);
    a
}

#[inline(never)]
fn generic<T: Copy + Into<u64>>(t: T) -> u64 {
    black_box(t).into()
}

struct Counter(u32);

impl Counter {
    #[inline(never)]
    fn new(n: u32) -> Self {
        Self(black_box(n))
    }
    #[inline(never)]
    fn get(&self) -> u32 {
        black_box(self.0)
    }
    #[inline(never)]
    fn bump(&mut self, by: u32) -> u32 {
        self.0 += black_box(by);
        self.0
    }
}

trait Speak {
    fn speak(&self, to: &str) -> String;
}

impl Speak for Counter {
    #[inline(never)]
    fn speak(&self, to: &str) -> String {
        format!("{to}: {}", self.0)
    }
}

#[test]
fn a_free_function() {
    let more = 100;
    let mock = mock!(add => move |a, b| a * b + more);
    assert_eq!(add(2, 3), 106);
    assert_eq!(mock.count(), 1);
    assert_eq!(mock.calls()[0].arguments, ["2", "3"]);
    drop(mock);
    assert_eq!(add(2, 3), 5);
}

#[test]
fn an_original_is_called() {
    let _mock = mock!(len => |s| call_original!(s) + 10);
    assert_eq!(len("abc"), 13);
    let _mock =
        mock!(pick: for<'a> fn(&'a str, &str) -> &'a str => |a, b| call_original!(&a[1..], b));
    assert_eq!(pick("abc", "x"), "bc");
}

#[test]
fn methods() {
    let _new = mock!(Counter::new => |n| Counter(n + 1));
    let _get = mock!(Counter::get => |c| c.0 * 10);
    let _bump = mock!(Counter::bump => |c, by| {
        c.0 += 2 * by;
        c.0
    });
    let mut counter = Counter::new(1);
    assert_eq!(counter.get(), 20);
    assert_eq!(counter.bump(5), 12);
    let _speak = mock!(<Counter as Speak>::speak => |c, to| call_original!(c, to) + "!");
    assert_eq!(counter.speak("me"), "me: 12!");
    let speaker: Box<dyn Speak> = Box::new(counter);
    assert_eq!(speaker.speak("you"), "you: 12!");
}

#[test]
fn a_generic_instance_and_no_other() {
    let _mock = mock!(generic::<u8>).returns(77);
    assert_eq!((generic(1_u8), generic(1_u16)), (77, 1));
}

#[test]
fn values_in_order() {
    let mock = mock!(add).returns_in_order([1, 2]).times(2);
    assert_eq!((add(0, 0), add(0, 0)), (1, 2));
    mock.reset();
}

#[test]
fn std_functions() {
    let _read = mock!(std::fs::read_to_string::<&str> => |path| Ok(format!("read {path}")));
    assert_eq!(std::fs::read_to_string("/none").unwrap(), "read /none");
    let at = std::time::Instant::now();
    let _now = mock!(std::time::Instant::now).returns(at);
    assert_eq!(std::time::Instant::now(), at);
    let _var = mock!(std::env::var::<&str> => |name| if name == "HOME" { Ok("here".into()) } else { call_original!(name) });
    assert_eq!(std::env::var("HOME").unwrap(), "here");
}

#[test]
fn c_functions() {
    let _time = mock!(libc::time as unsafe extern "C" fn(_) -> _ => |_| 7);
    // SAFETY: null is allowed.
    assert_eq!(unsafe { libc::time(std::ptr::null_mut()) }, 7);
    let _open = mock!(libc::open as unsafe extern "C" fn(_, _, ...) -> _; libc::c_uint => |_, flags, mode| flags + mode as i32);
    // SAFETY: a path that ends with a zero.
    assert_eq!(unsafe { libc::open(c"/none".as_ptr(), 3, 4) }, 7);
}

#[test]
fn threads_that_are_started_see_it_and_others_do_not() {
    let (send, receive) = std::sync::mpsc::channel::<()>();
    let before = std::thread::spawn(move || {
        receive.recv().unwrap();
        (0..10).map(|_| add(1, 1)).sum::<u32>()
    });
    let mock = mock!(add).returns(9);
    let after = std::thread::spawn(|| std::thread::spawn(|| add(1, 1)).join().unwrap());
    assert_eq!(after.join().unwrap(), 9);
    send.send(()).unwrap();
    assert_eq!(before.join().unwrap(), 20);
    assert_eq!(
        mock.calls_from_outside()
            .iter()
            .map(|(_, n)| n)
            .sum::<u64>(),
        10
    );
}

#[test]
fn an_unmet_expectation_fails_with_the_calls() {
    let mock = mock!(add).returns(1).times(3);
    add(4, 5);
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(mock))).unwrap_err();
    let text = failed.downcast_ref::<String>().unwrap();
    assert!(
        text.contains("expected to be called 3 times, and was called once"),
        "{text}"
    );
    assert!(text.contains("add(4, 5)"), "{text}");
}

#[test]
fn every_way_to_say_how_often_is_kept_to() {
    /// In words, and how many of no to four calls that is.
    type Way = (&'static str, fn(Mock) -> Mock, &'static [usize]);
    let ways: [Way; 12] = [
        ("never", |mock| mock.never(), &[0]),
        ("once", |mock| mock.once(), &[1]),
        ("3 times", |mock| mock.times(3), &[3]),
        ("at least 2 times", |mock| mock.at_least(2), &[2, 3, 4]),
        ("at most 2 times", |mock| mock.at_most(2), &[0, 1, 2]),
        (
            "1 to 3 times",
            |mock| mock.at_least(1).at_most(3),
            &[1, 2, 3],
        ),
        ("1 to 2 times", |mock| mock.times(1..3), &[1, 2]),
        ("2 to 3 times", |mock| mock.times(2..=3), &[2, 3]),
        ("at most once", |mock| mock.times(..2), &[0, 1]),
        ("at most once", |mock| mock.times(..=1), &[0, 1]),
        ("at least 4 times", |mock| mock.times(4..), &[4]),
        ("any", |mock| mock.times(..), &[0, 1, 2, 3, 4]),
    ];
    for (words, expect, fits) in ways {
        for calls in 0..=4 {
            let mock = expect(mock!(add).returns(1));
            for _ in 0..calls {
                add(0, 0);
            }
            let verified = mock.verify();
            assert_eq!(verified.is_ok(), fits.contains(&calls), "{words}: {calls}");
            let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(mock)));
            assert_eq!(dropped.is_ok(), verified.is_ok(), "{words}: {calls}");
            if let Err(text) = verified {
                let said = format!("was expected to be called {words}, and was ");
                assert!(text.contains(&said), "{text}");
            }
        }
    }
}

#[test]
fn guards_in_any_order() {
    let first = mock!(add).returns(1);
    let second = mock!(add).returns(2);
    assert_eq!(add(0, 0), 2);
    drop(first);
    assert_eq!(add(0, 0), 2);
    drop(second);
    assert_eq!(add(0, 0), 0);
}

mod shop {
    pub(super) fn total(n: u32) -> u32 {
        n * discount("tea", n)
    }

    #[inline(never)]
    fn discount(of: &str, n: u32) -> u32 {
        std::hint::black_box(of.len() as u32 + n)
    }
}

#[test]
fn a_private_function_by_its_name() {
    let mock = mock!("mock::kinds::shop::discount": fn(&str, u32) -> u32 => |of, n| {
        assert_eq!(of, "tea");
        call_original!(of, n) + 100
    });
    assert_eq!(shop::total(2), 210);
    drop(mock);
    assert_eq!(shop::total(2), 10);
}

#[test]
#[should_panic(expected = "is not known to be a `fn(u32, u32) -> u32`")]
fn a_private_function_of_another_type_is_refused() {
    let _mock = mock!("mock::kinds::shop::discount": fn(u32, u32) -> u32 => |a, b| a + b);
}
