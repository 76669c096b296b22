//! Coverage as a table, and the lists behind its figures.

use super::listed::{Listed, Obstacle};
use super::tally::Tally;
use crate::output::{BAD, FAINT, GOOD, STRONG, file_name, styled};
use midair::Strategy;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The widest column for names of files.
const WIDEST: usize = 40;

/// How wide the column of names is.
pub(super) fn width(files: &[PathBuf]) -> usize {
    let names = files.iter().map(|file| file_name(file).chars().count());
    names.max().unwrap_or(0).clamp("total".len(), WIDEST)
}

pub(super) fn header(width: usize) -> String {
    let heading = format!(
        "{:<width$} {:>9} {:>9} {:>10} {:>8} {:>8} {:>6} {:>6} {:>6} {:>10} {:>8} {:>7} {:>8}",
        "file",
        "functions",
        "fragments",
        "by a jump",
        "jump",
        "padding",
        "short",
        "punned",
        "long",
        "breakpoint",
        "refused",
        "traps",
        "seconds"
    );
    format!("{}\n", styled(STRONG, heading))
}

pub(super) fn row(tally: &Tally, width: usize) -> String {
    let name = file_name(Path::new(&tally.file));
    let by_jump = format!("{:>8} %", percent(tally.by_jump_percent));
    let style = if tally.by_jump_percent >= 99.9 {
        GOOD
    } else {
        BAD
    };
    format!(
        "{name:<width$} {:>9} {:>9} {} {:>8} {:>8} {:>6} {:>6} {:>6} {:>10} {:>8} {:>7} {:>8.2}\n",
        tally.functions,
        tally.fragments,
        styled(style, by_jump),
        tally.by(Strategy::Jump),
        tally.by(Strategy::JumpIntoPadding),
        tally.by(Strategy::ShortJump),
        tally.by(Strategy::PunnedJump),
        tally.by(Strategy::LongJump) + tally.by(Strategy::LiteralJump),
        tally.by(Strategy::Breakpoint),
        tally.refused_count(),
        tally.need_traps,
        tally.time.as_secs_f64(),
    )
}

/// Rounded down: 100 % is all.
fn percent(value: f64) -> String {
    format!("{:.3}", (value * 1000.0).floor() / 1000.0)
}

/// The functions that are refused and, with `all`, those that take a
/// breakpoint, one by one.
pub(super) fn details(tally: &Tally, all: bool) -> String {
    let mut text = String::new();
    let name = file_name(Path::new(&tally.file));
    for (reason, count) in &tally.refused_by_reason {
        heading(&mut text, &name, &format!("refused, {reason}: {count}"));
        let of_reason = tally
            .refused
            .iter()
            .filter(|listed| listed.obstacle.kind == *reason);
        list(&mut text, of_reason);
    }
    if !tally.undecided.is_empty() {
        heading(
            &mut text,
            &name,
            &format!("not decided: {}", tally.undecided.len()),
        );
        list(&mut text, tally.undecided.iter());
    }
    if all && !tally.breakpoints.is_empty() {
        heading(
            &mut text,
            &name,
            &format!("breakpoint: {}", tally.breakpoints.len()),
        );
        list(&mut text, tally.breakpoints.iter());
    }
    text
}

fn heading(text: &mut String, file: &str, what: &str) {
    let _ = writeln!(text, "\n{}", styled(STRONG, format!("{file}: {what}")));
}

fn list<'a>(text: &mut String, listed: impl Iterator<Item = &'a Listed>) {
    for function in listed {
        let name = function.name.as_deref().unwrap_or("(no name)");
        let about = format!("{} bytes: {}", function.size, function.bytes);
        let _ = writeln!(
            text,
            "  {} {name}, {}",
            function.address,
            styled(FAINT, about)
        );
        if function.passed_over.is_empty() {
            let _ = writeln!(text, "    {}", obstacle(&function.obstacle));
        }
        for rung in &function.passed_over {
            let _ = writeln!(
                text,
                "    not by {}: {}",
                rung.strategy,
                obstacle(&rung.obstacle)
            );
        }
    }
}

fn obstacle(obstacle: &Obstacle) -> String {
    match &obstacle.instruction {
        Some(text) => format!("{} (+{} `{text}`)", obstacle.reason, obstacle.offset),
        None => obstacle.reason.clone(),
    }
}

/// Why the file fails the command, if it does.
pub(super) fn failure(tally: &Tally, min_jump: Option<f64>) -> Option<String> {
    let file = &tally.file;
    if !tally.undecided.is_empty() {
        return Some(format!(
            "{file}: {} functions were not decided",
            tally.undecided.len()
        ));
    }
    let wanted = min_jump.filter(|wanted| tally.by_jump_percent < *wanted)?;
    let found = percent(tally.by_jump_percent);
    Some(format!(
        "{file}: {found} % of the functions are left by a jump; {wanted} % are wanted"
    ))
}
