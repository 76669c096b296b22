//! Every kind of function that can have the attribute.

use midair_macros::mockable;
use std::fmt::Display;

#[mockable]
pub fn free(x: u32) -> u32 {
    x + 1
}

#[mockable]
#[inline(always)]
pub fn always_inline(x: u32) -> u32 {
    x + 1
}

#[mockable]
pub fn generic<T: Into<u64>, const N: usize>(x: T) -> u64 {
    x.into() + N as u64
}

#[mockable]
pub fn hidden(x: impl Display, (a, _): (u32, u32), _: u32) -> impl Iterator<Item = char> {
    format!("{x}{a}").into_bytes().into_iter().map(char::from)
}

#[mockable]
pub fn longer<'a>(a: &'a str, mut b: &'a str) -> &'a str {
    if a.len() > b.len() {
        b = a;
    }
    b
}

#[mockable]
pub fn boxed(x: u32) -> Result<u32, Box<dyn std::error::Error>> {
    if x == 0 {
        return Err(Box::new(std::fmt::Error));
    }
    Ok("5".parse::<u32>()? + x)
}

#[mockable]
pub unsafe fn of_pointer(x: *const u32) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { *x }
}

#[mockable]
pub extern "C" fn of_c(x: i32) -> i32 {
    x + 1
}

#[mockable]
pub fn recursive(x: u32) -> u32 {
    if x == 0 { 0 } else { 1 + recursive(x - 1) }
}

pub struct Till<T> {
    pub sum: T,
}

#[mockable]
impl<T: Copy> Till<T> {
    pub const NAME: &'static str = "till";

    pub fn new(sum: T) -> Till<T> {
        Till { sum }
    }

    pub fn sum(&self) -> T {
        self.sum
    }

    pub fn set(&mut self, sum: T) -> &mut T {
        self.sum = sum;
        &mut self.sum
    }

    pub fn open(self) -> T {
        self.sum
    }
}

pub struct Dice;

impl Dice {
    #[mockable]
    pub fn twice(&self, x: u32) -> u32 {
        Self::sides() + x
    }

    #[mockable(Self)]
    fn sides() -> u32 {
        6
    }
}

pub trait Roll {
    fn roll(&self, x: u32) -> u32;

    #[mockable]
    fn roll_twice(&self, x: u32) -> u32 {
        self.roll(x) * 2
    }
}

#[mockable]
impl Roll for Dice {
    fn roll(&self, x: u32) -> u32 {
        x + 1
    }
}

impl Display for Dice {
    #[mockable(Display)]
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "dice")
    }
}

#[mockable]
pub async fn later(x: u32) -> Result<u32, std::num::ParseIntError> {
    let n: u32 = "1".parse()?;
    Ok(x + n)
}

#[mockable]
pub async fn at_once<T: Into<u64>>(x: T, text: &str) -> u64 {
    x.into() + text.len() as u64
}

#[inline(never)]
pub fn calls_sync() -> Vec<String> {
    let mut till = Till::new(1_u32);
    let x = *till.set(2);
    vec![
        free(1).to_string(),
        always_inline(1).to_string(),
        generic::<u8, 1>(1).to_string(),
        generic::<u16, 1>(1).to_string(),
        hidden(1, (2, 3), 4).collect::<String>(),
        longer("a", "bc").to_owned(),
        boxed(1).map_or_else(|e| e.to_string(), |n| n.to_string()),
        // SAFETY: it points to a number.
        unsafe { of_pointer(&1) }.to_string(),
        of_c(1).to_string(),
        recursive(3).to_string(),
        x.to_string(),
        till.sum().to_string(),
        till.open().to_string(),
        Dice.twice(1).to_string(),
        Dice.roll(1).to_string(),
        Dice.roll_twice(1).to_string(),
        Dice.to_string(),
    ]
}

#[inline(never)]
pub async fn calls_async() -> u64 {
    let n = later(1).await.unwrap_or(1000);
    u64::from(n) + at_once(1_u8, "ab").await
}
