//! From an address to the function there and what is around it.
//!
//! The bytes that are analysed are those of the module's file, where there is
//! one: they are what the compiler made, whatever other patches have done to
//! the memory. The memory must agree with them where it will be written.
//! Code that has no file (made at run time) is read from memory, and its extent
//! is not known.

use super::per_machine;
use crate::machine::{Analysis, Function};
use crate::symbols::{FileAddress, Image, Module, Slide, module_at};
use midair_arch::{Gap, Reason, Refusal, Surroundings, TargetAddress};
use region::Protection;
use std::ops::Range;
use std::sync::Arc;

/// How many bytes behind a function are looked at for padding.
const BEHIND: usize = 64;
/// How much of code without a file is read.
const UNKNOWN_BODY: usize = 64;
/// How many bytes of the entry must be those of the file.
const COMPARED: usize = 16;

/// A file's code and functions, as the analysis asks for them.
#[derive(Clone, Copy, Debug)]
pub struct ImageSurroundings<'a> {
    /// The file.
    pub image: &'a Image,
    /// What is added to its addresses; zero for a file that is not loaded.
    pub slide: Slide,
}

impl<'a> ImageSurroundings<'a> {
    fn file(&self, at: TargetAddress) -> FileAddress {
        self.slide.file_address(at.get() as usize)
    }

    fn target(&self, at: FileAddress) -> TargetAddress {
        TargetAddress::new(at.at(self.slide) as u64)
    }

    /// The function that starts at `at`, with its bytes as the file has them.
    ///
    /// # Errors
    ///
    /// [`Reason::InsideFunction`] if `at` is not a start, [`Reason::NotCode`] if
    /// the file has no code there.
    pub fn function(&self, at: TargetAddress) -> Result<Function<'a>, Reason> {
        let start = self.file(at);
        let functions = self.image.functions();
        let (end, exact) = match functions.extent(start) {
            Some(extent) => (extent.end, true),
            None => match functions.containing(start) {
                Some(around) => {
                    return Err(Reason::InsideFunction {
                        start: self.target(around.start),
                    });
                }
                None => (self.image.code_end(start).ok_or(Reason::NotCode)?, false),
            },
        };
        let size = end.0.saturating_sub(start.0) as usize;
        let body = self.image.code(start, size).ok_or(Reason::NotCode)?;
        let segment_end = self.image.code_end(start).map_or(end.0, |e| e.0);
        let behind = (segment_end.saturating_sub(end.0) as usize).min(BEHIND);
        let after = self.image.code(end, behind).unwrap_or_default();
        let gap = functions.gap_after(end);
        let gap = if exact && gap.start == end {
            (gap.end.0 - end.0) as usize
        } else {
            0
        };
        Ok(Function {
            address: at,
            body,
            exact,
            after,
            gap,
        })
    }
}

impl Surroundings for ImageSurroundings<'_> {
    fn read(&self, at: TargetAddress, len: usize) -> Option<&[u8]> {
        self.image.read(self.file(at), len)
    }

    fn is_code(&self, at: TargetAddress) -> bool {
        self.image.code(self.file(at), 1).is_some()
    }

    fn entries(&self, range: Range<TargetAddress>) -> Vec<TargetAddress> {
        let range = self.file(range.start)..self.file(range.end);
        let known = self.image.functions().entries_between(range.clone());
        let branched_to = self.image.entered_from_elsewhere().unwrap_or_default();
        let first = branched_to.partition_point(|at| *at <= range.start);
        let branched_to = branched_to[first..]
            .iter()
            .copied()
            .take_while(|at| *at < range.end);
        known.chain(branched_to).map(|at| self.target(at)).collect()
    }

    fn knows_all_branches(&self) -> bool {
        self.image.entered_from_elsewhere().is_some()
    }

    fn gaps(&self, range: Range<TargetAddress>) -> Vec<Gap<'_>> {
        let range = self.file(range.start)..self.file(range.end);
        let gaps = self.image.functions().gaps_between(range).into_iter();
        gaps.filter_map(|gap| {
            let len = (gap.end.0 - gap.start.0) as usize;
            let bytes = self.image.code(gap.start, len)?;
            Some(Gap {
                address: self.target(gap.start),
                bytes,
            })
        })
        .collect()
    }
}

/// Nothing is known around code that has no file.
struct Unknown;

