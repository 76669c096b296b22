//! All loaded images, and which of them can go.
//!
//! A reload makes the image before it superfluous, as a rule: its functions were
//! replaced again. It is unloaded when nothing leads into it: no patch, no thread
//! and no word of the program's memory ([`super::scan`]). That is looked at some time after a reload, not in it, and
//! again and again, ever more rarely, as long as there is something to unload.
//!
//! An image goes as a whole or not at all. One that has brought something new (a
//! function, a static, a thread-local that the program did not have) stays: later
//! edits are linked against it, and state is never thrown away. So does one of a program
//! with optimised libraries: what their code has in registers while it sleeps is in no
//! memory. Unoptimised code has nothing there, and the standard library nothing of the
//! program's but while a frame of the program's is on the same stack.
//!
//! The agent's own heap is not searched (`midair-agent` has one). An agent that is
//! linked into the program shares the program's: there what is left of its notes
//! holds images, as any other memory would.

use super::area::Area;
use super::generations::Need;
use super::image::{self, Image};
use super::listed::name_of;
use super::protocol::{self, Held, Load};
use super::scan::{self, Doubt, Holder, Wanted};
use crate::patch::leads::{self, Lead, leads_into};
use crate::threads::tasks;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How long after a reload the first look is.
const FIRST: Duration = Duration::from_millis(40);
/// The time between two looks doubles up to this.
const RAREST: Duration = Duration::from_secs(4);
/// How long threads may be looked at that choose between old and new.
const CHOICES: Duration = Duration::from_millis(20);

/// Memory of the agent's own.
static HEAP: OnceLock<Range<usize>> = OnceLock::new();

/// Says that this copy of midair allocates memory there and nowhere else, so that
/// no pointers into old code are looked for there.
#[doc(hidden)]
pub fn own_heap(heap: Range<usize>) {
    // The first one is right.
    let _ = HEAP.set(heap);
}

/// Of which generations code is loaded that was replaced, and why: for whoever
/// lists generations.
static OLD: Mutex<BTreeMap<u64, String>> = Mutex::new(BTreeMap::new());

/// Why code of a generation is loaded that was replaced.
pub(super) fn held(generation: u64) -> Option<String> {
    let old = OLD.lock().unwrap_or_else(PoisonError::into_inner);
    old.get(&generation).cloned()
}

/// What is loaded.
#[derive(Default)]
pub(super) struct Images {
    loaded: Vec<Loaded>,
    /// How many were unloaded.
    unloaded: u64,
    next: Option<Instant>,
    pause: Duration,
}

struct Loaded {
    /// The generation that it was made for.
    number: u64,
    image: Image,
    at: usize,
    len: usize,
    file: PathBuf,
    /// What can be pointed to, counted from `at`.
    parts: Vec<Range<usize>>,
    new: Vec<String>,
    stays: String,
    /// Functions that were led into it, by their own addresses, and where to,
    /// counted from `at`.
    functions: Vec<(u64, usize)>,
    why: Why,
}

/// Why an image is loaded.
#[derive(Clone, Debug)]
enum Why {
    /// It was not looked at yet.
    Fresh,
    /// It is what runs.
    Runs,
    /// It cannot be unloaded at all.
    Stays(String),
    /// It was replaced, and something points into it; or that is not known yet.
    Held(String),
}

impl Loaded {
    fn range(&self) -> Range<usize> {
        self.at..self.at + self.len
    }
}

impl Images {
    /// Remembers an image that was loaded; a look at the others is due soon.
    pub(super) fn add(&mut self, number: u64, image: Image, load: &Load) {
        let (at, contents) = (load.address as usize, &load.contents);
        let parts = contents.parts.iter();
        let parts = parts.map(|part| part.start as usize..(part.start + part.len) as usize);
        let functions = load.swaps.iter().map(|swap| {
            let offset = (swap.replacement as usize).wrapping_sub(at);
            (swap.target, offset)
        });
        self.loaded.push(Loaded {
            number,
            image,
            at,
            len: load.len as usize,
            file: PathBuf::from(&load.file),
            parts: parts.collect(),
            new: contents.new.clone(),
            stays: contents.stays.clone(),
            functions: functions.collect(),
            why: Why::Fresh,
        });
    }

