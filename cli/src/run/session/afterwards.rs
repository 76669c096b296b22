//! What is asked once an edit is live: which threads are in old code, and what is
//! in memory. It is not part of what an edit waits for.

use super::state::Session;
use crate::run::process;
use crate::run::report::{ActiveIn, Report};

impl Session {
    /// Completes a report.
    pub(super) fn look_back(&mut self, report: &mut Report) {
        if report.is_refused() {
            return;
        }
        // A program that ends just now answers nothing, and that is said anyway.
        if let Ok(images) = self.agent.images(false) {
            let loaded = |at| images.loaded.iter().any(|image| image.address == at);
            self.lines.keep(loaded);
            report.images = images.into();
        }
        let active = match self.agent.active() {
            Ok(active) => active,
            Err(why) => {
                report.active_unknown = Some(why).filter(|_| !process::runs_no_more());
                return;
            }
        };
        let named = |function: u64| {
            let mut all = report.functions.iter();
            let found = all.find(|(at, _)| *at == function);
            found.map(|(_, name)| name.clone())
        };
        let known: Vec<_> = active
            .into_iter()
            .filter_map(|active| Some((named(active.function)?, active)))
            .collect();
        let addresses: Vec<u64> = known.iter().map(|(_, active)| active.at).collect();
        let lines = match addresses.as_slice() {
            [] => Vec::new(),
            some => self.lines.find(some),
        };
        for ((what, active), line) in known.into_iter().zip(lines) {
            let (file, line) = line.unzip();
            report.active.push(ActiveIn {
                what,
                thread: active.thread,
                name: active.name,
                file: file.map(|file| shortened(&file)),
                line,
                is_certain: active.is_certain,
            });
        }
    }
}

/// A path as seen from here.
fn shortened(file: &str) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let path = std::path::Path::new(file);
    let short = path.strip_prefix(&here).unwrap_or(path);
    short.display().to_string()
}
