//! Ten thousand functions in one atomic transaction: what threads see meanwhile,
//! and what a commit costs.
//!
//! Not run by the test harness, whose thread would be one too many for the
//! figures of a process with one thread; so this prints a harness's last line
//! itself. `cargo test --release --test atomic` prints the figures that count.

use midair::{Consistency, RawPatch, Transaction};
use midair_libraries::many::{self, Number};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Replaces all functions.
extern "C" fn lower(n: u64) -> u64 {
    !n
}

/// Replaces all functions as well.
extern "C" fn upper(n: u64) -> u64 {
    n ^ 0x5555
}

/// What a function is, by what it gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Seen {
    Original,
    Lower,
    Upper,
}

fn look_at(functions: &[Number], index: usize) -> Seen {
    let n = 0x1_0000_0000 + index as u64;
    match functions[index](n) {
        got if got == n + index as u64 => Seen::Original,
        got if got == lower(n) => Seen::Lower,
        got if got == upper(n) => Seen::Upper,
        got => panic!("function {index} gave {got:#x} for {n:#x}"),
    }
}

/// Versions of the whole: each commit makes the next one.
struct Versions {
    /// What each version is; neighbours differ.
    all: Vec<Seen>,
    /// Commits that have begun, and that have ended.
    begun: AtomicUsize,
    done: AtomicUsize,
    /// The newest version that anybody has met.
    met: AtomicUsize,
    /// Calls of each thread since the last commit ended.
    calls: Vec<AtomicUsize>,
    end: AtomicBool,
}

/// So many calls does each thread make between two commits.
const CALLS: usize = 4_000;

impl Versions {
    fn new(all: Vec<Seen>, threads: usize) -> Self {
        Self {
            all,
            begun: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            met: AtomicUsize::new(0),
            calls: (0..threads).map(|_| AtomicUsize::new(0)).collect(),
            end: AtomicBool::new(false),
        }
    }

    /// Calls functions, and ends the process if one is older than what anybody
    /// has met before.
    fn check(&self, functions: &[Number], thread: usize, mut next: impl FnMut() -> usize) {
        while !self.end.load(Ordering::Relaxed) {
            let met = self.met.load(Ordering::Acquire);
            let index = next();
            let seen = look_at(functions, index);
            let begun = self.begun.load(Ordering::Acquire);
            // Since `met` was read, at most one commit has begun: the next one
            // waits for this thread's calls.
            let is_new = begun > met && seen == self.all[met + 1];
            if is_new {
                self.met.fetch_max(met + 1, Ordering::AcqRel);
            } else if seen != self.all[met] {
                eprintln!(
                    "function {index} was {seen:?} after version {met}, {:?}, was met; {begun} \
                     commits have begun",
                    self.all[met]
                );
                std::process::exit(1);
            }
            self.calls[thread].fetch_add(1, Ordering::Release);
        }
    }

    /// Makes the next version. All threads have called many functions before.
    fn advance(&self, commit: impl FnOnce()) {
        self.begun.fetch_add(1, Ordering::AcqRel);
        commit();
        self.done.fetch_add(1, Ordering::AcqRel);
        let before: Vec<usize> = self.counts().collect();
        let have_all = || {
            self.counts()
                .zip(&before)
                .all(|(now, then)| now - then >= CALLS)
        };
        let start = Instant::now();
        while !have_all() {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "a thread stands still"
            );
            std::thread::sleep(Duration::from_micros(100));
        }
        let done = self.done.load(Ordering::Acquire);
        assert_eq!(
            self.met.load(Ordering::Acquire),
            done,
            "nobody met version {done}"
        );
    }

    fn counts(&self) -> impl Iterator<Item = usize> {
        self.calls.iter().map(|calls| calls.load(Ordering::Acquire))
    }
}

