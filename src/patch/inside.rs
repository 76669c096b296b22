//! Is a thread inside of certain functions?
//!
//! A function is on a stack if a frame's code is its own: its body, a part of it
//! that the compiler moved away (`foo.cold`), the copy of its displaced
//! instructions, or the replacement that is being taken off. Frames are walked
//! by call frame information, with proof; from where that ends, every word that
//! may be a return address into one of these functions counts
//! ([`Position::Maybe`]).
//!
//! A function that has called another one in tail position is not on the stack
//! any more. Code that is inlined is not the function.

use super::choosing::dispatcher_code;
use super::per_machine;
use super::site::Site;
use crate::machine::near_branches;
use crate::symbols::{CallFrameTables, Module, module_at, modules};
use crate::threads::frames::{
    CallFrames, End, Frame, Memory, OwnStack, Step, return_on_top, walk_from,
};
use crate::threads::registers::Registers;
use crate::threads::view::{View, is_after_call};
use midair_arch::TargetAddress;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

/// How much of the own stack is searched where frames cannot be walked.
const DEEPEST: usize = 8 << 20;

/// Functions that a transition is about.
pub(super) struct Functions {
    /// Their code, sorted; none overlaps another.
    code: Vec<Range<usize>>,
    /// Whose code each of these is: the address of the patched function.
    owners: Vec<usize>,
    /// Gates: code that has not touched the stack.
    gates: Vec<Range<usize>>,
    /// Where displaced calls return to.
    returns: Vec<usize>,
    frames: CallFrameTables,
}

/// Where a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    Outside,
    /// The function is on its stack.
    Inside(usize),
    /// It may be: its frames cannot be told from what earlier calls have left.
    Maybe(usize),
    /// It is just choosing between old and new.
    Choosing,
}

impl Functions {
    /// The functions of `sites`; `choices` are the code that chooses for them.
    pub(super) fn of<'a>(sites: impl Iterator<Item = &'a Site>) -> Self {
        let mut all: Vec<(Range<usize>, usize)> = Vec::new();
        let mut gates = Vec::new();
        let mut returns = Vec::new();
        for site in sites {
            let target = site.target();
            let pieces = site.inside();
            all.extend(pieces.code.into_iter().map(|range| (range, target)));
            for start in [target].into_iter().chain(pieces.functions) {
                all.extend(body_and_parts(start).into_iter().map(|r| (r, target)));
            }
            gates.push(pieces.gate);
            returns.extend(pieces.returns);
        }
        all.sort_unstable_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
        let mut code: Vec<Range<usize>> = Vec::new();
        let mut owners = Vec::new();
        for (mut range, owner) in all {
            if let Some(last) = code.last() {
                range.start = range.start.max(last.end);
            }
            if !range.is_empty() {
                code.push(range);
                owners.push(owner);
            }
        }
        gates.sort_unstable_by_key(|gate| gate.start);
        returns.sort_unstable();
        Self {
            code,
            owners,
            gates,
            returns,
            frames: CallFrameTables::of(&modules().unwrap_or_default()),
        }
    }

    /// Where a thread is that was seen.
    pub(super) fn position(&self, view: &View) -> Position {
        let mut found = None;
        let start = view.registers;
        let end = walk_from(self, view, start, false, |frame| {
            self.note(frame, &mut found)
        });
        if let Some(position) = found {
            return position;
        }
        let (pc, sp) = match end {
            End::Complete | End::Stopped => return Position::Outside,
            End::UnknownFrom { pc, sp, .. } => (pc, sp),
        };
        if self.is_choosing(pc) {
            return Position::Choosing;
        }
        let mut maybe = None;
        let is_return = |at: usize| self.is_return(at);
        view.possible_returns(sp, &self.code, is_return, |n, _| {
            maybe.get_or_insert(self.owners[n]);
        });
        maybe.map_or(Position::Outside, Position::Maybe)
    }

    /// Where the calling thread is, from a frame with these registers on, whose
    /// program counter is a return address. Allocates nothing.
    pub(super) fn position_of_own(&self, start: Registers, stack: &OwnStack) -> Position {
        let mut found = None;
        let end = walk_from(self, stack, start, true, |frame| {
            self.note(frame, &mut found)
        });
        if let Some(position) = found {
            return position;
        }
        let sp = match end {
            End::Complete | End::Stopped => return Position::Outside,
            End::UnknownFrom { sp, .. } => sp & !7,
        };
        for at in (sp..sp.saturating_add(DEEPEST)).step_by(size_of::<usize>()) {
            let Some(word) = stack.word(at) else {
                if at == sp {
                    break; // not the end of the stack: it cannot be read
                }
                return Position::Outside;
            };
            if let Some(owner) = self.owner(word.wrapping_sub(1))
                && self.is_return(word)
            {
                return Position::Maybe(owner);
            }
        }
        // More stack than can be searched, or none: nobody knows.
        Position::Maybe(self.owners.first().copied().unwrap_or(0))
    }

    /// Notes what a frame tells; breaks the walk off when that is all there is
    /// to know, so that a deep recursion is not walked to its end at each call.
    fn note(&self, frame: &Frame, found: &mut Option<Position>) -> ControlFlow<()> {
        let pc = frame.pc.wrapping_sub(usize::from(frame.after_call));
        *found = match self.owner(pc) {
            Some(owner) => Some(Position::Inside(owner)),
            None => self.is_choosing(pc).then_some(Position::Choosing),
        };
        match found {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    }

    fn owner(&self, pc: usize) -> Option<usize> {
        number_of(&self.code, pc).map(|n| self.owners[n])
    }

    fn is_choosing(&self, pc: usize) -> bool {
        dispatcher_code().contains(&pc)
    }

    fn is_return(&self, at: usize) -> bool {
        self.returns.binary_search(&at).is_ok() || is_after_call(at)
    }
}