impl Surroundings for Unknown {
    fn read(&self, _: TargetAddress, _: usize) -> Option<&[u8]> {
        None
    }
    fn is_code(&self, _: TargetAddress) -> bool {
        false
    }
    fn entries(&self, _: Range<TargetAddress>) -> Vec<TargetAddress> {
        Vec::new()
    }
    fn knows_all_branches(&self) -> bool {
        false
    }
    fn gaps(&self, _: Range<TargetAddress>) -> Vec<Gap<'_>> {
        Vec::new()
    }
}

/// A function of this process that is to be patched.
pub(super) struct Located {
    pub(super) analysis: Analysis,
    pub(super) module: Option<Arc<Module>>,
    pub(super) protection: Protection,
    pub(super) target: usize,
}

impl Located {
    /// The function at `target`.
    pub(super) fn at(target: usize) -> Result<Self, Refusal> {
        let address = TargetAddress::new(target as u64);
        let refuse = |reason| Refusal::new(address, 0, reason);
        let Some(module) = module_at(target) else {
            return Self::without_file(target, None);
        };
        let Ok(image) = module.image() else {
            return Self::without_file(target, Some(module));
        };
        let around = ImageSurroundings {
            image,
            slide: module.slide(),
        };
        let function = around.function(address).map_err(refuse)?;
        compare(&function, target)?;
        let analysis = Analysis::of(&function, &around)?;
        let protection = Protection::READ_EXECUTE;
        Ok(Self {
            analysis,
            protection,
            target,
            module: Some(module),
        })
    }

    /// Code that has no readable file, if it is code at all.
    fn without_file(target: usize, module: Option<Arc<Module>>) -> Result<Self, Refusal> {
        let address = TargetAddress::new(target as u64);
        let refuse = |reason| Refusal::new(address, 0, reason);
        let region = region::query(target as *const u8).map_err(|e| refuse(unreadable(&e)))?;
        if !region.is_executable() || !target.is_multiple_of(per_machine::ALIGNMENT) {
            return Err(refuse(Reason::NotCode));
        }
        if !region.is_readable() {
            return Err(refuse(Reason::NotMapped));
        }
        let len = (region.as_range().end - target).min(UNKNOWN_BODY);
        let body: Vec<u8> = (0..len).map(|n| read_byte(target + n)).collect();
        let function = Function {
            address,
            body: &body,
            exact: false,
            after: &[],
            gap: 0,
        };
        let analysis = Analysis::of(&function, &Unknown)?;
        Ok(Self {
            analysis,
            protection: region.protection(),
            target,
            module,
        })
    }

    /// Runs `f` with what is around the function.
    pub(super) fn around<R>(&self, f: impl FnOnce(&dyn Surroundings) -> R) -> R {
        match self
            .module
            .as_ref()
            .and_then(|m| Some((m, m.image().ok()?)))
        {
            Some((module, image)) => f(&ImageSurroundings {
                image,
                slide: module.slide(),
            }),
            None => f(&Unknown),
        }
    }

    /// The name of the function, if it has one.
    pub(super) fn name(&self) -> Option<String> {
        let module = self.module.as_ref()?;
        let image = module.image().ok()?;
        image.symbol_name_at(module.slide().file_address(self.target))
    }
}

/// Why the memory at an address cannot be looked at.
fn unreadable(error: &region::Error) -> Reason {
    match error {
        region::Error::UnmappedRegion => Reason::NotMapped,
        other => Reason::Unwritable {
            why: format!("/proc/self/maps cannot be read: {other}"),
        },
    }
}

/// Refuses code that someone else has changed.
fn compare(function: &Function<'_>, target: usize) -> Result<(), Refusal> {
    let expected = function.body.iter().chain(function.after).take(COMPARED);
    let own = function.body.len().min(COMPARED);
    for (n, &expected) in expected.enumerate() {
        let found = read_byte(target + n);
        // What is behind the function may be another patch's business.
        if found != expected && n < own {
            let reason = if per_machine::is_breakpoint_at(target, n) {
                Reason::ForeignBreakpoint
            } else {
                Reason::Modified { found, expected }
            };
            return Err(Refusal::new(function.address, n as i64, reason));
        }
    }
    Ok(())
}

/// A byte of code, as it is now.
pub(super) fn read_byte(at: usize) -> u8 {
    // SAFETY: the callers ask only inside of mapped code; volatile, since
    // another thread may be patching.
    unsafe { (at as *const u8).read_volatile() }
}
