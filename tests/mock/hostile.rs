//! What would be unsound or have no effect, and is refused.

use midair::mock;
use std::cell::RefCell;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What it is refused with.
fn refused<R>(mock: impl FnOnce() -> R) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| drop(mock()))).expect_err("it is mocked");
    *panic.downcast::<String>().unwrap()
}

#[inline(never)]
#[track_caller]
fn located(n: u32) -> u32 {
    black_box(std::panic::Location::caller().line());
    black_box(n)
}

trait Speak {
    fn speak(&self) -> u32;
}

#[derive(Debug, PartialEq)]
struct One(u32);

impl Speak for One {
    #[inline(never)]
    fn speak(&self) -> u32 {
        black_box(self.0)
    }
}

#[test]
fn functions_that_are_called_past_their_pointers() {
    let shim = "leads to a shim";
    assert!(refused(|| mock!(located).returns(1)).contains(shim));
    let any = || mock!(located).even_if_inlined().returns(1);
    assert!(refused(any).contains(shim));
    let pointer: fn(u32) -> u32 = located;
    assert!(refused(|| mock!(pointer => |_| 1)).contains(shim));
    assert!(refused(|| mock!(<dyn Speak as Speak>::speak => |_| 1)).contains(LIFETIMES));
    assert!(refused(|| mock!(Option::<One>::unwrap => |_| One(1))).contains(shim));
    assert_eq!(located(5), 5);
}

#[test]
fn constructors() {
    let text = refused(|| mock!(One => |_| One(1)));
    assert!(text.contains("hostile::One` is not called"), "{text}");
    let text = refused(|| mock!(Some::<u8> => |_| None));
    assert!(text.contains("Option<u8>::Some` is not called"), "{text}");
}

const LIFETIMES: &str = "cannot be checked";

type Call = Box<dyn Fn() -> String + Send>;

#[inline(never)]
fn call(f: Box<dyn Fn() -> String + Send + '_>) -> String {
    black_box(f)()
}

#[inline(never)]
fn shows(of: &dyn std::fmt::Display) -> String {
    black_box(of).to_string()
}

#[inline(never)]
fn take<T>(t: T) {
    black_box(&t);
}

fn closure<'a>(s: &'a str) -> impl Fn() -> &'a str + Send {
    move || s
}

