//! The table, and whether the targets are met.

use crate::cell::{Cell, Measured};
use crate::engine::Engine;
use hdrhistogram::Histogram;
use std::fmt::Display;

type Result = std::result::Result<Measured, String>;

/// Median install under 512 busy threads, in nanoseconds.
const INSTALL: u64 = 20_000;
/// How many times faster than `detour` that has to be.
const TIMES: u64 = 500;
/// Median of an atomic install of 10,000 functions, for each of them.
const EACH: u64 = 2_000;
/// How much longer than in the control run the workers' p99 may be.
const PAUSE: u64 = 100_000;

/// The value below which so many of a hundred of the sorted `samples` are.
pub(crate) fn percentile(samples: &[u64], percent: usize) -> Option<u64> {
    let last = samples.len().checked_sub(1)?;
    Some(samples[(last * percent).div_ceil(100)])
}

/// A time for people.
pub(crate) fn time(nanoseconds: u64) -> String {
    match nanoseconds as f64 {
        n if n < 1e3 => format!("{n:.0} ns"),
        n if n < 1e4 => format!("{:.1} µs", n / 1e3),
        n if n < 1e6 => format!("{:.0} µs", n / 1e3),
        n if n < 1e7 => format!("{:.1} ms", n / 1e6),
        n if n < 1e9 => format!("{:.0} ms", n / 1e6),
        n => format!("{:.1} s", n / 1e9),
    }
}

fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| String::from("–"), |v| v.to_string())
}

/// The result of another engine under the same load.
fn beside(results: &[(Cell, Result)], cell: Cell, engine: Engine) -> Option<&Measured> {
    let wanted = Cell { engine, ..cell };
    let (_, result) = results.iter().find(|(cell, _)| *cell == wanted)?;
    result.as_ref().ok()
}

fn at(histogram: &Histogram<u64>, quantile: f64) -> Option<u64> {
    (!histogram.is_empty()).then(|| histogram.value_at_quantile(quantile))
}

/// Prints a row for each cell, and the targets below.
pub(crate) fn print(results: &[(Cell, Result)]) {
    println!(
        "\nInstalling and removing, as seen by the thread that does it (`rounds` is how often; \
         `times` is detour's median over this one's); and the time between two turns of a worker: \
         of all turns, and pauses of {} and more that were not the scheduler's.\n",
        time(crate::gaps::PAUSE)
    );
    println!(
        "| threads | functions | | rounds | install median | p99 | times | remove median | p99 \
         | turn p50 | p99 | max | pauses | p99 | max |"
    );
    println!("|{}", "---|".repeat(15));
    for (cell, result) in results {
        let head = format!(
            "| {} | {} | {} |",
            cell.threads,
            cell.functions,
            cell.engine.name()
        );
        match result {
            Ok(measured) => println!("{head} {} |", row(results, *cell, measured)),
            Err(why) => println!("{head} {why} |{}", " – |".repeat(11)),
        }
    }
    for (cell, result) in results {
        if let Ok(Measured { failed, .. }) = result
            && let Some(first) = failed.first()
        {
            println!("\n{cell}: {} failed: {first}", failed.len());
        }
    }
    targets(results);
}

fn row(results: &[(Cell, Result)], cell: Cell, measured: &Measured) -> String {
    let is_control = cell.engine == Engine::Control;
    let samples = |samples: &[u64], percent| {
        let value = percentile(samples, percent).filter(|_| !is_control);
        or_dash(value.map(time))
    };
    let times = beside(results, cell, Engine::Detour)
        .filter(|_| cell.engine.is_midair())
        .and_then(|detour| {
            let detour = percentile(&detour.installs, 50)? as f64;
            Some(format!(
                "{:.0}",
                detour / percentile(&measured.installs, 50)? as f64
            ))
        });
    let Measured {
        installs,
        removes,
        failed,
        gaps,
    } = measured;
    let rounds = match (is_control, failed.len()) {
        (true, _) => String::from("–"),
        (_, 0) => installs.len().to_string(),
        (_, failed) => format!("{}, {failed} failed", installs.len()),
    };
    [
        rounds,
        samples(installs, 50),
        samples(installs, 99),
        or_dash(times),
        samples(removes, 50),
        samples(removes, 99),
        or_dash(at(&gaps.gaps, 0.5).map(time)),
        or_dash(at(&gaps.gaps, 0.99).map(time)),
        or_dash((!gaps.gaps.is_empty()).then(|| time(gaps.gaps.max()))),
        gaps.pauses.len().to_string(),
        or_dash(at(&gaps.pauses, 0.99).map(time)),
        or_dash((!gaps.pauses.is_empty()).then(|| time(gaps.pauses.max()))),
    ]
    .join(" | ")
}

fn say(met: bool, what: impl Display) {
    println!("- {}: {what}", if met { "met" } else { "NOT MET" });
}

fn targets(results: &[(Cell, Result)]) {
    println!("\nTargets:\n");
    for (cell, result) in results.iter().filter(|(cell, _)| cell.engine.is_midair()) {
        let Ok(measured) = result else {
            say(false, format_args!("{cell}: no result"));
            continue;
        };
        if (cell.threads, cell.functions) == (512, 1) {
            install(results, *cell, measured);
        }
        if (cell.engine, cell.functions) == (Engine::Atomic, 10_000) {
            each(*cell, measured);
        }
        if let Some(control) = beside(results, *cell, Engine::Control) {
            pause(*cell, measured, control);
        }
    }
}

fn install(results: &[(Cell, Result)], cell: Cell, measured: &Measured) {
    let Some(median) = percentile(&measured.installs, 50) else {
        return say(false, format_args!("{cell}: nothing was installed"));
    };
    say(
        median <= INSTALL,
        format_args!(
            "{cell}: median install {}, at most {}",
            time(median),
            time(INSTALL)
        ),
    );
    match beside(results, cell, Engine::Detour).and_then(|d| percentile(&d.installs, 50)) {
        Some(detour) => say(
            median * TIMES <= detour,
            format_args!(
                "{cell}: 1/{} of detour's {}, at most 1/{TIMES}",
                detour / median,
                time(detour)
            ),
        ),
        None => say(false, format_args!("{cell}: detour has no result")),
    }
}

fn each(cell: Cell, measured: &Measured) {
    let Some(median) = percentile(&measured.installs, 50) else {
        return say(false, format_args!("{cell}: nothing was installed"));
    };
    let each = median / cell.functions as u64;
    say(
        each < EACH,
        format_args!(
            "{cell}: median {} a function, under {}",
            time(each),
            time(EACH)
        ),
    );
}

/// The p99 of all turns, which is the target, and that of the pauses, which is
/// harder: ordinary turns do not count in it.
fn pause(cell: Cell, measured: &Measured, control: &Measured) {
    for (what, of) in [
        ("turns", (&measured.gaps.gaps, &control.gaps.gaps)),
        ("pauses", (&measured.gaps.pauses, &control.gaps.pauses)),
    ] {
        if measured.gaps.gaps.is_empty() || control.gaps.gaps.is_empty() {
            say(
                false,
                format_args!("{cell}: it was ended before the workers' {what} were known"),
            );
            continue;
        }
        // No pause at all is a short one.
        let p99 = |histogram| at(histogram, 0.99).unwrap_or(0);
        let (here, there) = (p99(of.0), p99(of.1));
        say(
            here <= there + PAUSE,
            format_args!(
                "{cell}: p99 of the workers' {what} {}, in the control run {}, at most {} more",
                time(here),
                time(there),
                time(PAUSE)
            ),
        );
    }
}
