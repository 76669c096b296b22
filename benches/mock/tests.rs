//! 64 tests that mock three functions, all at once, a hundred times; and the same
//! tests of code that takes hand-written stubs.

use midair::mock;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Mutex;
use std::time::Instant;

// Opaque, as private functions of optimised builds have to be.

#[inline(never)]
fn price(of: &str) -> u64 {
    black_box(black_box(of).len() as u64)
}

#[inline(never)]
fn stock(of: &str, shop: u64) -> u64 {
    black_box(black_box(shop) * 100 + black_box(of).len() as u64)
}

#[inline(never)]
fn discount(total: u64) -> u64 {
    black_box(black_box(total) / 10)
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

/// A stub that keeps what it was called with, as a mock does.
#[derive(Default)]
struct Stub {
    number: u64,
    calls: [Mutex<Vec<Vec<String>>>; 3],
}

impl Stub {
    fn called(&self, n: usize, arguments: Vec<String>) {
        if let Ok(mut calls) = self.calls[n].lock() {
            calls.push(arguments);
        }
    }
}

impl Shop for Stub {
    #[inline(never)]
    fn price(&self, of: &str) -> u64 {
        self.called(0, vec![format!("{of:?}")]);
        self.number + of.len() as u64
    }
    #[inline(never)]
    fn stock(&self, of: &str, shop: u64) -> u64 {
        self.called(1, vec![format!("{of:?}"), format!("{shop:?}")]);
        self.number + 1
    }
    #[inline(never)]
    fn discount(&self, total: u64) -> u64 {
        self.called(2, vec![format!("{total:?}")]);
        self.number
    }
}

/// What is tested: a bill of so many lines, as text; and reads it again.
#[inline(never)]
fn bill(shop: &dyn Shop, number: u64, lines: usize) -> u64 {
    let goods = ["tea", "coffee", "sugar", "milk", "bread"];
    let mut text = String::new();
    for (n, of) in goods.iter().cycle().take(lines).enumerate() {
        // Ten lines ask for what is mocked.
        let total = match n {
            0..10 => {
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
    let calls = lines.min(10);
    let counts = (prices.count(), stocks.count(), discounts.count());
    assert_eq!(counts, (calls, calls, calls));
}

fn with_stubs(number: u64, lines: usize) {
    let stub = Stub {
        number,
        ..Stub::default()
    };
    black_box(bill(&stub, number, lines));
    let calls = lines.min(10);
    let counts = stub
        .calls
        .map(|calls| calls.into_inner().map_or(0, |calls| calls.len()));
    assert_eq!(counts, [calls; 3]);
}

/// What a round took: of the clock, and of the processor.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Took {
    wall: f64,
    processor: f64,
}

fn processor_seconds() -> f64 {
    // SAFETY: both are plain data, and the kernel writes the one.
    let time = unsafe {
        let mut time = std::mem::zeroed::<libc::timespec>();
        libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time);
        time
    };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// 64 tests, each in a thread of its own as libtest has them.
fn round(test: fn(u64, usize), lines: usize) -> Took {
    let (start, processor) = (Instant::now(), processor_seconds());
    std::thread::scope(|scope| {
        for number in 0..64 {
            scope.spawn(move || test(number, lines));
        }
    });
    Took {
        wall: start.elapsed().as_secs_f64(),
        processor: processor_seconds() - processor,
    }
}

/// Prints how long the rounds take. The two kinds take turns, so that whatever
/// else the machine does meets both; what the processor spent does not depend on
/// that.
pub(super) fn compare() {
    println!("\n64 tests at once, a hundred times, each with 3 mocks and 30 calls of them:");
    for lines in [10, 100, 1_000, 5_000] {
        round(with_mocks, lines);
        let (mut stubs, mut mocks) = (Vec::new(), Vec::new());
        for _ in 0..100 {
            stubs.push(round(with_stubs, lines));
            mocks.push(round(with_mocks, lines));
        }
        let total = |rounds: &[Took], of: fn(&Took) -> f64| rounds.iter().map(of).sum::<f64>();
        let median = |rounds: &[Took]| {
            let mut walls: Vec<f64> = rounds.iter().map(|took| took.wall).collect();
            walls.sort_by(f64::total_cmp);
            walls[walls.len() / 2]
        };
        let ratio = |of| total(&mocks, of) / total(&stubs, of);
        println!(
            "{lines:>6} lines, {:>5.0} µs of the processor a test: mocks {:.2} times stubs by the \
             clock (medians {:.2}), {:.2} by the processor",
            total(&stubs, |took| took.processor) * 1e6 / 6400.0,
            ratio(|took| took.wall),
            median(&mocks) / median(&stubs),
            ratio(|took| took.processor),
        );
    }
}