#[test]
fn lifetimes_that_no_name_shows() {
    // A closure could keep what is of any lifetime as what is 'static.
    let kept = std::sync::Arc::new(std::sync::Mutex::new(None::<Call>));
    let keep = move || {
        let kept = kept.clone();
        mock!(call => move |f| { *kept.lock().unwrap() = Some(f); String::new() })
    };
    assert!(refused(keep).contains(LIFETIMES));
    assert!(refused(|| mock!(shows => |_| String::new())).contains(LIFETIMES));
    fn of<F: Fn() -> &'static str + 'static>(_: F) -> midair::mock::Mock {
        mock!(take::<F> => |f| {
            f();
        })
    }
    assert!(refused(|| of(closure("static"))).contains(LIFETIMES));
    #[inline(never)]
    fn inner(s: &&str) -> usize {
        black_box(s).len()
    }
    assert!(refused(|| mock!(inner => |_| 1)).contains(LIFETIMES));

    let _mock =
        mock!(call: for<> fn(Box<dyn Fn() -> String + Send + '_>) -> String => |f| f() + "!");
    assert_eq!(call(Box::new(|| "a".into())), "a!");
    let _mock = mock!(shows: for<> fn(&dyn std::fmt::Display) -> String => |of| format!("{of}?"));
    assert_eq!(shows(&3), "3?");
}

struct Held<'a>(&'a str);

impl<'a> Held<'a> {
    #[inline(never)]
    fn swap(&self, other: &'a str) -> usize {
        self.0.len() + black_box(other).len()
    }
}

#[test]
fn a_signature_that_names_some_lifetimes_of_all() {
    let all = "is there for all lifetimes";
    let mock = || mock!(take::<&'static str>: for<> fn(&'static str) => |_| ());
    assert!(refused(mock).contains(all));
    let mock = || {
        mock!(Held::<'static>::swap: for<'b> fn(&'b Held<'static>, &'static str) -> usize
            => |_, _| 1)
    };
    assert!(refused(mock).contains(all));
    // A pointer to a function may say less than the function.
    let pointer: fn(&'static str) = take;
    let mock = || mock!(pointer: for<> fn(&'static str) => |_| ());
    assert!(refused(mock).contains(LIFETIMES));
    assert_eq!(Held("a").swap("bc"), 3);
}

#[inline(never)]
fn leak<'a>(s: &str) -> &'a str {
    black_box(s).to_owned().leak()
}

#[inline(never)]
fn convert<T: From<&'static str>>(s: &str) -> T {
    black_box(s);
    T::from("converted")
}

async fn leak_later<'a>(s: &str) -> &'a str {
    leak(s)
}

#[inline(never)]
fn send(to: &str, what: &str) -> Result<(), Box<dyn std::error::Error>> {
    Err(format!("{to} {}", black_box(what)).into())
}

async fn send_later(to: &str, what: &str) -> Result<(), Box<dyn std::error::Error>> {
    send(to, what)
}

#[test]
fn results_that_a_closure_could_borrow_from_another_argument() {
    assert!(refused(|| mock!(leak => |s| s)).contains(LIFETIMES));
    assert!(refused(|| mock!(convert::<&str> => |s| s)).contains(LIFETIMES));
    assert!(refused(|| mock!(async leak_later => |s| s)).contains(LIFETIMES));
    let pointer: fn(&str) -> &str = leak;
    assert!(refused(|| mock!(pointer => |s| s)).contains(LIFETIMES));
    assert!(refused(|| mock!(send => |_, _| Ok(()))).contains(LIFETIMES));
    assert!(refused(|| mock!(async send_later => |_, _| Ok(()))).contains(LIFETIMES));

    let _mock = mock!(send).owned_result().with(|_, _| Ok(()));
    assert!(send("a", "b").is_ok());
    let _mock = mock!(async send_later)
        .owned_result()
        .with(|_, _| Err("c".into()));
    let mut future = std::pin::pin!(send_later("a", "b"));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = future.as_mut().poll(&mut context) else {
        panic!("the original")
    };
    assert_eq!(error.to_string(), "c");
}

mod private {
    #[inline(never)]
    fn first<'a>(a: &'a str, b: &str) -> &'a str {
        std::hint::black_box(b);
        a
    }

    #[inline(never)]
    fn size(a: Option<&str>) -> usize {
        std::hint::black_box(a).map_or(0, str::len)
    }

    pub(super) fn use_it() -> String {
        size(Some("a"));
        first("a", "b").to_owned()
    }
}

#[test]
fn lifetimes_of_functions_that_are_given_by_name_are_a_promise() {
    let mock = || mock!("mock::hostile::private::size": fn(Option<&'static str>) -> usize => |_| 1);
    assert!(refused(mock).contains(LIFETIMES));
    // SAFETY: so it is.
    let _mock = unsafe {
        mock!("mock::hostile::private::first": for<'a> fn(&'a str, &str) -> &'a str
            => |a, b| { assert_eq!(b, "b"); call_original!(&a[1..], b) })
    };
    assert_eq!(private::use_it(), "");
}

async fn held(cell: RefCell<String>) -> String {
    cell.into_inner()
}

#[test]
fn a_condition_may_change_what_is_in_a_cell() {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut run = || {
        let mut future = std::pin::pin!(held(RefCell::new("o".repeat(50))));
        future.as_mut().poll(&mut context)
    };
    let _never = mock!(async held)
        .when(|(cell,)| {
            cell.replace("n".repeat(60));
            false
        })
        .returns(String::new());
    assert_eq!(run(), std::task::Poll::Ready("n".repeat(60)));
}

/// malloc's own locks are held while it asks for more memory.
#[test]
fn functions_that_malloc_calls() {
    let control = mock!(
        libc::mprotect as unsafe extern "C" fn(_, _, _) -> _ => |a, b, c| call_original!(a, b, c)
    );
    // In a thread other than the first, malloc grows its heap with mprotect.
    let grow = || black_box((0..200).map(|_| vec![1_u8; 60_000]).collect::<Vec<_>>()).len();
    assert_eq!(std::thread::spawn(grow).join().unwrap(), 200);
    assert!(control.count() > 10, "{}", control.count());
    assert!(control.calls().is_empty());
}
