//! Steps from a frame to its caller by the call frame information of the loaded
//! modules.
//!
//! A [`CallFrameTables`] is made once for a list of modules and does not change:
//! it maps, opens and parses all that is needed beforehand. A step then searches
//! `.eh_frame_hdr` in the mapped file, allocates nothing and locks nothing; it
//! takes about 8 kB of stack. (Where rbp is needed and unknown, which a thread's
//! own is not, the function's code is followed, and that allocates.) Code that was registered at run time
//! (`__register_frame`) and modules without `.eh_frame_hdr` are unknown to it.

use std::ops::Range;
use std::sync::Arc;

use gimli::FrameDescriptionEntry;
use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EndianSlice, Evaluation, EvaluationResult,
    EvaluationStorage, LittleEndian, ParsedEhFrameHdr, Register, RegisterRule, UnwindContext,
    UnwindContextStorage, UnwindExpression, UnwindSection, UnwindTableRow, Value,
};
use goblin::elf::program_header::PT_GNU_EH_FRAME;
#[cfg(target_arch = "x86_64")]
use midair_arch::TargetAddress;
#[cfg(target_arch = "x86_64")]
use midair_arch::x86_64::stack_depth;

use super::address::FileAddress;
use super::fields;
use super::image::Image;
use super::module::Module;
use crate::threads::frames::{CallFrames, Gap, Memory, Step};
use crate::threads::machine;
#[cfg(target_arch = "x86_64")]
use crate::threads::machine::BP;
use crate::threads::registers::{COUNT, PC, Registers, SP};

pub(super) type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// The call frame information of some modules.
#[derive(Debug)]
pub(crate) struct CallFrameTables {
    /// By address; none overlaps another.
    code: Vec<(Range<usize>, usize)>,
    modules: Vec<Tables>,
}

#[derive(Debug)]
pub(super) struct Tables {
    module: Arc<Module>,
    /// Where `.eh_frame_hdr` is in the file's bytes.
    header: Range<usize>,
    header_address: u64,
    /// Where `.eh_frame` begins, by address and in the file's bytes.
    frames: Range<usize>,
    frames_address: u64,
}

/// One function's call frame information, and what it refers to.
pub(super) struct Entry<'a> {
    pub(super) fde: FrameDescriptionEntry<Slice<'a>>,
    pub(super) section: EhFrame<Slice<'a>>,
    pub(super) bases: BaseAddresses,
}

impl CallFrameTables {
    /// Of these modules; those that cannot be read are unknown code.
    pub(crate) fn of(modules: &[Arc<Module>]) -> Self {
        let tables: Vec<Tables> = modules.iter().filter_map(Tables::of).collect();
        let mut code: Vec<_> = tables
            .iter()
            .enumerate()
            .flat_map(|(number, table)| {
                let ranges = table.module.code_ranges().iter();
                ranges.map(move |range| (range.clone(), number))
            })
            .collect();
        code.sort_by_key(|(range, _)| range.start);
        Self {
            code,
            modules: tables,
        }
    }

    fn at(&self, pc: usize) -> Option<&Tables> {
        let after = self.code.partition_point(|(range, _)| range.start <= pc);
        let (range, number) = self.code.get(after.checked_sub(1)?)?;
        self.modules.get(*number).filter(|_| range.contains(&pc))
    }
}

impl Tables {
    pub(super) fn of(module: &Arc<Module>) -> Option<Tables> {
        let image = module.image().ok()?;
        let mut segments = image.headers().segments.iter();
        let segment = segments.find(|segment| segment.kind == PT_GNU_EH_FRAME)?;
        let header = fields::slice(image.data(), segment.offset, segment.file_size)?;
        let parsed = parse(header, segment.address)?;
        let frames_address = parsed.eh_frame_ptr().direct().ok()?;
        let frames = image.rest_of_segment(FileAddress(frames_address))?;
        parsed.table()?;
        Some(Tables {
            header: place(image, header),
            header_address: segment.address,
            frames: place(image, frames),
            frames_address,
            module: Arc::clone(module),
        })
    }

