//! What a patched call costs, and what a patch costs, beside `detour`,
//! `retour` and a bare call, in one run.
//!
//! `cargo bench` runs it and prints the table of ratios at the end. Absolute
//! times mean little on a shared machine: compare within one run.

mod many;
mod table;

use criterion::Criterion;
use many::{COUNT, Number};
use midair::{Transaction, patch};
use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A function for each engine: they must not meet at one entry.
macro_rules! targets {
    ($($name:ident = $addend:literal),* $(,)?) => {$(
        #[inline(never)]
        extern "C" fn $name(n: u64) -> u64 {
            n.wrapping_mul(31).wrapping_add($addend)
        }
    )*};
}

targets! {
    direct = 1,
    midair_replaced = 3, midair_original = 4, midair_gate = 5, midair_install = 6,
    detour_replaced = 7, detour_original = 8, detour_install = 9,
    retour_replaced = 10, retour_original = 11, retour_install = 12,
}

#[inline(never)]
extern "C" fn at_once(n: u64) -> u64 {
    n
}

/// A replacement that calls the original, which it finds in a static.
macro_rules! calls_original {
    ($name:ident, $static:ident) => {
        static $static: OnceLock<Number> = OnceLock::new();
        #[inline(never)]
        extern "C" fn $name(n: u64) -> u64 {
            match $static.get() {
                Some(original) => original(n),
                None => 0,
            }
        }
    };
}

calls_original!(through_midair, MIDAIR);
calls_original!(through_detour, DETOUR);
calls_original!(through_retour, RETOUR);

fn pointer(f: Number) -> *const () {
    f as *const ()
}

fn typed(at: *const ()) -> Number {
    // SAFETY: the original of a function of this type.
    unsafe { std::mem::transmute::<*const (), Number>(at) }
}

/// Calls `f` so often; the same loop for all, so that its place in memory does
/// not decide.
#[inline(never)]
fn call(f: Number, times: u64) -> Duration {
    let f = black_box(f);
    let start = Instant::now();
    for n in 0..times {
        black_box(f(n));
    }
    start.elapsed()
}

fn calls(c: &mut Criterion) {
    let mut group = c.benchmark_group("call");
    let mut measure = |name: &str, f: Number| {
        group.bench_function(name, |b| b.iter_custom(|times| call(f, times)));
    };
    // SAFETY: the replacements have the types of the targets.
    let patches = unsafe {
        let replaced = patch(midair_replaced as Number, at_once).unwrap();
        let original = patch(midair_original as Number, through_midair as Number).unwrap();
        MIDAIR.set(original.original()).unwrap();
        let gate = patch(midair_gate as Number, at_once).unwrap();
        gate.disable().unwrap();
        gate.enable().unwrap();
        [replaced, original, gate]
    };
    // SAFETY: as above.
    let detours = unsafe {
        let replaced = detour::RawDetour::new(pointer(detour_replaced), pointer(at_once)).unwrap();
        let original =
            detour::RawDetour::new(pointer(detour_original), pointer(through_detour)).unwrap();
        DETOUR.set(typed(original.trampoline())).unwrap();
        replaced.enable().unwrap();
        original.enable().unwrap();
        [replaced, original]
    };
    // SAFETY: as above.
    let retours = unsafe {
        let replaced = retour::RawDetour::new(pointer(retour_replaced), pointer(at_once)).unwrap();
        let original =
            retour::RawDetour::new(pointer(retour_original), pointer(through_retour)).unwrap();
        let trampoline = std::ptr::from_ref(original.trampoline());
        RETOUR.set(typed(trampoline)).unwrap();
        replaced.enable().unwrap();
        original.enable().unwrap();
        [replaced, original]
    };
    measure("direct", direct);
    measure("replacement itself", at_once);
    measure("midair replaced", midair_replaced);
    measure("detour replaced", detour_replaced);
    measure("retour replaced", retour_replaced);
    measure("midair gate", midair_gate);
    measure("midair original", midair_original);
    measure("detour original", detour_original);
    measure("retour original", retour_original);
    group.finish();
    drop((patches, detours, retours));
}

