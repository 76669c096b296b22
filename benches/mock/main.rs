//! What mocks cost: those who see them, those who do not, and tests that run at
//! the same time. injectorpp 0.5 is measured in the same run.
//!
//! `cargo bench --bench mock`

#[cfg(target_arch = "x86_64")]
mod peer;
mod tests;

use criterion::Criterion;
use midair::mock;
use std::hint::black_box;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// A function for each engine: they must not meet at one entry.
macro_rules! targets {
    ($($name:ident = $addend:literal),* $(,)?) => {$(
        #[inline(never)]
        fn $name(n: u64) -> u64 {
            black_box(n).wrapping_mul(31).wrapping_add($addend)
        }
    )*};
}

targets! { direct = 1, mocked = 2, stubbed = 3, made = 4 }

/// Calls `f` so often; the same loop for all, so that its place in memory does
/// not decide.
#[inline(never)]
fn call(f: fn(u64) -> u64, times: u64) -> Duration {
    let f = black_box(f);
    let start = Instant::now();
    for n in 0..times {
        black_box(f(n));
    }
    start.elapsed()
}

/// A function to be called, by name.
type Row = (&'static str, fn(u64) -> u64);

/// Nanoseconds of a call of each. They take turns, half a millisecond each, so
/// that whatever else the machine does meets all of them; medians.
fn measure(rows: &[Row]) -> Vec<f64> {
    const CALLS: u64 = 100_000;
    let mut turns = vec![Vec::new(); rows.len()];
    for _ in 0..500 {
        for ((_, f), turns) in rows.iter().zip(&mut turns) {
            turns.push(call(*f, CALLS).as_nanos() as f64 / CALLS as f64);
        }
    }
    let median = |mut turns: Vec<f64>| {
        turns.sort_by(f64::total_cmp);
        turns[turns.len() / 2]
    };
    turns.into_iter().map(median).collect()
}

/// Runs something while another thread has what it made.
fn beside<T, R>(make: fn() -> T, run: impl FnOnce() -> R) -> R {
    let (is_made, wait_made) = channel::<()>();
    let (is_done, wait_done) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let _made = make();
            is_made.send(()).unwrap_or_default();
            let _ = wait_done.recv();
        });
        let _ = wait_made.recv();
        let result = run();
        drop(is_done);
        result
    })
}

/// A mock of the one and a fake of the other, that the measuring thread does not see.
fn make_outside() -> impl Sized {
    let mock = mock!(mocked).returns(0);
    #[cfg(target_arch = "x86_64")]
    return (mock, peer::fake_outside());
    #[cfg(not(target_arch = "x86_64"))]
    mock
}

fn calls(c: &mut Criterion) {
    let counting = mock!(stubbed).returns(0).unrecorded();
    let rows: &[Row] = &[
        ("a direct call", direct),
        ("midair, a thread without the mock", mocked),
        ("midair, the thread that has it", stubbed),
        #[cfg(target_arch = "x86_64")]
        ("injectorpp, a thread without the fake", peer::outside),
        #[cfg(target_arch = "x86_64")]
        ("injectorpp, the thread that has it", peer::inside),
    ];
    #[cfg(target_arch = "x86_64")]
    let _fake = peer::fake_inside();
    let times = beside(make_outside, || {
        for (name, f) in rows {
            c.bench_function(name, |b| b.iter_custom(|times| call(*f, times)));
        }
        measure(rows)
    });
    drop(counting);
    println!();
    for ((name, _), time) in rows.iter().zip(&times) {
        println!("{name:<40} {time:6.2} ns, {:+6.2} ns", time - times[0]);
    }
    if let [direct, ours, _, theirs, ..] = times[..] {
        let part = (ours - direct) / (theirs - direct);
        println!("without the mock, midair's overhead is {part:.3} of injectorpp's");
    }
}

fn main() {
    let mut c = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    calls(&mut c);
    c.bench_function("midair, making and dropping a mock", |b| {
        b.iter(|| mock!(made).returns(0));
    });
    tests::compare();
}