impl CallFrames for Functions {
    fn caller(&self, frame: &Registers, after_call: bool, memory: &dyn Memory) -> Step {
        if number_of(&self.gates, frame.pc()).is_some() {
            return return_on_top(frame, memory);
        }
        self.frames.caller(frame, after_call, memory)
    }
}

fn number_of(ranges: &[Range<usize>], at: usize) -> Option<usize> {
    let n = ranges
        .partition_point(|range| range.start <= at)
        .checked_sub(1)?;
    ranges[n].contains(&at).then_some(n)
}

/// The code of the function at `start`: its body, and what it jumps to that is
/// no function of its own.
pub(crate) fn body_and_parts(start: usize) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let Some(module) = module_at(start) else {
        // Code made at run time: how long it is, nobody says.
        parts.push(start..start + 1);
        return parts;
    };
    let mut waiting = vec![start];
    while let Some(at) = waiting.pop() {
        if parts.iter().any(|part| part.contains(&at)) {
            continue;
        }
        let Some((range, code)) = extent(&module, at) else {
            parts.push(at..at + 1);
            continue;
        };
        near_branches(code, TargetAddress::new(range.start as u64), |from, to| {
            let to = to.get() as usize;
            let is_call = per_machine::is_direct_call(&code[from.get() as usize - range.start..]);
            if !range.contains(&to) && !is_call && !is_function(&module, to) {
                waiting.push(to);
            }
        });
        parts.push(range);
    }
    parts
}

/// The extent around an address, in memory, and its code, as the file has it.
fn extent(module: &Arc<Module>, at: usize) -> Option<(Range<usize>, &[u8])> {
    let image = module.image().ok()?;
    let extent = image.functions().containing(module.file_address(at))?;
    let start = extent.start.at(module.slide());
    let size = extent.size() as usize;
    Some((start..start + size, image.code(extent.start, size)?))
}

/// Whether a function with a name of its own starts here.
fn is_function(module: &Arc<Module>, at: usize) -> bool {
    module.image().is_ok_and(|image| {
        let at = module.file_address(at);
        image.symbol_name_at(at).is_some() && !image.is_fragment(at)
    })
}