/// Times `timed` alone, with `before` and `after` around each round.
fn only<S, T>(
    rounds: u64,
    mut before: impl FnMut() -> S,
    mut timed: impl FnMut(S) -> T,
    mut after: impl FnMut(T),
) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..rounds {
        let state = before();
        let start = Instant::now();
        let made = timed(state);
        total += start.elapsed();
        after(made);
    }
    total
}

fn installs(c: &mut Criterion) {
    let mut group = c.benchmark_group("install");
    let install = || {
        // SAFETY: the replacement has the type of the target.
        unsafe { patch(midair_install as Number, at_once) }.unwrap()
    };
    group.bench_function("midair", |b| {
        b.iter_custom(|n| only(n, || (), |()| install(), drop))
    });
    group.bench_function("midair remove", |b| {
        b.iter_custom(|n| only(n, install, drop, drop))
    });
    group.bench_function("midair plan", |b| {
        // Functions that no patch has met yet; each is planned once a round.
        let functions = many::functions();
        let mut next = 0;
        b.iter_custom(|n| {
            let fresh = || {
                next = (next + 1) % COUNT;
                functions[next] as *const ()
            };
            only(n, fresh, |f| midair::can_patch(f).unwrap(), drop)
        });
    });
    group.bench_function("midair toggle", |b| {
        let patch = install();
        b.iter(|| {
            patch.disable().unwrap();
            patch.enable().unwrap();
        });
    });
    let new = || {
        // SAFETY: as above.
        unsafe {
            let hook = detour::RawDetour::new(pointer(detour_install), pointer(at_once)).unwrap();
            hook.enable().unwrap();
            hook
        }
    };
    group.bench_function("detour", |b| {
        b.iter_custom(|n| only(n, || (), |()| new(), drop))
    });
    group.bench_function("detour remove", |b| {
        b.iter_custom(|n| only(n, new, drop, drop))
    });
    let new = || {
        // SAFETY: as above.
        unsafe {
            let hook = retour::RawDetour::new(pointer(retour_install), pointer(at_once)).unwrap();
            hook.enable().unwrap();
            hook
        }
    };
    group.bench_function("retour", |b| {
        b.iter_custom(|n| only(n, || (), |()| new(), drop))
    });
    group.bench_function("retour remove", |b| {
        b.iter_custom(|n| only(n, new, drop, drop))
    });
    group.finish();
}

fn batches(c: &mut Criterion) {
    let mut group = c.benchmark_group("thousand");
    group.sample_size(10);
    let functions = many::functions();
    // The first time plans everything; it can happen only once a process.
    let first = Instant::now();
    drop(patch_all(&functions));
    let first = first.elapsed();
    group.bench_function("midair", |b| {
        b.iter_custom(|n| only(n, || (), |()| patch_all(&functions), drop))
    });
    group.bench_function("detour", |b| {
        b.iter_custom(|n| only(n, || (), |()| detour_all(&functions), drop))
    });
    group.finish();
    println!("midair: {COUNT} functions never patched before, planned and patched: {first:?}");
    table::remember_first(first);
}

fn patch_all(functions: &[Number]) -> midair::Patches {
    let mut transaction = Transaction::new();
    for &f in functions {
        transaction.patch_raw(pointer(f), |original| original);
    }
    // SAFETY: pass-throughs.
    unsafe { transaction.commit(midair::Consistency::Immediate) }
        .unwrap()
        .patches
}

fn detour_all(functions: &[Number]) -> Vec<detour::RawDetour> {
    let hook = |&f: &Number| {
        // SAFETY: the replacement has the type of the target.
        unsafe { detour::RawDetour::new(pointer(f), pointer(at_once)) }.unwrap()
    };
    let hooks: Vec<_> = functions.iter().map(hook).collect();
    let mut transaction = detour::Transaction::new();
    for hook in &hooks {
        transaction.enable(hook);
    }
    // SAFETY: there is no other thread.
    unsafe { transaction.commit(detour::Threads::None) }.unwrap();
    hooks
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    // Nothing is left patched: the engines take turns.
    installs(&mut criterion);
    batches(&mut criterion);
    calls(&mut criterion);
    criterion.final_summary();
    table::print();
}
