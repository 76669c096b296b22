//! The same stress while something interrupts the threads all the time: a
//! profiling timer whose handler calls patched functions, and `perf record`.
//!
//! Each is a process of its own, since a timer is one of the whole process and
//! `perf` starts what it observes. The child is this program again, asked for
//! one test; what it is to do is in its environment.

use crate::load::Random;
use crate::targets::{Allows, Target};
use std::io::Write;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

const TEST: &str = "everything::many_threads_run_every_shape_while_patches_come_and_go";
/// Set in the child that runs under a timer.
const TIMER: &str = "MIDAIR_STRESS_TIMER";
/// Set in each child: how many cycles by default.
const CYCLES: &str = "MIDAIR_STRESS_CYCLES";
/// Cycles of an observed run, unless `MIDAIR_CYCLES` says otherwise.
const OBSERVED: u64 = 50_000;

/// How many cycles a run has if `MIDAIR_CYCLES` does not say.
pub(crate) fn default_cycles(unobserved: u64) -> u64 {
    let set = std::env::var(CYCLES).ok();
    set.map_or(unobserved, |n| n.parse().expect("set by this program"))
}

#[test]
fn every_shape_survives_a_profiling_timer_whose_handler_calls_patched_functions() {
    let _alone = crate::load::alone();
    let output = child(Command::new(std::env::current_exe().unwrap()).env(TIMER, "1"));
    succeeded(&output);
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("ticks of the timer"),
        "the timer was not set"
    );
}

#[test]
fn every_shape_survives_perf_record() {
    let _alone = crate::load::alone();
    let data = std::env::temp_dir().join(format!("midair-stress-{}.data", std::process::id()));
    let record = || {
        let mut perf = Command::new("perf");
        // The software clock is there in virtual machines, too.
        perf.args([
            "record",
            "--event",
            "cpu-clock",
            "--freq",
            "4000",
            "--call-graph",
            "fp",
        ])
        .arg("--output")
        .arg(&data)
        .arg("--");
        perf
    };
    match record().arg("true").output() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return say("SKIPPED every_shape_survives_perf_record: perf is not installed");
        }
        Err(e) => panic!("perf cannot be started: {e}"),
        Ok(probe) if !probe.status.success() => {
            let paranoid = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid");
            return say(&format!(
                "SKIPPED every_shape_survives_perf_record: perf is not permitted \
                 (kernel.perf_event_paranoid is {}): {}",
                paranoid.as_deref().unwrap_or("not readable").trim(),
                String::from_utf8_lossy(&probe.stderr).trim()
            ));
        }
        Ok(_) => {}
    }
    let output = child(record().arg(std::env::current_exe().unwrap()));
    let size = std::fs::metadata(&data).map(|m| m.len());
    let removed = std::fs::remove_file(&data);
    succeeded(&output);
    let told = String::from_utf8_lossy(&output.stderr);
    let told = told.lines().filter(|line| line.contains("samples"));
    println!("{}", told.collect::<Vec<_>>().join("\n"));
    assert!(size.unwrap() > 100_000, "perf has not observed much");
    removed.unwrap();
}

/// Runs the stress test in the program that `command` starts.
fn child(command: &mut Command) -> Output {
    command
        .args([TEST, "--exact", "--nocapture"])
        .env(CYCLES, OBSERVED.to_string())
        .output()
        .unwrap()
}

fn succeeded(output: &Output) {
    let stdout = String::from_utf8_lossy(&output.stdout);
    println!("{stdout}");
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Says it even if the test harness captures what tests print.
#[expect(
    clippy::explicit_write,
    reason = "what eprintln prints is captured, too"
)]
fn say(message: &str) {
    writeln!(std::io::stderr(), "{message}").unwrap();
}

/// What the handler calls, for good.
static CALLED: AtomicPtr<Vec<&'static Target>> = AtomicPtr::new(std::ptr::null_mut());
static TICKS: AtomicU64 = AtomicU64::new(0);

/// The timer that this process was asked to run under, if any.
pub(crate) struct Watched(bool);

impl Watched {
    /// Starts the timer if the environment asks for it; its handler calls
    /// those of `targets` that handlers may call.
    pub(crate) fn from_environment(targets: &[Target]) -> Self {
        if std::env::var_os(TIMER).is_none() {
            return Self(false);
        }
        let called: Vec<&Target> = targets
            .iter()
            .filter(|t| t.allows != Allows::Closures && !t.is_shared())
            .collect();
        // SAFETY: the targets outlive the timer: `check` stops it before they go.
        let called = unsafe { std::mem::transmute::<Vec<&Target>, Vec<&'static Target>>(called) };
        CALLED.store(Box::into_raw(Box::new(called)), Ordering::Release);
        // SAFETY: the handler is as async-signal-safe as the functions it calls.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = tick as extern "C" fn(i32) as usize;
            action.sa_flags = libc::SA_RESTART;
            let null = std::ptr::null_mut();
            assert_eq!(libc::sigaction(libc::SIGPROF, &action, null), 0);
        }
        every(300);
        Self(true)
    }

    /// Stops the timer; it must have fired.
    pub(crate) fn check(self) {
        if self.0 {
            every(0);
            let ticks = TICKS.load(Ordering::Relaxed);
            println!("{ticks} ticks of the timer");
            assert!(ticks > 100, "{ticks} ticks");
        }
    }
}

/// Sets the interval of the profiling timer; 0 stops it.
fn every(microseconds: i64) {
    let often = libc::timeval {
        tv_sec: 0,
        tv_usec: microseconds,
    };
    let timer = libc::itimerval {
        it_interval: often,
        it_value: often,
    };
    // SAFETY: the timer's numbers are sound.
    let set = unsafe { libc::setitimer(libc::ITIMER_PROF, &timer, std::ptr::null_mut()) };
    assert_eq!(set, 0);
}

extern "C" fn tick(_: i32) {
    let ticks = TICKS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: set before the timer was, and never freed.
    let called = unsafe { &*CALLED.load(Ordering::Acquire) };
    let mut random = Random::new(ticks);
    for n in 0..4 {
        let target = called[(ticks as usize * 4 + n) % called.len()];
        let (a, b) = crate::targets::arguments(&mut random);
        let got = target.call(a, b);
        if !target.may_give(a, b, got) {
            die_of(target.shape.name);
        }
    }
}

/// Ends the process in a signal handler, which may neither panic nor format.
fn die_of(wrong: &str) -> ! {
    for part in ["in the timer's handler, a wrong result of ", wrong, "\n"] {
        // SAFETY: the bytes are there; write is async-signal-safe.
        unsafe { libc::write(2, part.as_ptr().cast(), part.len()) };
    }
    std::process::abort()
}
