//! Threads that are in the old code of functions that were replaced.
//!
//! Such a function is new at its next call. One that loops for ever has none, and
//! whoever has edited it wants to know. Threads are looked at once, for a short
//! time: who sleeps is read, who runs is asked to copy its stack.

use super::protocol::Active;
use crate::patch::inside::body_and_parts;
use crate::symbols::{CallFrameTables, modules};
use crate::threads::frames::{End, walk_from};
use crate::threads::look::{self, Outcome, Patience};
use crate::threads::tasks;
use crate::threads::view::{Place, View, is_after_call, number_of};
use std::ops::{ControlFlow, Range};
use std::time::Duration;

/// How long threads are looked at.
const TIME: Duration = Duration::from_millis(25);

/// Looks for threads in code that begins at these addresses; with each is the
/// function whose it is.
pub(super) fn find(bodies: Vec<(usize, u64)>) -> Result<Vec<Active>, String> {
    let mut all: Vec<(Range<usize>, u64)> = Vec::new();
    for (at, function) in &bodies {
        all.extend(
            body_and_parts(*at)
                .into_iter()
                .map(|range| (range, *function)),
        );
    }
    all.sort_by_key(|(range, _)| range.start);
    all.dedup_by(|next, last| next.0.start < last.0.end);
    let (ranges, functions): (Vec<Range<usize>>, Vec<u64>) = all.into_iter().unzip();
    let frames = CallFrameTables::of(&modules().unwrap_or_default());
    let failed = |e: std::io::Error| format!("threads cannot be looked at: {e}");
    let own = tasks::own();
    let mut tids = tasks::list().map_err(failed)?;
    tids.retain(|tid| *tid != own);
    let mut found = Vec::new();
    look::sweep(&tids, &Patience::of(TIME), |tid, outcome| {
        let Outcome::Seen(view) = outcome else {
            return; // nobody is told about a thread that was not seen
        };
        let name = tasks::status(tid).ok().flatten();
        let name = name.map_or_else(String::new, |task| task.name);
        for (number, at, is_certain) in inside(&view, &ranges, &frames) {
            found.push(Active {
                function: functions[number],
                thread: tid as u64,
                name: name.clone(),
                at: at as u64,
                is_certain,
            });
        }
    })
    .map_err(failed)?;
    Ok(found)
}

/// The ranges that a thread is in, each once: where, innermost, and whether that
/// is certain.
fn inside(
    view: &View,
    ranges: &[Range<usize>],
    frames: &CallFrameTables,
) -> Vec<(usize, usize, bool)> {
    let mut found: Vec<(usize, usize, bool)> = Vec::new();
    let mut note = |number, at, is_certain| {
        if found.iter().all(|(known, ..)| *known != number) {
            found.push((number, at, is_certain));
        }
    };
    let end = walk_from(frames, view, view.registers, false, |frame| {
        let at = frame.pc.wrapping_sub(usize::from(frame.after_call));
        if let Some(number) = number_of(ranges, at) {
            note(number, at, true);
        }
        ControlFlow::Continue(())
    });
    if let End::UnknownFrom { sp, .. } = end {
        view.possible_returns(sp, ranges, is_after_call, |number, place| {
            let word = match place {
                Place::Stack(at) => crate::threads::frames::Memory::word(view, at),
                _ => None,
            };
            note(number, word.unwrap_or(ranges[number].start + 1) - 1, false);
        });
    }
    found
}
