//! Commands of layers above: this one knows their names and not what they do.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// What has a name here, and nothing behind it until a layer above gives it.
pub(super) const NAMES: [(&str, &str, &str); 4] = [
    (
        "eval",
        "eval [--write] FUNCTION",
        "a new definition of a function, typed here",
    ),
    (
        "generations",
        "generations",
        "the versions of the code and who runs which",
    ),
    ("reload", "reload [FILE]", "makes edits of the sources live"),
    (
        "undo",
        "undo",
        "goes back to the code before the last reload",
    ),
];

type Run = dyn Fn(&str) -> Result<String, String> + Send + Sync;

static OFFERED: Mutex<BTreeMap<&'static str, Arc<Run>>> = Mutex::new(BTreeMap::new());

/// There is no such name: [`offer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSuchCommand {
    /// The name.
    pub name: String,
}

impl fmt::Display for NoSuchCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = NAMES.iter().map(|(name, ..)| *name).collect();
        let names = names.join(", ");
        write!(
            f,
            "no command `{}` can be offered; there is {names}",
            self.name
        )
    }
}

impl std::error::Error for NoSuchCommand {}

/// Gives the control socket what `reload`, `undo`, `generations` or `eval` do: `run`
/// gets the rest of the line and answers with text, or with why not. It is called in
/// the thread of a connection, one call for each line, several at once if there are
/// several connections. The last one that is offered counts.
///
/// # Errors
///
/// [`NoSuchCommand`] for any other name.
pub fn offer(
    name: &str,
    run: impl Fn(&str) -> Result<String, String> + Send + Sync + 'static,
) -> Result<(), NoSuchCommand> {
    let Some((name, ..)) = NAMES.iter().find(|(known, ..)| *known == name) else {
        let name = name.to_owned();
        return Err(NoSuchCommand { name });
    };
    let mut offered = OFFERED.lock().unwrap_or_else(PoisonError::into_inner);
    offered.insert(name, Arc::new(run));
    Ok(())
}

/// Runs what was offered.
#[cfg(any(debug_assertions, feature = "control"))]
pub(super) fn run(name: &str, rest: &str) -> Result<String, String> {
    let run = OFFERED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(name)
        .cloned();
    match run {
        Some(run) => run(rest),
        None => Err("not available: the program was not started by `cargo midair run`".to_owned()),
    }
}