    /// The entry about the code at `address` in the file.
    pub(super) fn entry(&self, address: u64) -> Result<Entry<'_>, Gap> {
        let data = self.module.image().map_err(|_| Gap::NoInformation)?.data();
        let header = data.get(self.header.clone()).unwrap_or_default();
        let frames = data.get(self.frames.clone()).unwrap_or_default();
        let bases = BaseAddresses::default()
            .set_eh_frame_hdr(self.header_address)
            .set_eh_frame(self.frames_address);
        let header = parse(header, self.header_address).ok_or(Gap::NotUnderstood)?;
        let table = header.table().ok_or(Gap::NoInformation)?;
        let mut section = EhFrame::new(frames, LittleEndian);
        section.set_vendor(machine::VENDOR);
        let fde = table.fde_for_address(&section, &bases, address, EhFrame::cie_from_offset);
        let fde = fde.map_err(|error| match error {
            gimli::Error::NoUnwindInfoForAddress => Gap::NoInformation,
            _ => Gap::NotUnderstood,
        })?;
        Ok(Entry {
            fde,
            section,
            bases,
        })
    }

    fn step(&self, frame: &Registers, lookup: usize, memory: &dyn Memory) -> Result<Step, Gap> {
        let address = self.module.file_address(lookup).0;
        let Entry {
            fde,
            section,
            bases,
        } = self.entry(address)?;
        let mut context = UnwindContext::<usize, OnStack>::new_in();
        let row = fde.unwind_info_for_address(&section, &bases, &mut context, address);
        let row = row.map_err(|_| Gap::NotUnderstood)?;
        let rules = Rules {
            section: &section,
            row,
            encoding: fde.cie().encoding(),
            return_address: fde.cie().return_address_register(),
        };
        #[cfg(target_arch = "aarch64")]
        let step = rules.apply(frame, memory);
        #[cfg(target_arch = "x86_64")]
        let step = match (rules.apply(frame, memory), rules.row.cfa()) {
            (
                Err(Gap::Register(BP)),
                CfaRule::RegisterAndOffset {
                    register: Register(6),
                    offset,
                },
            ) => {
                let offset = *offset;
                let cfa = self.cfa_by_code(&fde, &section, &bases, frame);
                let mut frame = *frame;
                let cfa = cfa.ok_or(Gap::Register(BP))?;
                frame.set(BP, cfa.wrapping_add_signed(-offset as isize));
                rules.apply(&frame, memory)
            }
            (result, _) => result,
        };
        step
    }
}

#[cfg(target_arch = "x86_64")]
impl Tables {
    /// Where the frame begins, by how far the function's code has moved rsp. Of
    /// use where rbp is unknown: so it is in a sleeper's first frames, and
    /// Rust's standard library keeps its frames by rbp.
    fn cfa_by_code(
        &self,
        fde: &FrameDescriptionEntry<Slice<'_>>,
        section: &EhFrame<Slice<'_>>,
        bases: &BaseAddresses,
        frame: &Registers,
    ) -> Option<usize> {
        let start = fde.initial_address();
        // A part of a function that is entered by a jump begins differently.
        let mut context = UnwindContext::<usize, OnStack>::new_in();
        let first = fde.unwind_info_for_address(section, bases, &mut context, start);
        let entered_by_call = CfaRule::RegisterAndOffset {
            register: Register(SP as u16),
            offset: 8,
        };
        if *first.ok()?.cfa() != entered_by_call {
            return None;
        }
        let image = self.module.image().ok()?;
        let code = image.code(FileAddress(start), usize::try_from(fde.len()).ok()?)?;
        let pc = self.module.file_address(frame.pc()).0;
        let depth = stack_depth(code, TargetAddress::new(start), pc)?;
        frame
            .sp()
            .checked_add(usize::try_from(depth).ok()?)?
            .checked_add(8)
    }
}

impl CallFrames for CallFrameTables {
    fn caller(&self, frame: &Registers, after_call: bool, memory: &dyn Memory) -> Step {
        // A call may be the last instruction of its function.
        let lookup = frame.pc().wrapping_sub(usize::from(after_call));
        let Some(tables) = self.at(lookup) else {
            return Step::Unknown(Gap::NoInformation);
        };
        tables
            .step(frame, lookup, memory)
            .unwrap_or_else(Step::Unknown)
    }
}

fn parse(header: &[u8], address: u64) -> Option<ParsedEhFrameHdr<Slice<'_>>> {
    let bases = BaseAddresses::default().set_eh_frame_hdr(address);
    let header = EhFrameHdr::new(header, LittleEndian);
    header.parse(&bases, 8).ok()
}

/// Where a part of the file's bytes is in them.
fn place(image: &Image, part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - image.data().as_ptr().addr();
    start..start + part.len()
}

/// Room for rules without the heap.
pub(super) struct OnStack;

impl UnwindContextStorage<usize> for OnStack {
    type Rules = [(Register, RegisterRule<usize>); 24];
    type Stack = [UnwindTableRow<usize, Self>; 4];
}

