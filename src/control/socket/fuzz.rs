//! The protocol is given anything, and what is nearly right.
//!
//! A bounded number of cases in each `cargo test`; as long as one wants by
//! `cargo test --lib control::socket::fuzz -- --ignored --nocapture`: ten minutes, or
//! `MIDAIR_FUZZ_SECONDS`. The seed is printed; `MIDAIR_FUZZ_SEED` gives the same cases
//! again.

use super::json::Json;
use super::session;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

crate::var! { static NUMBER: i64 = 0 }
crate::var! { static TEXT: String = "" }

#[inline(never)]
fn one(n: u32) -> u32 {
    std::hint::black_box(n) + 1
}

#[inline(never)]
fn two(n: u32) -> u32 {
    std::hint::black_box(n) + 2
}

#[inline(never)]
fn other(n: u64) -> u64 {
    std::hint::black_box(n) + 3
}

/// Words that mean something, at their places and at others. What they patch are
/// the functions above; `--unchecked` and libraries are not among them, for these take
/// the user's word.
fn word() -> impl Strategy<Value = String> {
    let known = [
        "symbols",
        "inspect",
        "patch",
        "unpatch",
        "patches",
        "get",
        "set",
        "vars",
        "slots",
        "start",
        "stop",
        "restart",
        "stats",
        "help",
        "complete",
        "reload",
        "undo",
        "eval",
        "generations",
        "--write",
        "fn a() {}",
        "fuzz.rs",
        "from",
        "as",
        "fuzz::one",
        "fuzz::two",
        "fuzz::other",
        "NUMBER",
        "TEXT",
        "fuzz::NUMBER",
        "*fuzz*",
        "all",
        "/dev/zero",
        "/nowhere",
        "12",
        "-3",
        "0x0",
        "0xffffffffffffffff",
        "::",
        "\u{2003}ü",
        "\"a b\"",
        "\"",
    ];
    prop_oneof![
        8 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => "[ -~]{0,8}",
        1 => any::<String>(),
    ]
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let words = || prop::collection::vec(word(), 0..5);
    let text = words().prop_map(|words| words.join(" ").into_bytes());
    let json = (words(), any::<bool>(), any::<u8>()).prop_map(|(words, as_line, id)| {
        let id = ("id", Json::number(id.into()));
        let request = if as_line {
            Json::object([id, ("line", Json::Text(words.join(" ")))])
        } else {
            let command = words.first().cloned().unwrap_or_default();
            let args = Json::texts(words.into_iter().skip(1));
            Json::object([id, ("command", Json::Text(command)), ("args", args)])
        };
        request.to_string().into_bytes()
    });
    let whole = prop_oneof![text, json, prop::collection::vec(any::<u8>(), 0..64)];
    // Some are damaged.
    let damage = prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
    (whole, damage).prop_map(|(mut line, damage)| {
        if let (Some((at, with)), false) = (damage, line.is_empty()) {
            let at = at.index(line.len());
            line[at] = with;
        }
        line
    })
}

/// Each line has the answer that it has alone, and each JSON request one line of JSON.
fn check(lines: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let mut input = lines.join(&b'\n');
    input.push(b'\n');
    let mut output = Vec::new();
    session::talk(input.as_slice(), &mut output).unwrap();
    let output = String::from_utf8(output).expect("answers are text");
    prop_assert!(output.is_empty() || output.ends_with('\n'));
    prop_assert!(!output.contains("the command panicked"), "{}", output);
    for line in input.split(|byte| *byte == b'\n') {
        let text = std::str::from_utf8(line).map(str::trim);
        let answer = session::answer(line);
        match text {
            Err(_) => prop_assert_eq!(answer.unwrap(), "error: a line is not UTF-8\n"),
            Ok("") => prop_assert!(answer.is_none()),
            Ok(text) if text.starts_with('#') => prop_assert!(answer.is_none()),
            Ok(text) if text.starts_with('{') => {
                let answer = answer.unwrap();
                prop_assert_eq!(answer.matches('\n').count(), 1);
                let answer = Json::parse(answer.trim()).expect("an answer is JSON");
                let said = match answer.field("ok") {
                    Some(Json::Bool(true)) => answer.field("text"),
                    Some(Json::Bool(false)) => answer.field("error"),
                    _ => None,
                };
                prop_assert!(said.is_some(), "{}", answer);
            }
            Ok(_) => prop_assert!(answer.unwrap().ends_with('\n')),
        }
    }
    // Whatever was patched, types were kept to.
    prop_assert!([2, 3].contains(&one(1)), "one");
    prop_assert!([2, 3].contains(&two(1)), "two");
    prop_assert_eq!(other(1), 4);
    Ok(())
}

/// A number from a variable of the environment.
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// The seed that is asked for, or one that nobody has had.
fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = variable("MIDAIR_FUZZ_SEED").unwrap_or(now.as_nanos() as u64);
    println!("MIDAIR_FUZZ_SEED={seed}");
    seed
}

fn run(cases: u32, seed: u64) {
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        // A failing case is printed; nothing is written into the sources.
        failure_persistence: None,
        ..Config::default()
    };
    let lines = prop::collection::vec(line(), 1..6);
    let result = TestRunner::new(config).run(&lines, |lines| check(&lines));
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn whatever_is_sent_is_answered_and_nothing_panics() {
    run(64, seed());
}

/// Found by the test below.
#[test]
fn a_space_of_several_bytes_is_a_space() {
    let line = r#"{"line":"complete patch a\u2003b"}"#;
    check(&[line.into(), "complete patch a\u{2003}fuzz::o".into()]).unwrap();
}

#[test]
#[ignore = "runs as long as one wants"]
fn whatever_is_sent_for_a_long_time_is_answered() {
    let seconds = variable("MIDAIR_FUZZ_SECONDS").unwrap_or(600);
    let first = seed();
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut runs: u32 = 0;
    while Instant::now() < until {
        run(256, first.wrapping_add(runs.into()));
        runs += 1;
    }
    println!("{} cases in {seconds} s", u64::from(runs) * 256);
}