fn commit(transaction: &mut Transaction) -> Vec<RawPatch> {
    // SAFETY: of the same type; whoever calls knows of all results.
    let committed = unsafe { transaction.commit(Consistency::Atomic) };
    committed.unwrap().patches.into_iter().collect()
}

/// Patches all functions.
fn patch_all(functions: &[Number], to: Number) -> Vec<RawPatch> {
    let mut transaction = Transaction::new();
    for &function in functions {
        transaction.patch_raw(function as *const (), move |_| to as *const ());
    }
    commit(&mut transaction)
}

fn switch(patches: &[RawPatch], on: bool) {
    let mut transaction = Transaction::new();
    for patch in patches {
        match on {
            true => transaction.enable(patch),
            false => transaction.disable(patch),
        };
    }
    commit(&mut transaction);
}

fn remove(patches: Vec<RawPatch>) {
    let mut transaction = Transaction::new();
    for patch in patches {
        transaction.remove(patch);
    }
    commit(&mut transaction);
}

/// One thread walks in random order, the others are busy in order, each from
/// another place; all check.
fn nobody_meets_an_old_function_after_a_new_one(functions: &'static [Number]) {
    const THREADS: usize = 4;
    let rounds = std::env::var("MIDAIR_CYCLES").map_or(3, |n| n.parse::<usize>().unwrap() / 1_000);
    use Seen::{Lower, Original, Upper};
    let round = [
        Lower,    // new patches
        Original, // disabled
        Lower,    // enabled
        Upper,    // new patches on top
        Lower,    // those disabled
        Upper,    // enabled
        Original, // both disabled
        Upper,    // both enabled
        Lower,    // those on top removed
        Original, // all removed
    ];
    let all: Vec<Seen> = [Original]
        .into_iter()
        .chain((0..rounds).flat_map(|_| round))
        .collect();
    let versions = Versions::new(all, THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let versions = &versions;
            scope.spawn(move || {
                let mut state = 88_172_645_463_325_252_u64 + thread as u64;
                let mut at = thread * functions.len() / THREADS;
                versions.check(functions, thread, || match thread {
                    0 => {
                        // xorshift64
                        state ^= state << 13;
                        state ^= state >> 7;
                        state ^= state << 17;
                        (state % functions.len() as u64) as usize
                    }
                    _ => {
                        at = (at + 1) % functions.len();
                        at
                    }
                });
            });
        }
        for _ in 0..rounds {
            let (mut low, mut up) = (Vec::new(), Vec::new());
            versions.advance(|| low = patch_all(functions, lower));
            versions.advance(|| switch(&low, false));
            versions.advance(|| switch(&low, true));
            versions.advance(|| up = patch_all(functions, upper));
            versions.advance(|| switch(&up, false));
            versions.advance(|| switch(&up, true));
            let both = |on| {
                let mut transaction = Transaction::new();
                for patch in low.iter().chain(&up) {
                    match on {
                        true => transaction.enable(patch),
                        false => transaction.disable(patch),
                    };
                }
                commit(&mut transaction);
            };
            versions.advance(|| both(false));
            versions.advance(|| both(true));
            versions.advance(|| remove(up));
            versions.advance(|| remove(low));
        }
        versions.end.store(true, Ordering::Relaxed);
    });
}

/// What a commit may cost for each function, at the median: what is wanted, and
/// what fails wherever it is measured.
const WANTED: Duration = Duration::from_micros(2);
const BOUND: Duration = Duration::from_micros(if cfg!(debug_assertions) { 300 } else { 20 });