    /// All code that these functions have had before the newest, and whose it is.
    pub(super) fn bodies(&self, functions: &[u64]) -> Vec<(usize, u64)> {
        let older = self.loaded.iter().rev().skip(1);
        let replaced = older.flat_map(|loaded| {
            let own = loaded.functions.iter();
            own.map(|(function, offset)| (loaded.at + offset, *function))
        });
        let built = functions.iter().map(|at| (*at as usize, *at));
        let replaced = replaced.filter(|(_, function)| functions.contains(function));
        built.chain(replaced).collect()
    }

    /// Something has changed: what was held may not be any more.
    pub(super) fn look_soon(&mut self) {
        self.pause = FIRST;
        self.next = Some(Instant::now() + FIRST);
    }

    /// When the next look is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.next
    }

    /// Unloads what can be; looks again later if something is held. `needed` says
    /// what an image is needed for that is not in the program's memory.
    pub(super) fn look(&mut self, area: &mut Area, needed: impl Fn(&Range<usize>) -> Option<Need>) {
        self.next = None;
        let (candidates, waits) = self.candidates(needed);
        let free = match candidates.as_slice() {
            [] => Vec::new(),
            some => self.search(some),
        };
        let all_gone = free.len() == candidates.len() && !waits;
        // From behind, so that places stay what they are.
        for place in free.into_iter().rev() {
            let loaded = self.loaded.remove(place);
            image::unload(area, loaded.image, loaded.at, loaded.len);
            self.unloaded += 1;
            // Nothing reads it any more; the folder goes with the run anyway.
            let _ = std::fs::remove_file(loaded.file);
        }
        let old = self.loaded.iter().filter_map(|loaded| match &loaded.why {
            Why::Held(why) | Why::Stays(why) => Some((loaded.number, why.clone())),
            Why::Fresh | Why::Runs => None,
        });
        *OLD.lock().unwrap_or_else(PoisonError::into_inner) = old.collect();
        if !all_gone {
            self.next = Some(Instant::now() + self.pause);
            self.pause = (self.pause * 2).min(RAREST);
        }
    }

    /// The places of images that only memory or threads may hold; and whether there
    /// are others that will not be held for ever.
    fn candidates(&mut self, needed: impl Fn(&Range<usize>) -> Option<Need>) -> (Vec<usize>, bool) {
        let mut waits = false;
        let ranges: Vec<Range<usize>> = self.loaded.iter().map(Loaded::range).collect();
        let mut leads = leads_into(&ranges);
        if leads.contains(&Some(Lead::Choice)) {
            // Whoever is choosing is through in a moment.
            let _ = crate::reclaim(CHOICES);
            leads = leads_into(&ranges);
        }
        let mut candidates = Vec::new();
        for (place, (loaded, lead)) in self.loaded.iter_mut().zip(leads).enumerate() {
            loaded.why = match (lead, &loaded.image) {
                (Some(Lead::Function(_)), _) => Why::Runs,
                (Some(Lead::Choice), _) => {
                    waits = true;
                    Why::Held(
                        "a thread may be about to choose between it and newer code".to_owned(),
                    )
                }
                (None, _) if !loaded.new.is_empty() => Why::Stays(news(&loaded.new)),
                (None, _) if !loaded.stays.is_empty() => Why::Stays(loaded.stays.clone()),
                (None, Image::Unlisted(_)) => {
                    Why::Stays("it was not loaded by the dynamic linker".to_owned())
                }
                (None, Image::Listed(_)) => match needed(&loaded.range()) {
                    Some(Need::Newest(_)) => Why::Runs,
                    Some(Need::Undo(_)) => Why::Held("an undo may go back to it".to_owned()),
                    Some(Need::Pinned(function)) => {
                        waits = true;
                        Why::Held(format!(
                            "somebody is pinned to a generation that has its {}",
                            name_of(function)
                        ))
                    }
                    None => {
                        candidates.push(place);
                        continue;
                    }
                },
            };
        }
        (candidates, waits)
    }

    /// Which of the candidates nothing points to.
    fn search(&mut self, candidates: &[usize]) -> Vec<usize> {
        let wanted: Vec<Wanted> = candidates
            .iter()
            .map(|place| {
                let loaded = &self.loaded[*place];
                let from = |part: &Range<usize>| loaded.at + part.start..loaded.at + part.end;
                Wanted {
                    all: loaded.range(),
                    parts: loaded.parts.iter().map(from).collect(),
                }
            })
            .collect();
        let mut own = leads::own_memory();
        own.extend(HEAP.get().cloned());
        let searched = scan::search(&wanted, &own);
        let (holders, doubt) = match searched {
            Ok(searched) => (
                searched.holders,
                searched.doubt.map(|doubt| doubted(&doubt)),
            ),
            Err(error) => (
                vec![None; candidates.len()],
                Some(format!("the program's memory cannot be searched: {error}")),
            ),
        };
        let mut free = Vec::new();
        for (place, holder) in candidates.iter().zip(holders) {
            let loaded = &mut self.loaded[*place];
            match (holder, &doubt) {
                (Some(holder), _) => loaded.why = Why::Held(held_by(&holder, loaded.at)),
                (None, Some(doubt)) => loaded.why = Why::Held(doubt.clone()),
                (None, None) => free.push(*place),
            }
        }
        free
    }

    /// What is loaded, and why.
    pub(super) fn list(&self) -> protocol::Images {
        let list = self.loaded.iter().map(|loaded| {
            let (is_old, why) = match &loaded.why {
                Why::Fresh => (false, "it was not looked at yet".to_owned()),
                Why::Runs => (false, "it is what runs".to_owned()),
                Why::Stays(why) => (false, why.clone()),
                Why::Held(why) => (true, why.clone()),
            };
            Held {
                number: loaded.number,
                address: loaded.at as u64,
                bytes: loaded.len as u64,
                is_old,
                why,
            }
        });
        protocol::Images {
            loaded: list.collect(),
            unloaded: self.unloaded,
        }
    }
}

