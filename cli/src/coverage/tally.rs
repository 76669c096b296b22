//! The counts of one file, or of all.

use super::listed::Listed;
use midair::Strategy;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::time::Duration;

/// How the functions of a file are left.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Tally {
    pub(super) file: String,
    /// All that were looked at.
    pub(super) functions: u64,
    /// Parts of functions that were split off; not looked at.
    pub(super) fragments: u64,
    pub(super) by_jump: u64,
    pub(super) by_jump_percent: f64,
    #[serde(serialize_with = "by_name")]
    pub(super) by_strategy: [u64; Strategy::ALL.len()],
    /// Functions of which bytes of the jump must be traps whatever else runs.
    pub(super) need_traps: u64,
    #[serde(serialize_with = "seconds", rename = "seconds")]
    pub(super) time: Duration,
    pub(super) refused_by_reason: BTreeMap<String, u64>,
    pub(super) breakpoints: Vec<Listed>,
    pub(super) refused: Vec<Listed>,
    pub(super) undecided: Vec<Listed>,
}

/// What was decided about one function.
pub(super) enum Verdict {
    Patchable {
        strategy: Strategy,
        needs_traps: bool,
        listed: Option<Listed>,
    },
    Refused(Listed),
    Undecided(Listed),
}

impl Tally {
    pub(super) fn of(file: String) -> Self {
        Self {
            file,
            functions: 0,
            fragments: 0,
            by_jump: 0,
            by_jump_percent: 100.0,
            by_strategy: [0; Strategy::ALL.len()],
            need_traps: 0,
            time: Duration::ZERO,
            refused_by_reason: BTreeMap::new(),
            breakpoints: Vec::new(),
            refused: Vec::new(),
            undecided: Vec::new(),
        }
    }

    pub(super) fn total() -> Self {
        Self::of("total".to_owned())
    }

    pub(super) fn count(&mut self, verdict: Verdict) {
        self.functions += 1;
        match verdict {
            Verdict::Patchable {
                strategy,
                needs_traps,
                listed,
            } => {
                let rung = Strategy::ALL.iter().position(|s| *s == strategy);
                if let Some(count) = rung.and_then(|rung| self.by_strategy.get_mut(rung)) {
                    *count += 1;
                }
                self.by_jump += u64::from(strategy != Strategy::Breakpoint);
                self.need_traps += u64::from(needs_traps);
                self.breakpoints.extend(listed);
            }
            Verdict::Refused(listed) => {
                *self
                    .refused_by_reason
                    .entry(listed.obstacle.kind.clone())
                    .or_default() += 1;
                self.refused.push(listed);
            }
            Verdict::Undecided(listed) => self.undecided.push(listed),
        }
        self.update_percent();
    }

    /// Adds the figures of `other`, not its lists.
    pub(super) fn add(&mut self, other: &Self) {
        self.functions += other.functions;
        self.fragments += other.fragments;
        self.by_jump += other.by_jump;
        self.need_traps += other.need_traps;
        self.time += other.time;
        for (sum, count) in self.by_strategy.iter_mut().zip(other.by_strategy) {
            *sum += count;
        }
        for (reason, count) in &other.refused_by_reason {
            *self.refused_by_reason.entry(reason.clone()).or_default() += count;
        }
        self.update_percent();
    }

    /// Joins what two threads found in one file.
    pub(super) fn join(&mut self, other: Self) {
        self.add(&other);
        self.breakpoints.extend(other.breakpoints);
        self.refused.extend(other.refused);
        self.undecided.extend(other.undecided);
    }

    pub(super) fn by(&self, wanted: Strategy) -> u64 {
        let mut counts = Strategy::ALL.iter().zip(self.by_strategy);
        counts
            .find(|(strategy, _)| **strategy == wanted)
            .map_or(0, |(_, count)| count)
    }

    /// Those refused, also in a total, which has no lists.
    pub(super) fn refused_count(&self) -> u64 {
        self.refused_by_reason.values().sum()
    }

    fn update_percent(&mut self) {
        if self.functions > 0 {
            self.by_jump_percent = 100.0 * self.by_jump as f64 / self.functions as f64;
        }
    }
}

fn by_name<S: Serializer>(
    counts: &[u64; Strategy::ALL.len()],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let names = Strategy::ALL.iter().map(|strategy| strategy.name());
    serializer.collect_map(names.zip(counts))
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}
