//! What pins cost: calls of a reloaded function, and pinning itself.
//!
//! `cargo bench --bench pin`. All in one run, in turns, medians: wall times of two
//! runs are not to be compared.

#[path = "../tests/generations/agent.rs"]
#[allow(dead_code)]
mod agent;

use std::hint::black_box;
use std::sync::mpsc::channel;
use std::time::Instant;

const CALLS: u32 = 200_000;
const ROUNDS: usize = 15;
/// So many functions of each kind: what a jump costs depends on where it is, too.
const FUNCTIONS: usize = 16;

#[derive(Clone, Copy)]
enum Kind {
    Bare,
    Patched,
    Replacement,
    Reloaded,
    First,
    Second,
}

#[inline(never)]
extern "C" fn function<const KIND: u64, const N: u64>(n: u64) -> u64 {
    black_box(n) + KIND + N * 10
}

type Function = extern "C" fn(u64) -> u64;

fn row<const KIND: u64>() -> [Function; FUNCTIONS] {
    [
        function::<KIND, 0>,
        function::<KIND, 1>,
        function::<KIND, 2>,
        function::<KIND, 3>,
        function::<KIND, 4>,
        function::<KIND, 5>,
        function::<KIND, 6>,
        function::<KIND, 7>,
        function::<KIND, 8>,
        function::<KIND, 9>,
        function::<KIND, 10>,
        function::<KIND, 11>,
        function::<KIND, 12>,
        function::<KIND, 13>,
        function::<KIND, 14>,
        function::<KIND, 15>,
    ]
}

fn all(kind: Kind) -> [Function; FUNCTIONS] {
    match kind {
        Kind::Bare => row::<0>(),
        Kind::Patched => row::<1>(),
        Kind::Replacement => row::<2>(),
        Kind::Reloaded => row::<3>(),
        Kind::First => row::<4>(),
        Kind::Second => row::<5>(),
    }
}

fn at(function: Function) -> usize {
    function as *const () as usize
}

fn swaps(to: Kind) -> Vec<(usize, usize)> {
    let reloaded = all(Kind::Reloaded).map(at);
    reloaded.into_iter().zip(all(to).map(at)).collect()
}

/// Nanoseconds of one call, of each function.
fn call(kind: Kind) -> Vec<f64> {
    let one = |function: Function| {
        let function = black_box(function);
        let begun = Instant::now();
        for n in 0..CALLS {
            black_box(function(u64::from(n)));
        }
        begun.elapsed().as_nanos() as f64 / f64::from(CALLS)
    };
    all(kind).map(one).to_vec()
}

/// What the first of them gives.
fn first(kind: Kind) -> u64 {
    black_box(all(kind)[0])(0)
}

/// Nanoseconds of one turn.
fn turns(mut turn: impl FnMut()) -> f64 {
    let begun = Instant::now();
    for _ in 0..CALLS / 10 {
        turn();
    }
    begun.elapsed().as_nanos() as f64 / f64::from(CALLS / 10)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let mut agent = agent::agent();
    let agent = agent.as_mut().unwrap();
    let mut patches = Vec::new();
    for (target, to) in all(Kind::Patched).into_iter().zip(all(Kind::Replacement)) {
        let target = at(target) as *const ();
        // SAFETY: functions of one type.
        let patch = unsafe { midair::patch_raw(target, |_| at(to) as *const ()) }.unwrap();
        // As that of a reload: through its gate.
        patch.disable().unwrap();
        patch.enable().unwrap();
        patches.push(patch);
    }
    agent.reload(&swaps(Kind::First));
    assert_eq!([first(Kind::Patched), first(Kind::Reloaded)], [2, 4]);

    let mut times = [const { Vec::new() }; 7];
    for _ in 0..ROUNDS {
        times[0].extend(call(Kind::Bare));
        times[1].extend(call(Kind::Patched));
        times[2].extend(call(Kind::Reloaded));
        // Somebody else is pinned to the generation before: calls choose.
        let (ready, is_ready) = channel();
        let (go_on, goes_on) = channel::<()>();
        let other = std::thread::spawn(move || {
            let _pin = midair::pin();
            ready.send(()).unwrap();
            let _ = goes_on.recv();
        });
        is_ready.recv().unwrap();
        let pin = midair::pin();
        agent.reload(&swaps(Kind::Second));
        assert_eq!(first(Kind::Reloaded), 4);
        times[4].extend(call(Kind::Reloaded));
        drop(pin);
        assert_eq!(first(Kind::Reloaded), 5);
        times[3].extend(call(Kind::Reloaded));
        times[5].push(turns(|| drop(black_box(midair::pin()))));
        times[6].push(turns(|| drop(black_box(midair::pinned(async {})))));
        drop(go_on);
        other.join().unwrap();
        agent.undo().unwrap();
        assert_eq!(first(Kind::Reloaded), 4);
    }
    let [bare, patched, reloaded, elsewhere, pinned, pin, future] = times.map(median);
    let row = |what: &str, time: f64| {
        let (times, more) = (time / bare, time - patched);
        println!("{what:42} {time:6.2} ns  {times:5.2} x bare  {more:+6.2} ns to patched");
    };
    row("bare call", bare);
    row("patched call (through its gate)", patched);
    row("reloaded, nobody is pinned", reloaded);
    row("reloaded, somebody else is pinned", elsewhere);
    row("reloaded, the caller is pinned", pinned);
    println!("{:42} {pin:6.1} ns", "pin() and its drop");
    println!("{:42} {future:6.1} ns", "pinned(future) and its drop");
}
