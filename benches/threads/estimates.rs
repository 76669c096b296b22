//! Criterion's statistics of the commits that were timed: it is given the
//! samples one by one, after all workers are gone, and says how they compare
//! with those of the run before (`target/criterion/threads_*`).

use crate::cell::{Cell, Measured};
use crate::engine::Engine;
use criterion::{BenchmarkId, Criterion, SamplingMode};
use std::time::Duration;

/// Criterion wants at least so many samples.
const AT_LEAST: usize = 10;
/// More do not change its picture.
const AT_MOST: usize = 200;

pub(crate) fn give(results: &[(Cell, Result<Measured, String>)]) {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_nanos(1))
        .nresamples(10_000)
        .configure_from_args();
    for (cell, result) in results {
        let Ok(measured) = result else { continue };
        if cell.engine == Engine::Control || measured.installs.len() < AT_LEAST {
            continue;
        }
        let mut group = criterion.benchmark_group("threads install");
        let samples = spread(&measured.installs);
        let mean = samples.iter().sum::<u64>() / samples.len() as u64;
        group
            .sample_size(samples.len())
            // One sample a measurement: so many, each of the mean duration.
            .measurement_time(Duration::from_nanos(mean * samples.len() as u64))
            .sampling_mode(SamplingMode::Flat);
        let id = BenchmarkId::new(
            cell.engine.name(),
            format!("{} threads {} functions", cell.threads, cell.functions),
        );
        let mut next = samples.iter().cycle();
        group.bench_function(id, |b| {
            b.iter_custom(|times| {
                let sum = (0..times).map(|_| next.next().copied().unwrap_or(0)).sum();
                Duration::from_nanos(sum)
            });
        });
        group.finish();
    }
    criterion.final_summary();
}

/// At most [`AT_MOST`] of the sorted samples, evenly.
fn spread(sorted: &[u64]) -> Vec<u64> {
    let count = sorted.len().min(AT_MOST);
    (0..count)
        .map(|n| sorted[n * (sorted.len() - 1) / (count - 1)])
        .collect()
}
