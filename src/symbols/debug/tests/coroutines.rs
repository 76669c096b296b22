//! Futures of this very test, which has debug information in a debug build, and
//! of a fixture that is compiled in every way.

use std::future::Future;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::pin::{Pin, pin};
use std::task::{Context, Waker};

use super::build::{self, folder, options, rustc};
use crate::symbols::debug::{Coroutine, Unknown, coroutine};

/// The layout that this build's debug information gives for `F`, by its `poll`.
fn layout<F: Future>(_: &F) -> Result<Coroutine, Unknown> {
    let poll: fn(Pin<&mut F>, &mut Context<'_>) -> std::task::Poll<F::Output> = F::poll;
    coroutine(poll as *const () as usize)
}

/// Reads argument `number` out of a future that was never polled.
///
/// # Safety
///
/// The argument is a `T`, and is taken once.
unsafe fn take<F, T>(future: &ManuallyDrop<F>, layout: &Coroutine, number: usize) -> T {
    let argument = &layout.arguments[number];
    assert_eq!(
        argument.place.end - argument.place.start,
        size_of::<T>() as u64
    );
    let from = (&raw const *future).cast::<u8>();
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the place is inside of the future, by the layout's check.
    unsafe {
        let from = from.add(argument.place.start as usize);
        from.copy_to(value.as_mut_ptr().cast(), size_of::<T>());
        value.assume_init()
    }
}

/// Sets the state to the one in which the future owns nothing, and drops it.
fn finish<F: Future>(future: ManuallyDrop<F>, layout: &Coroutine) {
    let mut future = future;
    let at = (&raw mut *future).cast::<u8>();
    assert_eq!(layout.state.end - layout.state.start, 1);
    // SAFETY: the state is inside of the future, by the layout's check.
    unsafe {
        let state = at.add(layout.state.start as usize);
        assert_eq!(u64::from(state.read()), layout.unresumed);
        state.write(layout.returned as u8);
    }
    drop(ManuallyDrop::into_inner(future));
}

macro_rules! has {
    ($future:expr, [$($name:literal: $type:ty = $value:expr),*]) => {{
        let future = ManuallyDrop::new($future);
        let layout = layout(&*future).unwrap();
        assert_eq!(layout.size, size_of_val(&*future) as u64);
        let names: Vec<&str> = layout.arguments.iter().map(|a| a.name.as_str()).collect();
        assert_eq!(names, [$($name),*] as [&str; _]);
        let mut numbers = 0..;
        $(
            // SAFETY: the type is that of the argument.
            let value: $type = unsafe { take(&future, &layout, numbers.next().unwrap()) };
            assert_eq!(value, $value, "{}", $name);
        )*
        assert_eq!(numbers.next(), Some(layout.arguments.len()));
        finish(future, &layout);
    }};
}

async fn other() {
    std::future::ready(()).await;
}

async fn none() -> u32 {
    1
}

async fn one(a: u32) -> u32 {
    other().await;
    a
}

async fn several(a: u32, text: String, slice: &str, large: [u64; 9]) -> usize {
    let guard = text.clone();
    other().await;
    a as usize + text.len() + slice.len() + large.len() + guard.len()
}

async fn patterns(_: String, (x, y): (u32, u64), [a, ..]: [u8; 3], z: &str) -> u64 {
    other().await;
    u64::from(x) + y + u64::from(a) + z.len() as u64
}

async fn unused(_a: String, b: u8, _c: Vec<u8>) -> u8 {
    b
}

async fn no_size(_u: (), _p: PhantomData<u64>, k: u16) -> u16 {
    k
}

async fn generic<T: Clone>(value: T, n: usize) -> Vec<T> {
    other().await;
    vec![value; n]
}

async fn mutable(mut list: Vec<u8>, last: &mut u8) -> usize {
    list.push(*last);
    other().await;
    *last += 1;
    list.len()
}

async fn many_states(a: u8) -> u8 {
    other().await;
    one(1).await;
    generic(a, 3).await;
    let held = several(1, String::new(), "", [0; 9]);
    other().await;
    held.await as u8
}

#[derive(Debug, PartialEq)]
struct Owner(u64, String);

impl Owner {
    async fn by_reference(&self, k: u32) -> u64 {
        other().await;
        self.0 + u64::from(k)
    }

    async fn by_value(self, mut m: u8) -> u64 {
        m += 1;
        other().await;
        self.0 + u64::from(m)
    }
}

trait Fetch {
    async fn fetch(&self, name: &str) -> usize;
}

impl Fetch for u32 {
    async fn fetch(&self, name: &str) -> usize {
        other().await;
        name.len() + *self as usize
    }
}

/// Debug builds of this test have types in their debug information.
fn has_types() -> bool {
    !matches!(
        layout(&none()),
        Err(Unknown::None { .. } | Unknown::NoTypes { .. } | Unknown::NotDescribed { .. })
    )
}

#[test]
fn arguments_are_read_out_of_futures_of_every_kind() {
    if !has_types() {
        println!("SKIPPED: this build has no types in its debug information");
        return;
    }
    let text = || "some text".to_owned();
    has!(none(), []);
    has!(one(7), ["a": u32 = 7]);
    has!(several(1, text(), "slice", [5; 9]),
        ["a": u32 = 1, "text": String = text(), "slice": &str = "slice", "large": [u64; 9] = [5; 9]]);
    has!(patterns(text(), (1, 2), [1, 2, 3], "z"),
        ["_": String = text(), "__arg1": (u32, u64) = (1, 2), "__arg2": [u8; 3] = [1, 2, 3], "z": &str = "z"]);
    has!(unused(text(), 3, vec![1]), ["_a": String = text(), "b": u8 = 3, "_c": Vec<u8> = vec![1]]);
    has!(no_size((), PhantomData, 9), ["_u": () = (), "_p": PhantomData<u64> = PhantomData, "k": u16 = 9]);
    has!(generic(3u8, 5), ["value": u8 = 3, "n": usize = 5]);
    has!(generic(text(), 6), ["value": String = text(), "n": usize = 6]);
    has!(generic((1u64, 2u8), 7), ["value": (u64, u8) = (1, 2), "n": usize = 7]);
    let mut last = 4;
    has!(mutable(vec![1, 2], &mut last), ["list": Vec<u8> = vec![1, 2], "last": &mut u8 = &mut 4]);
    has!(many_states(8), ["a": u8 = 8]);
    let owner = || Owner(1, text());
    let kept = owner();
    has!(kept.by_reference(2), ["self": &Owner = &owner(), "k": u32 = 2]);
    has!(owner().by_value(2), ["self": Owner = owner(), "m": u8 = 2]);
    has!(3u32.fetch("name"), ["self": &u32 = &3, "name": &str = "name"]);
    let captured = text();
    has!(async move { other().await; captured.len() }, ["captured": String = text()]);
}

#[test]
fn the_async_fn_itself_tells_the_same_as_its_poll() {
    if !has_types() {
        println!("SKIPPED: this build has no types in its debug information");
        return;
    }
    let by_poll = layout(&one(1)).unwrap();
    let function = one as fn(u32) -> _;
    assert_eq!(coroutine(function as *const () as usize).unwrap(), by_poll);
    assert!(
        by_poll.name.ends_with("coroutines::one::{async_fn_env#0}"),
        "{by_poll:?}"
    );
    assert_eq!(by_poll.arguments[0].kind.name, "u32");
}

#[test]
fn what_is_no_async_fn_is_refused() {
    let error = coroutine(build::folder as *const () as usize).unwrap_err();
    assert!(!error.to_string().is_empty());
    let error = coroutine(1).unwrap_err();
    assert_eq!(error, Unknown::NoModule { address: 1 });
    let mut future = pin!(none());
    let _ = future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
}

#[test]
fn the_layout_is_right_however_the_crate_is_compiled() {
    let folder = folder("coroutines");
    for (opt_level, mangling) in [("0", "v0"), ("2", "legacy"), ("3", "v0"), ("s", "legacy")] {
        let library = folder.join(format!("libasync_{opt_level}.so"));
        let more = ["--crate-type=cdylib", "--crate-name=asyncs"];
        rustc(
            "asyncs.rs",
            &library,
            options(opt_level, "2", mangling),
            &more,
        );
        // SAFETY: the fixture has no constructors.
        let library = unsafe { libloading::Library::new(&library) }.unwrap();
        type Ask = extern "C" fn(u32, *mut *const (), *mut u64, *mut u64, *mut u64) -> usize;
        // SAFETY: the fixture defines it so.
        let ask: libloading::Symbol<Ask> = unsafe { library.get("ask") }.unwrap();
        for number in 0.. {
            let (mut poll, mut size) = (std::ptr::null(), 0);
            let (mut before, mut after) = ([0; 64], [0; 64]);
            let words = ask(
                number,
                &mut poll,
                &mut size,
                before.as_mut_ptr(),
                after.as_mut_ptr(),
            );
            if poll.is_null() {
                assert!(number > 5);
                break;
            }
            let layout = coroutine(poll.addr()).unwrap_or_else(|error| panic!("{number} {error}"));
            assert_eq!(layout.size, size, "{number}");
            // The fixture's arguments are words, all different.
            let places = layout
                .arguments
                .iter()
                .filter(|one| one.kind.size == Some(8));
            let bytes: Vec<u8> = before.iter().flat_map(|w: &u64| w.to_le_bytes()).collect();
            let found: Vec<u64> = places
                .map(|one| {
                    let place = one.place.start as usize..one.place.end as usize;
                    u64::from_le_bytes(bytes[place].try_into().unwrap())
                })
                .collect();
            let expected: Vec<u64> = (1..=words as u64).map(|n| 0x1111 * n).collect();
            assert_eq!(found, expected, "{number} {opt_level} {layout:?}");
            let state = |of: &[u64; 64]| {
                let bytes: Vec<u8> = of.iter().flat_map(|word| word.to_le_bytes()).collect();
                u64::from(bytes[layout.state.start as usize])
            };
            // Before the first poll, and after the last.
            assert_eq!(state(&before), layout.unresumed, "{number} {opt_level}");
            assert_eq!(state(&after), layout.returned, "{number} {opt_level}");
        }
    }
}