impl<'a> EvaluationStorage<Slice<'a>> for OnStack {
    type Stack = [Value; 16];
    type ExpressionStack = [(Slice<'a>, Slice<'a>); 2];
    type Result = [gimli::Piece<Slice<'a>>; 1];
}

/// What one row of the table says.
struct Rules<'r, 'a> {
    section: &'r EhFrame<Slice<'a>>,
    row: &'r UnwindTableRow<usize, OnStack>,
    encoding: gimli::Encoding,
    return_address: Register,
}

impl Rules<'_, '_> {
    fn apply(&self, frame: &Registers, memory: &dyn Memory) -> Result<Step, Gap> {
        let cfa = match self.row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                known(frame, *register)?.wrapping_add_signed(*offset as isize)
            }
            CfaRule::Expression(expression) => self.evaluate(expression, None, frame, memory)?,
        };
        let mut caller = frame.callee_saved();
        caller.set(SP, cfa);
        for (register, rule) in self.row.registers() {
            // Vector registers lead nowhere.
            if usize::from(register.0) < COUNT {
                self.restore(*register, rule, cfa, frame, memory, &mut caller)?;
            }
        }
        match self.row.register(self.return_address) {
            Some(RegisterRule::Undefined) => return Ok(Step::Outermost),
            None if machine::RETURN_IN_REGISTER => {
                // It is where the call has put it, if this frame has not made one.
                let number = usize::from(self.return_address.0);
                caller.set(number, known(frame, self.return_address)?);
            }
            None => return Err(Gap::NotUnderstood),
            Some(_) => {}
        }
        let pc = machine::without_signature(known(&caller, self.return_address)?);
        if pc == 0 {
            return Ok(Step::Outermost);
        }
        caller.set(PC, pc);
        Ok(Step::Caller(caller))
    }

    fn restore(
        &self,
        register: Register,
        rule: &RegisterRule<usize>,
        cfa: usize,
        frame: &Registers,
        memory: &dyn Memory,
        caller: &mut Registers,
    ) -> Result<(), Gap> {
        let number = usize::from(register.0);
        let load = |at: usize| memory.word(at).ok_or(Gap::Memory(at));
        // What is unknown in this frame may be so in its caller.
        let copy = |from: Register| frame.get(usize::from(from.0));
        let value = match rule {
            RegisterRule::Undefined => None,
            RegisterRule::SameValue => copy(register),
            RegisterRule::Offset(offset) => Some(load(cfa.wrapping_add_signed(*offset as isize))?),
            RegisterRule::ValOffset(offset) => Some(cfa.wrapping_add_signed(*offset as isize)),
            RegisterRule::Register(other) => copy(*other),
            RegisterRule::Expression(expression) => Some(load(self.evaluate(
                expression,
                Some(cfa),
                frame,
                memory,
            )?)?),
            RegisterRule::ValExpression(expression) => {
                Some(self.evaluate(expression, Some(cfa), frame, memory)?)
            }
            RegisterRule::Constant(value) => Some(*value as usize),
            _ => return Err(Gap::NotUnderstood),
        };
        match value {
            Some(value) => caller.set(number, value),
            None => caller.forget(number),
        }
        Ok(())
    }

    fn evaluate(
        &self,
        expression: &UnwindExpression<usize>,
        cfa: Option<usize>,
        frame: &Registers,
        memory: &dyn Memory,
    ) -> Result<usize, Gap> {
        let bytes = expression
            .get(self.section)
            .map_err(|_| Gap::NotUnderstood)?;
        let mut evaluation = Evaluation::<_, OnStack>::new_in(bytes.0, self.encoding);
        evaluation.set_max_iterations(1000);
        if let Some(cfa) = cfa {
            evaluation.set_initial_value(cfa as u64);
        }
        let mut result = evaluation.evaluate();
        loop {
            result = match result.map_err(|_| Gap::NotUnderstood)? {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresRegister { register, .. } => {
                    let value = known(frame, register)?;
                    evaluation.resume_with_register(Value::Generic(value as u64))
                }
                EvaluationResult::RequiresMemory {
                    address, size: 8, ..
                } => {
                    let at = address as usize;
                    let word = memory.word(at).ok_or(Gap::Memory(at))?;
                    evaluation.resume_with_memory(Value::Generic(word as u64))
                }
                _ => return Err(Gap::NotUnderstood),
            };
        }
        match evaluation.as_result() {
            [
                gimli::Piece {
                    location: gimli::Location::Address { address },
                    ..
                },
            ] => Ok(*address as usize),
            _ => Err(Gap::NotUnderstood),
        }
    }
}

fn known(frame: &Registers, register: Register) -> Result<usize, Gap> {
    let number = usize::from(register.0);
    frame.get(number).ok_or(Gap::Register(number))
}
