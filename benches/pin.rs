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

const CALLS: u32 = 2_000_000;
const ROUNDS: usize = 15;

macro_rules! functions {
    ($($name:ident = $value:expr;)*) => {
        $(#[inline(never)]
        extern "C" fn $name(n: u64) -> u64 {
            black_box(n) + $value
        })*
    };
}

functions! {
    bare = 1; patched = 2; replacement = 3;
    reloaded = 4; first = 5; second = 6;
}

type Function = extern "C" fn(u64) -> u64;

fn at(function: Function) -> usize {
    function as *const () as usize
}

/// Nanoseconds of one call.
fn call(function: Function) -> f64 {
    let function = black_box(function);
    let begun = Instant::now();
    for n in 0..CALLS {
        black_box(function(u64::from(n)));
    }
    begun.elapsed().as_nanos() as f64 / f64::from(CALLS)
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
    let target = at(patched) as *const ();
    // SAFETY: functions of one type.
    let patch = unsafe { midair::patch_raw(target, |_| at(replacement) as *const ()) }.unwrap();
    // As that of a reload: through its gate.
    patch.disable().unwrap();
    patch.enable().unwrap();
    agent.reload(&[(at(reloaded), at(first))]);
    assert_eq!([patched(0), reloaded(0)], [3, 5]);

    let mut all = [const { Vec::new() }; 7];
    for _ in 0..ROUNDS {
        all[0].push(call(bare));
        all[1].push(call(patched));
        all[2].push(call(reloaded));
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
        agent.reload(&[(at(reloaded), at(second))]);
        assert_eq!(reloaded(0), 5);
        all[4].push(call(reloaded));
        drop(pin);
        assert_eq!(reloaded(0), 6);
        all[3].push(call(reloaded));
        all[5].push(turns(|| drop(black_box(midair::pin()))));
        all[6].push(turns(|| drop(black_box(midair::pinned(async {})))));
        drop(go_on);
        other.join().unwrap();
        agent.undo().unwrap();
        assert_eq!(reloaded(0), 5);
    }
    let [bare, patched, reloaded, elsewhere, pinned, pin, future] = all.map(median);
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
