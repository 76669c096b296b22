//! Deciding every function of a file, on two threads.
//!
//! What is kept of a function that gets a jump is a count, so that a file with
//! a million functions needs no more memory than its table of functions.

use super::listed::{Listed, Obstacle};
use super::tally::{Tally, Verdict};
use crate::climb::Ground;
use crate::output;
use crate::progress::Progress;
use midair::symbols::{Extent, Image};
use midair::{Refusal, Strategy};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const THREADS: usize = 2;
/// Functions that a thread takes at a time.
const CHUNK: usize = 128;

pub(super) fn file(image: &Image) -> Tally {
    let began = Instant::now();
    let ground = Ground::of(image);
    let extents: Vec<Extent> = image.functions().iter().collect();
    let progress = Progress::new(
        output::file_name(image.path()),
        extents.len() as u64,
        "functions",
    );
    let next = AtomicUsize::new(0);
    let work = || {
        let mut tally = Tally::of(image.path().display().to_string());
        loop {
            let start = next.fetch_add(CHUNK, Ordering::Relaxed);
            let Some(rest) = extents.get(start..).filter(|rest| !rest.is_empty()) else {
                return tally;
            };
            let chunk = &rest[..rest.len().min(CHUNK)];
            for extent in chunk {
                if image.is_fragment(extent.start) {
                    tally.fragments += 1;
                } else {
                    tally.count(decide_or_catch(&ground, extent));
                }
            }
            progress.advance(chunk.len() as u64);
        }
    };
    let mut tally = std::thread::scope(|scope| {
        let others: Vec<_> = (1..THREADS).map(|_| scope.spawn(work)).collect();
        let mut tally = work();
        for other in others {
            match other.join() {
                Ok(found) => tally.join(found),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        tally
    });
    progress.finish();
    for list in [
        &mut tally.breakpoints,
        &mut tally.refused,
        &mut tally.undecided,
    ] {
        list.sort_by_key(|listed| (listed.address.len(), listed.address.clone()));
    }
    tally.time = began.elapsed();
    tally
}

/// A bug of the analysis is a finding of its own and ends nothing.
fn decide_or_catch(ground: &Ground<'_>, extent: &Extent) -> Verdict {
    catch_unwind(AssertUnwindSafe(|| decide(ground, extent))).unwrap_or_else(|_| {
        let why = Obstacle::undecided("the analysis panicked; please report it".to_owned());
        Verdict::Undecided(Listed::new(ground, extent, why, &[]))
    })
}

fn decide(ground: &Ground<'_>, extent: &Extent) -> Verdict {
    let copy = ground
        .target(extent.start)
        .get()
        .wrapping_add(ground.copy_distance());
    let listed = |refusal: &Refusal, passed_over: &[(Strategy, Refusal)]| {
        let obstacle = Obstacle::new(ground, extent, refusal);
        Listed::new(ground, extent, obstacle, passed_over)
    };
    let climbed = match ground.climb(extent.start, copy) {
        Ok(climbed) => climbed,
        Err(refusal) => return Verdict::Refused(listed(&refusal, &[])),
    };
    let passed_over = &climbed.passed_over;
    match (&climbed.chosen, passed_over.as_slice()) {
        (Some(chosen), _) => {
            let strategy = chosen.strategy;
            // The first rung says what keeps the function from a plain jump.
            let why = passed_over
                .first()
                .filter(|_| strategy == Strategy::Breakpoint);
            Verdict::Patchable {
                strategy,
                needs_traps: climbed.needs_traps(),
                listed: why.map(|(_, refusal)| listed(refusal, passed_over)),
            }
        }
        (None, [others @ .., (_, last)]) => Verdict::Refused(listed(last, others)),
        (None, []) => {
            let why = Obstacle::undecided("no rung was tried".to_owned());
            Verdict::Undecided(Listed::new(ground, extent, why, &[]))
        }
    }
}
