//! Functions as people write them. What becomes of them is up to the compiler.

use std::fmt::Write;

/// Small enough to be inlined everywhere.
pub fn price(x: u32) -> u32 {
    x * 3 + 1
}

#[inline]
pub fn tax(x: u32) -> u32 {
    x / 5
}

/// Too large for that, and called twice.
pub fn receipt(x: u32) -> String {
    let mut text = String::new();
    for line in 0..x {
        writeln!(text, "{line}: {}", price(line)).expect("a string takes all");
    }
    for line in text.clone().lines().rev() {
        writeln!(text, "{}", line.len()).expect("a string takes all");
    }
    text
}

/// Called once.
fn once(x: u32) -> u32 {
    let mut sum = x;
    for n in 0..x {
        sum = sum.rotate_left(n) ^ n;
    }
    sum
}

pub fn generic<T: Into<u64>>(x: T) -> u64 {
    x.into() + 7
}

pub struct Shop(pub u32);

impl Shop {
    pub fn open(&self) -> u32 {
        self.0 + 1
    }
}

impl From<Shop> for u32 {
    fn from(shop: Shop) -> u32 {
        shop.0 * 2
    }
}

#[inline(never)]
pub fn calls_price(x: u32) -> u32 {
    price(x) + 1
}

#[inline(never)]
pub fn calls_tax(x: u32) -> u32 {
    tax(x) + 1
}

#[inline(never)]
pub fn calls_receipt(x: u32) -> usize {
    receipt(x).len() + receipt(x + 1).len()
}

#[inline(never)]
pub fn calls_once(x: u32) -> u32 {
    once(x) + 1
}

#[inline(never)]
pub fn calls_generic(x: u32) -> u64 {
    generic(x) + 1
}

#[inline(never)]
pub fn calls_open(x: u32) -> u32 {
    Shop(x).open() + 1
}

#[inline(never)]
pub fn calls_from(x: u32) -> u32 {
    u32::from(Shop(x)) + 1
}
