//! What was said a moment ago: an editor may write a file several times for one save, and
//! people need not read the same list twice.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const MOMENT: Duration = Duration::from_secs(1);

static SAID: Mutex<Vec<(Instant, String)>> = Mutex::new(Vec::new());

/// Whether this was said within the last second, and nothing became live since; it counts
/// as said from now on.
pub(crate) fn was_said(text: &str) -> bool {
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    said.retain(|(at, _)| at.elapsed() < MOMENT);
    if said.iter().any(|(_, one)| one == text) {
        return true;
    }
    said.push((Instant::now(), text.to_owned()));
    false
}

/// Something became live: what was said is of before.
pub(crate) fn forget() {
    SAID.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_once_until_something_becomes_live() {
        assert!(!was_said("one"));
        assert!(!was_said("other"));
        assert!(was_said("one"));
        forget();
        assert!(!was_said("one"));
    }
}
