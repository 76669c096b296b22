//! How long the gate takes, for objects that are there.

use cargo_midair::run::gate::{Changed, Object, Reason, Running, Verdict, compare};
use object::{Object as _, ObjectSymbol as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Compares each object with itself, the old one known and the new one not,
/// for all of its functions.
///
/// ```sh
/// OBJECTS=target/debug/incremental/midair-XXX/s-XXX \
///     cargo test --release -p cargo-midair --test gate -- --ignored --nocapture speed
/// ```
#[test]
#[ignore = "wants objects, in the folder OBJECTS"]
fn the_time_for_a_changed_unit() {
    let folder = std::env::var_os("OBJECTS").expect("OBJECTS is the folder");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "o"));
    let mut times: Vec<(Duration, Duration, u64, usize)> = Vec::new();
    for path in paths {
        let data = std::fs::read(&path).unwrap();
        let file = object::File::parse(&*data).unwrap();
        let texts = file
            .symbols()
            .filter(|s| s.kind() == object::SymbolKind::Text);
        let names: Vec<_> = texts
            .filter(|s| s.is_definition())
            .filter_map(|s| s.name().ok())
            .collect();
        let changed = |symbol| Changed {
            old: symbol,
            new: symbol,
            moved: true,
        };
        let functions: Vec<_> = names.iter().copied().map(changed).collect();
        let mut running = Running::new();
        running.add(Arc::new(Object::open(&path).unwrap()));
        running
            .objects()
            .for_each(|object| object.prepare().unwrap());
        let (mut read, mut all) = (Duration::MAX, Duration::MAX);
        for _ in 0..5 {
            let start = Instant::now();
            let new = Object::open(&path).unwrap();
            new.prepare().unwrap();
            read = read.min(start.elapsed());
            let outcome = compare(&running, &[Arc::new(new)], &functions).unwrap();
            all = all.min(start.elapsed());
            assert!(outcome.refusals.is_empty(), "{outcome:?}");
            for (name, verdict) in names.iter().zip(&outcome.verdicts) {
                // Intrinsics and naked functions have no debug information.
                let unknown = Verdict::Versioned {
                    reason: Reason::Unknown { old: true },
                };
                let known = [Verdict::Same, unknown].contains(verdict);
                assert!(known, "{name}: {verdict}");
            }
        }
        times.push((all, read, data.len() as u64, functions.len()));
    }
    times.sort();
    let at = |part: usize| times[(times.len() - 1) * part / 100];
    for part in [50, 90, 99, 100] {
        let (all, read, bytes, functions) = at(part);
        println!(
            "{part:3} %: {all:9.2?}, of it reading {read:9.2?}: {bytes:8} bytes, {functions:5} functions"
        );
    }
    let sum: Duration = times.iter().map(|time| time.0).sum();
    println!("all {}: {sum:.2?}", times.len());
}
