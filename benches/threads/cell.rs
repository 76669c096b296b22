//! One engine, one number of threads, one number of functions: measured by a
//! process of its own, which prints what it has measured line by line.

use crate::engine::Engine;
use crate::gaps::{Gaps, Phase, work};
use hdrhistogram::Histogram;
use midair_libraries::many;
use std::fmt;
use std::io::{self, BufWriter, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Groups of functions that are patched by turns: each prologue has its own.
const GROUPS: usize = 5;
/// A commit that takes longer is told at once, in case that the cell is ended.
const LONG: u64 = 50_000_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cell {
    pub(crate) engine: Engine,
    pub(crate) threads: usize,
    pub(crate) functions: usize,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (engine, threads, functions) = (self.engine.name(), self.threads, self.functions);
        write!(f, "{engine}, {threads} threads, {functions} functions")
    }
}

/// What a cell has measured; times in nanoseconds.
pub(crate) struct Measured {
    pub(crate) installs: Vec<u64>,
    pub(crate) removes: Vec<u64>,
    /// Commits that the engine gave up.
    pub(crate) failed: Vec<String>,
    pub(crate) gaps: Gaps,
}

impl Measured {
    fn new() -> Self {
        Self {
            installs: Vec::new(),
            removes: Vec::new(),
            failed: Vec::new(),
            gaps: Gaps::new(),
        }
    }
}

impl Cell {
    /// The cell that this process is to measure, if it is a child.
    pub(crate) fn asked_for() -> Option<Self> {
        let arguments: Vec<String> = std::env::args().collect();
        let [_, cell, engine, threads, functions] = arguments.as_slice() else {
            return None;
        };
        (cell == "--cell").then(|| Self {
            engine: Engine::ALL[engine.parse::<usize>().unwrap()],
            threads: threads.parse().unwrap(),
            functions: functions.parse().unwrap(),
        })
    }

    /// Has a child measure it. What went wrong is said in words.
    pub(crate) fn in_a_child(self) -> Result<Measured, String> {
        let number = Engine::ALL.iter().position(|&e| e == self.engine).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("--cell")
            .args([number, self.threads, self.functions].map(|n| n.to_string()))
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        let mut stdout = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).map(|_| text)
        });
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
                break Some(status);
            }
            if start.elapsed() > self.limit() {
                child
                    .kill()
                    .and_then(|()| child.wait())
                    .map_err(|e| e.to_string())?;
                break None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let text = reader.join().unwrap().map_err(|e| e.to_string())?;
        let mut measured = parse(&text).ok_or("printed something else")?;
        match status {
            Some(status) if !status.success() => return Err(format!("died: {status}")),
            Some(_) => {}
            None => measured
                .failed
                .push(format!("ended after {} s", self.limit().as_secs())),
        }
        Ok(measured)
    }

    /// How long it measures: the more threads, the rarer is the turn of the one
    /// that patches.
    fn time(self) -> Duration {
        Duration::from_millis(match self.threads {
            ..64 => 1_000,
            64..500 => 2_000,
            _ => 5_000,
        })
    }

    /// A cell that takes longer is ended. The target is a ratio to what detour
    /// takes for one function under 512 threads, so that one may take its time.
    fn limit(self) -> Duration {
        let is_the_target = (self.engine, self.threads, self.functions) == (Engine::Detour, 512, 1);
        Duration::from_secs(if is_the_target { 60 } else { 20 })
    }

    /// At most so many rounds.
    fn rounds(self) -> usize {
        match self.engine {
            Engine::Detour if self.threads >= 500 => 1, // seconds each
            _ => usize::MAX,
        }
    }

    /// Measures, and prints what was measured.
    pub(crate) fn run(self) {
        let all = many::load().unwrap();
        let groups: Vec<_> = all.chunks(self.functions).take(GROUPS).collect();
        let called = &all[..groups.len() * self.functions];
        let count = groups.len();

        // Everything is planned while there is another thread, but no busy one.
        let (wake, sleep) = mpsc::channel::<()>();
        let sleeper = std::thread::spawn(move || sleep.recv());
        let mut installer = self.engine.start(groups);
        for group in 0..count {
            installer.install(group).unwrap();
            installer.remove(group).unwrap();
        }
        drop(wake);
        assert!(sleeper.join().unwrap().is_err(), "nothing was sent");

        // Neither starting nor ending threads is measured: both take the lock
        // of the address space, and 512 busy threads that queue for it take
        // half a minute. So they start together and do not end.
        let phase: &'static Phase = Box::leak(Box::new(Phase::new(self.threads)));
        for n in 0..self.threads {
            std::thread::Builder::new()
                .stack_size(256 << 10)
                .spawn(move || work(phase, called, n * 31))
                .unwrap();
        }
        phase.start();
        let mut measured = Measured::new();
        let start = Instant::now();
        for round in 0..self.rounds() {
            let group = round % count;
            let timed = |what: &mut dyn FnMut() -> Result<(), String>| {
                let start = Instant::now();
                what().map(|()| start.elapsed().as_nanos() as u64)
            };
            match timed(&mut || installer.install(group)) {
                Ok(took) => keep("install", &mut measured.installs, took),
                Err(e) => measured.failed.push(e),
            }
            match timed(&mut || installer.remove(group)) {
                // What was not put on is taken off in no time.
                Ok(took) if measured.failed.is_empty() => {
                    keep("remove", &mut measured.removes, took);
                }
                Ok(_) => {}
                Err(e) => measured.failed.push(e),
            }
            if start.elapsed() > self.time() {
                break;
            }
        }
        measured.gaps = phase.end();
        print(&measured).unwrap();
        std::process::exit(0);
    }
}

/// Keeps a sample to be printed at the end, unless it is a long one.
fn keep(name: &str, samples: &mut Vec<u64>, took: u64) {
    if took >= LONG {
        println!("{name} {took}");
    } else {
        samples.push(took);
    }
}

fn print(measured: &Measured) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for took in &measured.installs {
        writeln!(out, "install {took}")?;
    }
    for took in &measured.removes {
        writeln!(out, "remove {took}")?;
    }
    for why in &measured.failed {
        writeln!(out, "failed {}", why.replace('\n', " "))?;
    }
    for (name, histogram) in [
        ("gap", &measured.gaps.gaps),
        ("pause", &measured.gaps.pauses),
    ] {
        for bucket in histogram.iter_recorded() {
            let (value, count) = (bucket.value_iterated_to(), bucket.count_at_value());
            writeln!(out, "{name} {value} {count}")?;
        }
    }
    out.flush()
}

fn parse(text: &str) -> Option<Measured> {
    let mut measured = Measured::new();
    for line in text.lines() {
        let (name, rest) = line.split_once(' ')?;
        let record = |histogram: &mut Histogram<u64>| {
            let (value, count) = rest.split_once(' ')?;
            histogram.saturating_record_n(value.parse().ok()?, count.parse().ok()?);
            Some(())
        };
        match name {
            "install" => measured.installs.push(rest.parse().ok()?),
            "remove" => measured.removes.push(rest.parse().ok()?),
            "failed" => measured.failed.push(rest.to_owned()),
            "gap" => record(&mut measured.gaps.gaps)?,
            "pause" => record(&mut measured.gaps.pauses)?,
            _ => return None,
        }
    }
    measured.installs.sort_unstable();
    measured.removes.sort_unstable();
    Some(measured)
}
