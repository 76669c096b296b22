//! What came of the edits of a crate, counted.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// What came of one edit.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It became live. How many functions old callers keep the old one of.
    Live { versioned: usize },
    /// rustc made the same code of it.
    NoCode,
    /// Nothing was changed, and why.
    Refused(Vec<String>),
    /// It is no edit of its own.
    DoesNotCompile,
}

impl Outcome {
    pub(crate) fn of(said: Result<Value, String>) -> Self {
        let report = match said {
            Ok(report) => report,
            Err(why) if why.contains("does not compile") => return Self::DoesNotCompile,
            Err(why) => return Self::Refused(vec![why]),
        };
        let list = |name: &str| report[name].as_array().map_or(&[][..], Vec::as_slice);
        let refused = list("refused").iter();
        let refused: Vec<_> = refused
            .map(|why| why.as_str().unwrap().to_owned())
            .collect();
        if !refused.is_empty() {
            return Self::Refused(refused);
        }
        let versioned = list("versioned").len();
        let any = ["redirected", "overwritten"]
            .iter()
            .any(|name| !list(name).is_empty());
        if any || versioned > 0 {
            Self::Live { versioned }
        } else {
            Self::NoCode
        }
    }
}

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) live: usize,
    pub(crate) with_versions: usize,
    pub(crate) no_code: usize,
    pub(crate) refused: usize,
    pub(crate) not_alone: usize,
    pub(crate) wrong: Vec<String>,
    reasons: BTreeMap<String, usize>,
}

impl Tally {
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Live { versioned } => {
                self.live += 1;
                self.with_versions += usize::from(*versioned > 0);
            }
            Outcome::NoCode => self.no_code += 1,
            Outcome::DoesNotCompile => self.not_alone += 1,
            Outcome::Refused(reasons) => {
                self.refused += 1;
                let kind = kind(&reasons[0]);
                *self.reasons.entry(kind.to_owned()).or_default() += 1;
            }
        }
    }

    /// How many of a hundred edits that change code became live.
    pub(crate) fn percent(&self) -> usize {
        100 * self.live / (self.live + self.refused).max(1)
    }
}

/// A reason without names.
fn kind(reason: &str) -> &'static str {
    let kinds = [
        ("had ", "a static or constant has another size"),
        ("slot ", "another method in the table of a trait object"),
        (
            "objects of trait ",
            "the table of a trait object has another length",
        ),
        ("static `", "a static has another type"),
        ("type `", "a type has another layout"),
        ("thread-local", "no room for new thread-locals"),
    ];
    let found = kinds.iter().find(|(word, _)| reason.contains(word));
    found.map_or("something else", |(_, kind)| kind)
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} live ({} %; {} with functions that old callers keep), {} refused, {} wrong; \
             {} made no difference to the code, {} do not compile",
            self.live,
            self.percent(),
            self.with_versions,
            self.refused,
            self.wrong.len(),
            self.no_code,
            self.not_alone
        )?;
        for (reason, count) in &self.reasons {
            write!(f, "\n    refused {count}: {reason}")?;
        }
        Ok(())
    }
}
