//! How many functions change together, and who keeps them from it.

use crate::symbols::module_at;
use std::fmt;
use std::time::Duration;

/// What threads may see while a [`Transaction`](crate::Transaction) changes many
/// functions. No thread is stopped or woken by any of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Consistency {
    /// Each function changes on its own: a thread may meet a new one and an old
    /// one afterwards.
    #[default]
    Immediate,
    /// All change at one instant: a thread that has called a new one never calls
    /// an old one afterwards. It may be inside of an old one at that instant, and
    /// call new ones from there.
    Atomic,
    /// All change at one instant, at which no thread has any of the functions on
    /// its stack.
    ///
    /// Threads that come to one of them meanwhile wait (10 ms at first, 320 ms at
    /// most, then they go on with what is old for as long, and it is tried
    /// again); those that do not come are not kept from anything. If some thread
    /// is still inside at the deadline, nothing changes, and
    /// [`Error::NotQuiescent`](crate::Error::NotQuiescent) says which.
    ///
    /// A thread that is inside and waits for one that waits at a function is such
    /// a case; so is one that is inside and uses midair meanwhile.
    Quiescent {
        /// How long to try.
        deadline: Duration,
    },
    /// Each thread changes over on its own when it has none of the functions on
    /// its stack, and stays with the new ones. Nobody waits: the
    /// [`Transition`](crate::Transition) that is returned goes on, and can be
    /// asked and cancelled.
    PerThread,
}

/// A thread that keeps functions from changing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holdout {
    /// Its id; 0 if it is not about one thread.
    pub thread: i32,
    /// Its name.
    pub name: String,
    /// The patched function that it is inside of, if one is known.
    pub function: Option<usize>,
    /// The name of that function.
    pub symbol: Option<String>,
    /// What is known of it.
    pub whereabouts: Whereabouts,
}

/// What is known of a [`Holdout`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Whereabouts {
    /// It has the function on its stack.
    Inside,
    /// It may have: its frames cannot be walked (code without call frame
    /// information, or a sleeper whose frames depend on registers that cannot be
    /// read), and something on its stack looks like a return address into the
    /// function. It may be left there by an earlier call.
    Perhaps,
    /// It could not be looked at: why.
    Unknown(String),
}

impl Holdout {
    pub(super) fn new(thread: i32, (function, whereabouts): (usize, Whereabouts)) -> Self {
        let name = std::fs::read_to_string(format!("/proc/self/task/{thread}/comm"));
        let symbol = module_at(function).and_then(|module| {
            let at = module.file_address(function);
            module.image().ok()?.symbol_name_at(at)
        });
        Self {
            thread,
            name: name.map_or_else(|_| String::new(), |name| name.trim_end().to_owned()),
            function: (function != 0).then_some(function),
            symbol,
            whereabouts,
        }
    }
}

impl fmt::Display for Holdout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "thread {} ({}) ", self.thread, self.name)?;
        match &self.whereabouts {
            Whereabouts::Inside => f.write_str("is in ")?,
            Whereabouts::Perhaps => f.write_str("may be in ")?,
            // Some of these name the thread themselves.
            Whereabouts::Unknown(why) => {
                let own = format!("thread {} ({}) ", self.thread, self.name);
                return f.write_str(why.strip_prefix(&own).unwrap_or(why));
            }
        }
        match (&self.symbol, self.function) {
            (Some(symbol), _) => f.write_str(symbol),
            (None, Some(at)) => write!(f, "the function at {at:#x}"),
            (None, None) => f.write_str("one of the functions"),
        }
    }
}
