//! 64 tests that mock three functions, all at once, a hundred times; and the same
//! tests of code that takes hand-written stubs.

use midair::mock;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[inline(never)]
fn price(of: &str) -> u64 {
    black_box(of.len() as u64)
}

#[inline(never)]
fn stock(of: &str, shop: u64) -> u64 {
    black_box(shop) * 100 + of.len() as u64
}

#[inline(never)]
fn discount(total: u64) -> u64 {
    black_box(total) / 10
}

/// What code has to take where functions cannot be mocked.
trait Shop {
    fn price(&self, of: &str) -> u64;
    fn stock(&self, of: &str, shop: u64) -> u64;
    fn discount(&self, total: u64) -> u64;
}

struct Real;

impl Shop for Real {
    fn price(&self, of: &str) -> u64 {
        price(of)
    }
    fn stock(&self, of: &str, shop: u64) -> u64 {
        stock(of, shop)
    }
    fn discount(&self, total: u64) -> u64 {
        discount(total)
    }
}

/// A stub that counts.
struct Stub {
    number: u64,
    calls: [AtomicUsize; 3],
}

impl Shop for Stub {
    #[inline(never)]
    fn price(&self, of: &str) -> u64 {
        self.calls[0].fetch_add(1, Ordering::Relaxed);
        self.number + of.len() as u64
    }
    #[inline(never)]
    fn stock(&self, _: &str, _: u64) -> u64 {
        self.calls[1].fetch_add(1, Ordering::Relaxed);
        self.number + 1
    }
    #[inline(never)]
    fn discount(&self, _: u64) -> u64 {
        self.calls[2].fetch_add(1, Ordering::Relaxed);
        self.number
    }
}

/// What is tested: a bill of so many lines, as text; and reads it again.
#[inline(never)]
fn bill(shop: &dyn Shop, number: u64, lines: usize) -> u64 {
    let goods = ["tea", "coffee", "sugar", "milk", "bread"];
    let mut text = String::new();
    for (n, of) in goods.iter().cycle().take(lines).enumerate() {
        // One line in ten asks for what is mocked.
        let total = match n % 10 {
            0 => {
                let total = shop.price(of) * shop.stock(of, number);
                total - shop.discount(total)
            }
            _ => n as u64,
        };
        let _ = writeln!(
            text,
            "{n:>8} {of:<20} {total:>12} {:>16.3}",
            total as f64 / 7.0
        );
    }
    let parts = text
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2));
    parts.filter_map(|part| part.parse::<u64>().ok()).sum()
}

fn with_mocks(number: u64, lines: usize) {
    let prices = mock!(price => move |of| number + of.len() as u64);
    let stocks = mock!(stock).returns(number + 1);
    let discounts = mock!(discount).returns(number);
    black_box(bill(&Real, number, lines));
    let calls = lines.div_ceil(10);
    let counts = (prices.count(), stocks.count(), discounts.count());
    assert_eq!(counts, (calls, calls, calls));
}

fn with_stubs(number: u64, lines: usize) {
    let stub = Stub {
        number,
        calls: Default::default(),
    };
    black_box(bill(&stub, number, lines));
    let calls = lines.div_ceil(10);
    assert!(
        stub.calls
            .iter()
            .all(|n| n.load(Ordering::Relaxed) == calls)
    );
}

/// 64 tests, each in a thread of its own as libtest has them.
fn round(test: fn(u64, usize), lines: usize) -> Duration {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for number in 0..64 {
            scope.spawn(move || test(number, lines));
        }
    });
    start.elapsed()
}

/// Prints how long the rounds take. The two kinds take turns, so that whatever
/// else the machine does meets both.
pub(super) fn compare() {
    println!("\n64 tests at once, a hundred times:");
    for lines in [10, 100, 1_000, 10_000] {
        round(with_mocks, lines);
        let (mut stubs, mut mocks) = (Vec::new(), Vec::new());
        for _ in 0..100 {
            stubs.push(round(with_stubs, lines));
            mocks.push(round(with_mocks, lines));
        }
        let total = |rounds: &[Duration]| rounds.iter().sum::<Duration>().as_secs_f64() * 1e3;
        let (all_stubs, all_mocks) = (total(&stubs), total(&mocks));
        stubs.sort();
        mocks.sort();
        let median = mocks[50].as_secs_f64() / stubs[50].as_secs_f64();
        println!(
            "{lines:>7} lines a bill, {:>6.0} µs a test: stubs {all_stubs:>6.0} ms, mocks \
             {all_mocks:>6.0} ms, {:.3} times; medians {median:.3} times",
            all_stubs * 1e3 / 6400.0,
            all_mocks / all_stubs,
        );
    }
}