/// Measures commits over all functions, which have all been planned.
fn commits_are_cheap(functions: &'static [Number], threads: usize) {
    const ROUNDS: usize = 15;
    /// Tells the threads to end, also if the test fails: the scope waits for them.
    struct Stop<'s>(&'s AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stopping = Stop(&stop);
        for thread in 0..threads {
            let stop = &stop;
            scope.spawn(move || {
                let all = functions
                    .iter()
                    .cycle()
                    .skip(thread * functions.len() / threads);
                for (n, function) in all.enumerate() {
                    std::hint::black_box(function(n as u64));
                    if n % 64 == 0 && stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        // Plans.
        remove(patch_all(functions, lower));
        let mut samples = [const { Vec::new() }; 6];
        for _ in 0..ROUNDS {
            let mut patches = Vec::new();
            let mut on_top = Vec::new();
            let mut taken = samples.iter_mut();
            let mut timed = |what: &mut dyn FnMut()| {
                let (start, processor) = (Instant::now(), processor_time());
                what();
                let each = |time: Duration| time / functions.len() as u32;
                let took = (start.elapsed(), processor_time() - processor);
                taken.next().unwrap().push((each(took.0), each(took.1)));
            };
            timed(&mut || patches = patch_all(functions, lower));
            timed(&mut || switch(&patches, false));
            timed(&mut || switch(&patches, true));
            timed(&mut || on_top = patch_all(functions, upper));
            timed(&mut || remove(std::mem::take(&mut on_top)));
            timed(&mut || remove(std::mem::take(&mut patches)));
        }
        memory_comes_back(functions);
        drop(stopping);
        let names = [
            "patch",
            "turn off",
            "turn on",
            "patch on top",
            "remove from the top",
            "remove",
        ];
        for (name, samples) in names.into_iter().zip(samples) {
            let (mut wall, mut processor): (Vec<_>, Vec<_>) = samples.into_iter().unzip();
            let middle = ROUNDS / 2;
            wall.sort_unstable();
            processor.sort_unstable();
            let verdict = |took| if took <= WANTED { "met" } else { "not met" };
            println!(
                "{threads} busy threads, {name}: {:.2?} a function ({:.2?} to {:.2?}), {WANTED:?} \
                 {}; of the processor's time {:.2?}, {}",
                wall[middle],
                wall[0],
                wall[ROUNDS - 1],
                verdict(wall[middle]),
                processor[middle],
                verdict(processor[middle]),
            );
            // Wall time is others' as well, where the machine is shared.
            let median = processor[middle];
            assert!(median <= BOUND, "{name}: {median:?} is more than {BOUND:?}");
        }
    });
}

/// Also if patches are only turned on and off, and never removed. Where the busy
/// threads do not get a turn, as other processes have the cores, it waits for them.
fn memory_comes_back(functions: &[Number]) {
    let patches = patch_all(functions, lower);
    for round in 0..40 {
        switch(&patches, round % 2 == 0);
        let waiting = || midair::stats().bytes_limbo;
        if waiting() > 32 << 20 {
            midair::reclaim(Duration::from_secs(60)).expect("threads can be looked at");
        }
        let limbo = waiting();
        assert!(limbo < 32 << 20, "{limbo} bytes wait after round {round}");
    }
    remove(patches);
}

/// What this thread has had of the processor.
fn processor_time() -> Duration {
    // SAFETY: zeros are a valid timespec, which the kernel fills.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        assert_eq!(
            libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time),
            0
        );
        time
    };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// All, or those whose names are given.
fn main() {
    let functions = many::load().unwrap();
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let tests: [(&str, &dyn Fn()); 3] = [
        ("commits_are_cheap_alone", &|| {
            commits_are_cheap(functions, 0)
        }),
        ("commits_are_cheap_among_busy_threads", &|| {
            commits_are_cheap(functions, 2)
        }),
        ("nobody_meets_an_old_function_after_a_new_one", &|| {
            nobody_meets_an_old_function_after_a_new_one(functions);
        }),
    ];
    let mut passed = 0;
    for (name, test) in tests {
        if asked.is_empty() || asked.iter().any(|asked| name.contains(asked.as_str())) {
            test(); // a panic ends the program with an error
            println!("test {name} ... ok");
            passed += 1;
        }
    }
    println!("\n{passed} passed, 0 failed");
}
