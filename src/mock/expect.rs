//! How often a mock has to be called.

use super::state::{Call, State};
use std::fmt::{self, Write as _};

/// How often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) least: usize,
    pub(super) most: usize,
}

impl Default for Expected {
    fn default() -> Self {
        Self {
            least: 0,
            most: usize::MAX,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = |n| {
            if n == 1 {
                "once".to_owned()
            } else {
                format!("{n} times")
            }
        };
        match (self.least, self.most) {
            (_, 0) => f.write_str("never"),
            (least, most) if least == most => f.write_str(&times(least)),
            (0, most) => write!(f, "at most {}", times(most)),
            (least, usize::MAX) => write!(f, "at least {}", times(least)),
            (least, most) => write!(f, "{least} to {most} times"),
        }
    }
}

/// What an unmet expectation says lists so many calls.
const LISTED: usize = 20;

/// What is wrong, if the mock was not called as often as expected.
pub(super) fn unmet(state: &State, expected: Expected) -> Option<String> {
    let count = state.count();
    if (expected.least..=expected.most).contains(&count) {
        return None;
    }
    let name = state.name();
    let mut text = match count {
        0 => format!("`{name}` was expected to be called {expected}, and was not called"),
        1 => format!("`{name}` was expected to be called {expected}, and was called once"),
        _ => format!("`{name}` was expected to be called {expected}, and was called {count} times"),
    };
    let calls = state.calls();
    if !calls.is_empty() {
        text.push(':');
    }
    for Call { arguments, thread } in calls.iter().take(LISTED) {
        let _ = write!(
            text,
            "\n  {name}({}) by thread `{thread}`",
            arguments.join(", ")
        );
    }
    if calls.len() > LISTED {
        let _ = write!(text, "\n  and {} more", count - LISTED);
    }
    let not_reached = state.site().not_reached();
    if !not_reached.is_empty() {
        text.push_str(
            "\n  these callers of the standard library have it inlined and are not reached:",
        );
        for caller in not_reached.iter().take(LISTED) {
            let _ = write!(text, "\n    {caller}");
        }
    }
    let outside = state.outside();
    if !outside.is_empty() {
        text.push_str("\n  threads that see no mocks, as they were started before it, have called the original meanwhile:");
        for (thread, count) in outside {
            let _ = write!(text, "\n    thread `{thread}`: {count} times");
        }
        text.push_str("\n  (let them enter `midair::mock::scope()`, or mock it `everywhere()`)");
    }
    Some(text)
}
