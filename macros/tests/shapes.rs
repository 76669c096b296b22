//! Every shape of function with the attribute compiles, does what it did, and
//! brings no warning and no `unsafe` with it.
#![deny(warnings)]
#![forbid(unsafe_code)]
#![allow(missing_docs, missing_debug_implementations, unreachable_pub)]

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use midair_macros::mockable;
pub trait Tr<T> {
    type Out;
    fn m(self, t: T) -> Self::Out
    where
        Self: Sized;
    fn s(x: u8) -> u8;
    fn boxed(self: Box<Self>) -> u8;
    fn pinned(self: Pin<&mut Self>, v: &mut Vec<u8>);
}
pub struct S<'a, T: ?Sized + 'a>(pub &'a T, pub u32);
#[mockable]
impl<'a, T: Clone + 'a> Tr<Vec<T>> for S<'a, T>
where
    T: std::fmt::Debug,
{
    type Out = (Vec<T>, u32);
    fn m(mut self, mut t: Vec<T>) -> (Vec<T>, u32) {
        self.1 += 1;
        t.push(self.0.clone());
        (t, self.1)
    }
    fn s(x: u8) -> u8 {
        if x > 1 {
            return 1;
        }
        x
    }
    fn boxed(self: Box<Self>) -> u8 {
        self.1 as u8
    }
    fn pinned(self: Pin<&mut Self>, v: &mut Vec<u8>) {
        v.push(self.1 as u8);
        self.get_mut().1 = 7;
    }
}
#[mockable]
pub fn never(x: u32) -> ! {
    loop {
        if x == 1 {
            panic!("a")
        }
    }
}
#[mockable]
pub async fn never_async(x: u32) -> ! {
    loop {
        std::hint::black_box(x);
    }
}
#[mockable]
pub fn arr<const N: usize, T>([first, ..]: [T; 3], f: impl FnOnce(T) -> [u8; N]) -> [u8; N]
where
    T: Copy,
{
    f(first)
}
#[mockable]
pub fn closures<'a, F>(f: F, s: &'a str) -> impl Fn(u8) -> u8 + use<'a, F>
where
    F: Fn(&'a str) -> u8 + 'a,
{
    move |x| f(s) + x
}
#[mockable]
pub fn nested(v: &[u8]) -> Result<impl Iterator<Item = u8> + '_, Box<dyn std::error::Error>> {
    if v.is_empty() {
        Err("none")?
    }
    Ok(v.iter().copied())
}
#[mockable]
pub fn unit(v: &mut Vec<u8>) {
    v.push(1);
}
#[mockable]
pub(crate) fn dynamic(f: &mut dyn FnMut(&str) -> bool, text: &str) -> Option<String> {
    if f(text) { None } else { Some(text.into()) }
}
pub fn use_it() -> Option<String> {
    dynamic(&mut |t| t.is_empty(), "x")
}
pub struct M {
    v: Vec<u8>,
}
#[mockable]
impl M {
    pub fn get(&mut self, i: usize) -> Option<&mut u8> {
        self.v.get_mut(i)
    }
    pub fn iter(&self) -> impl Iterator<Item = &u8> {
        self.v.iter()
    }
    pub fn both<'x>(&'x mut self, o: &'x mut M) -> &'x mut M {
        if o.v.is_empty() { self } else { o }
    }
    pub async fn later(&mut self, x: &u8) -> &mut u8 {
        self.v.push(*x);
        &mut self.v[0]
    }
    pub fn with_const() -> u8 {
        const X: u8 = 3;
        X
    }
    pub const MAX: u8 = { 4 - 1 };
}
macro_rules! make { ($v:vis $n:ident, $t:ty, $b:block) => { #[mockable] $v fn $n(_: $t) -> $t $b } }
make!(pub made, u8, { 3 });
pub trait Later {
    fn go(&self, x: u32) -> impl std::future::Future<Output = u32>;
}
#[mockable]
impl Later for M {
    async fn go(&self, x: u32) -> u32 {
        x + self.v.len() as u32
    }
}
#[mockable]
pub async fn coerced(x: u8) -> Result<Box<dyn Fn() -> u8>, Box<dyn std::error::Error>> {
    if x == 1 {
        return Err(Box::new(std::fmt::Error));
    }
    if x == 2 {
        Err("two")?
    }
    Ok(Box::new(move || x))
}
#[mockable]
pub async fn boxed_tail(x: u8) -> Box<dyn Fn() -> u8> {
    Box::new(move || x)
}
#[mockable]
pub async fn nothing(_: u8) {}
#[mockable]
pub fn one() -> u8 {
    1
}

fn value<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing to wait for"),
    }
}

#[test]
fn functions_with_the_attribute_do_what_they_did() {
    let s = || S(&5_u8, 2);
    assert_eq!(s().m(vec![1]), (vec![1, 5], 3));
    assert_eq!(
        (<S<u8> as Tr<Vec<u8>>>::s(9), Box::new(s()).boxed()),
        (1, 2)
    );
    let (mut pinned, mut seen) = (s(), Vec::new());
    Pin::new(&mut pinned).pinned(&mut seen);
    assert_eq!((pinned.1, seen), (7, vec![2]));
    assert_eq!(arr([4_u8, 5, 6], |x| [x; 2]), [4, 4]);
    assert_eq!(closures(|s: &str| s.len() as u8, "abc")(1), 4);
    assert_eq!(nested(&[1, 2]).map(Iterator::count).ok(), Some(2));
    assert_eq!(
        nested(&[]).map(Iterator::count).unwrap_err().to_string(),
        "none"
    );
    let mut pushed = Vec::new();
    unit(&mut pushed);
    assert_eq!((pushed, use_it().as_deref()), (vec![1], Some("x")));
    let (mut till, mut other) = (M { v: vec![1, 2] }, M { v: Vec::new() });
    assert_eq!(till.get(1).copied(), Some(2));
    assert_eq!(till.iter().sum::<u8>(), 3);
    assert_eq!(till.both(&mut other).v.len(), 2);
    assert_eq!((M::with_const(), M::MAX, made(9), one()), (3, 3, 3, 1));
    assert_eq!(*value(till.later(&8)), 1);
    assert_eq!(value(till.go(1)), 4);
    assert_eq!(value(coerced(3)).map(|f| f()).ok(), Some(3));
    assert_eq!(
        value(coerced(2)).map(|f| f()).unwrap_err().to_string(),
        "two"
    );
    assert!(value(coerced(1)).is_err());
    assert_eq!(value(boxed_tail(4))(), 4);
    value(nothing(1));
}

#[test]
fn futures_are_sent_as_before() {
    fn is_send<T: Send>(_: T) {}
    is_send(M { v: Vec::new() }.later(&1));
    is_send(never_async(1));
    assert!(std::panic::catch_unwind(|| never(1)).is_err());
}
