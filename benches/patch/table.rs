//! The table of ratios, from what criterion has measured in this run.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

static FIRST: OnceLock<Duration> = OnceLock::new();

/// Keeps what was measured by hand.
pub(crate) fn remember_first(first: Duration) {
    FIRST.get_or_init(|| first);
}

/// The median of a benchmark of this run, in nanoseconds.
fn median(group: &str, name: &str) -> Option<f64> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"),
        PathBuf::from,
    );
    let file = target
        .join("criterion")
        .join(group)
        .join(name)
        .join("new/estimates.json");
    let text = std::fs::read_to_string(file).ok()?;
    let after = text.split("\"median\":").nth(1)?;
    let number = after.split("\"point_estimate\":").nth(1)?;
    number.split([',', '}']).next()?.trim().parse().ok()
}

fn row(label: &str, values: [Option<f64>; 3], show: impl Fn(f64) -> String) {
    let [midair, detour, retour] = values.map(|v| v.map_or_else(|| String::from("-"), &show));
    println!("| {label} | {midair} | {detour} | {retour} |");
}

/// Prints the table as the README shows it.
pub(crate) fn print() {
    let Some(direct) = median("call", "direct") else {
        println!("no table: not everything was measured (a filter?)");
        return;
    };
    let call = |name| median("call", name);
    let of_direct = |name| call(name).unwrap_or(f64::NAN) / direct;
    println!(
        "\na direct call takes {direct:.2} ns, one of the replacement itself {:.2} times that",
        of_direct("replacement itself")
    );
    println!("\n| | midair | detour 0.10 | retour 0.4a |\n|---|---|---|---|");
    let ratio = |v: f64| format!("{:.2}", v / direct);
    let micro = |v: f64| format!("{:.1} µs", v / 1e3);
    let three = |group: &str, suffix: &str| {
        ["midair", "detour", "retour"].map(|engine| median(group, &format!("{engine}{suffix}")))
    };
    row(
        "patched call, times a direct call",
        three("call", " replaced"),
        ratio,
    );
    row(
        "… through the gate (after a change of mind)",
        [call("midair gate"), None, None],
        ratio,
    );
    row(
        "patched and calling the original, times a direct call",
        three("call", " original"),
        ratio,
    );
    row("one install", three("install", ""), micro);
    row("one remove", three("install", " remove"), micro);
    row(
        "turning off and on again",
        [median("install", "midair toggle"), None, None],
        micro,
    );
    row(
        "planning one (decode, relocation, gate)",
        [median("install", "midair plan"), None, None],
        micro,
    );
    row(
        "1,000 in one transaction",
        [
            median("thousand", "midair"),
            median("thousand", "detour"),
            None,
        ],
        |v| format!("{:.2} ms", v / 1e6),
    );
    if let Some(first) = FIRST.get() {
        println!(
            "| … planned as well | {:.2} ms | (above) | - |",
            first.as_secs_f64() * 1e3
        );
    }
}
