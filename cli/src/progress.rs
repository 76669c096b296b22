//! A progress bar, once something has taken a second.

use indicatif::{ProgressBar, ProgressStyle};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Shorter work shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) struct Progress {
    name: String,
    unit: &'static str,
    total: u64,
    done: AtomicU64,
    began: Instant,
    bar: OnceLock<ProgressBar>,
}

impl Progress {
    pub(crate) fn new(name: String, total: u64, unit: &'static str) -> Self {
        let began = Instant::now();
        Self {
            name,
            unit,
            total,
            done: AtomicU64::new(0),
            began,
            bar: OnceLock::new(),
        }
    }

    pub(crate) fn advance(&self, by: u64) {
        let done = self.done.fetch_add(by, Ordering::Relaxed) + by;
        if self.began.elapsed() > PATIENCE {
            self.bar.get_or_init(|| self.show()).set_position(done);
        }
    }

    /// On stderr, and not at all where that is no terminal.
    fn show(&self) -> ProgressBar {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {prefix}");
        let bar = ProgressBar::new(self.total).with_message(self.name.clone());
        let bar = bar.with_prefix(self.unit);
        bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}