fn news(new: &[String]) -> String {
    match new {
        [only] => format!("{only} is new in it"),
        [first, rest @ ..] => format!("{first} and {} more are new in it", rest.len()),
        [] => String::new(),
    }
}

fn held_by(holder: &Holder, image: usize) -> String {
    match holder {
        Holder::Thread { tid, to } => {
            let name = tasks::status(*tid).ok().flatten();
            let name = name.map_or_else(String::new, |task| format!(" ({})", task.name));
            format!("thread {tid}{name} has {} on its stack", named(*to, image))
        }
        Holder::Memory { at, of, to } => {
            format!("a word at {at:#x} in {of} points to {}", named(*to, image))
        }
        Holder::Signal { number, to } => {
            format!("{} handles signal {number}", named(*to, image))
        }
    }
}

/// What is at an address in an image.
fn named(at: usize, image: usize) -> String {
    let function = || {
        let module = crate::symbols::module_at(at)?;
        let image = module.image().ok()?;
        let extent = image.functions().containing(module.file_address(at))?;
        image.symbol_name_at(extent.start)
    };
    function().unwrap_or_else(|| format!("something {:#x} bytes into it", at - image))
}

fn doubted(doubt: &Doubt) -> String {
    match doubt {
        Doubt::Ran(restless) => {
            format!("nobody knows yet: {restless} while memory was searched")
        }
        Doubt::TooMuch { of, bytes } => {
            format!("{} MB of memory ({of}) are too much to search", bytes >> 20)
        }
        Doubt::Guarded => "by what glibc hides function pointers is not known here".to_owned(),
        Doubt::Changed => "nobody knows yet: memory went away while it was searched".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::listed::{self, Hidden, Made};
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn a_generation_whose_code_is_held_is_remembered_however_many_come_after_it() {
        let add = |number, function| {
            listed::add(Made {
                number,
                at: SystemTime::now(),
                undoes: None,
                sources: Vec::new(),
                functions: vec![Hidden::new(function)],
                bytes: 0,
            });
        };
        let first = 1_000_000;
        OLD.lock().unwrap().insert(first, "a word".to_owned());
        add(first, 1);
        add(first + 1, 2);
        (2..150).for_each(|n| add(first + n, 3));
        assert_eq!(listed::newest(1), Some(first));
        assert_eq!(listed::newest(2), None);
        OLD.lock().unwrap().remove(&first);
    }
}
