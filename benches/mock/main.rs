//! What mocks cost: those who see them, those who do not, and tests that run at
//! the same time. injectorpp 0.5 is measured in the same run.
//!
//! `cargo bench --bench mock`

#[cfg(target_arch = "x86_64")]
mod peer;
mod tests;

use criterion::Criterion;
use midair::mock;
use std::cell::Cell;
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

targets! { direct = 1, mocked = 2, counted = 3, made = 4 }

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

/// Nanoseconds of a call: the fastest of criterion's samples, as others build and
/// run on the same machine.
fn measure(c: &mut Criterion, name: &str, f: fn(u64) -> u64) -> f64 {
    let best = Cell::new(f64::INFINITY);
    c.bench_function(name, |b| {
        b.iter_custom(|times| {
            let elapsed = call(f, times);
            if times >= 10_000 {
                let each = elapsed.as_nanos() as f64 / times as f64;
                best.set(best.get().min(each));
            }
            elapsed
        });
    });
    best.get()
}

/// Runs something while another thread has what it made.
fn beside<T>(make: fn() -> T, run: impl FnOnce() -> f64) -> f64 {
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

fn main() {
    let mut c = Criterion::default()
        .sample_size(50)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();

    let bare = measure(&mut c, "direct", direct);
    let outside = beside(
        || mock!(mocked).returns(0),
        || measure(&mut c, "midair, a thread without the mock", mocked),
    );
    let mock = mock!(counted).returns(0).unrecorded();
    let inside = measure(&mut c, "midair, in the scope", counted);
    drop(mock);
    c.bench_function("midair, making and dropping a mock", |b| {
        b.iter(|| mock!(made).returns(0));
    });
    println!("\na direct call                      {bare:6.2} ns");
    println!(
        "midair, a thread without the mock  {outside:6.2} ns, {:+.2} ns",
        outside - bare
    );
    println!("midair, in the scope               {inside:6.2} ns");
    #[cfg(target_arch = "x86_64")]
    {
        let (theirs, their_inside) = peer::measure_all(&mut c);
        println!(
            "injectorpp, a thread without it    {theirs:6.2} ns, {:+.2} ns",
            theirs - bare
        );
        println!("injectorpp, the thread that has it {their_inside:6.2} ns");
        println!(
            "midair's overhead is {:.2} of injectorpp's",
            (outside - bare) / (theirs - bare)
        );
    }
    tests::compare();
}
