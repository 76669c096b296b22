//! A thread that calls the function, instruction by instruction.

use super::code::{Byte, Fetched, Function};
use super::writer::World;

/// Where a thread executes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    #[default]
    Outside,
    /// At an offset of the entry.
    Target(usize),
    /// Behind the displaced instructions.
    Rest,
    /// In what a displaced call calls, with that offset as return address: the
    /// copy pushes the same one.
    Callee(usize),
    /// At `jmp [slot]` of a generation.
    Gate(usize),
    /// At a displaced instruction in the copy of a generation.
    Copy(usize, usize),
    Replacement,
    /// At the `jmp [slot]` that was handed out as the original.
    Stub,
    /// The core has trapped at an offset; the handler has not looked it up yet.
    Trapped(usize),
    /// The table leads home, so the handler reads the byte that stands there.
    Home(usize),
    /// That was an `int3`: midair's, if the table leads elsewhere by now;
    /// somebody else's, if it still leads home.
    HomeIsTrap(usize),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Mode {
    #[default]
    Running,
    /// The place is what a signal frame will bring back.
    InSignalHandler,
    /// The place is what the trap handler has read from the table and will make
    /// the thread go on at.
    InTrapHandler,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Reader {
    pub(crate) at: Place,
    pub(crate) mode: Mode,
    /// How many displaced instructions this call has executed.
    done: usize,
    /// The call came through the handed-out original.
    wants_original: bool,
}

/// What a reader did.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "read in traces")]
pub(crate) enum Did {
    Call,
    CallOriginal,
    Execute(Fetched),
    /// A step in the place it is at.
    Go(Place),
    TakeSignal,
    ReturnFromSignal,
    LookUp(Place),
    ReadByte {
        is_trap: bool,
    },
    LeaveTrapHandler,
    Return,
}

pub(crate) const MIXTURE: &str = "a mixture of old and new bytes is executed";
pub(crate) const FREED: &str = "freed memory is executed";
pub(crate) const UNKNOWN_TRAP: &str = "a trap that is not in the table";
pub(crate) const MIXED_RESULT: &str = "a call is neither all old nor all new";
pub(crate) const NOT_ORIGINAL: &str = "a call of the original comes to a replacement";
pub(crate) const KILLED: &str = "killed: it blocks SIGTRAP";

pub(crate) type Outcome = (Did, Result<Reader, &'static str>);

/// What is allowed to go wrong around a reader.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Habits {
    pub(crate) blocks_sigtrap: bool,
    pub(crate) takes_signals: bool,
    /// Calls the handed-out original itself, and not only from a replacement.
    pub(crate) calls_original: bool,
    /// The trap handler takes no trap for somebody else's before nothing has
    /// changed while it looked.
    pub(crate) looks_again: bool,
}

impl Reader {
    fn is(self, at: Place) -> Self {
        Self { at, ..self }
    }

    /// Everything that this reader can do next. It fetches `code`, and reads
    /// slots and table from `data`, which may lag behind.
    pub(crate) fn steps(
        self,
        function: &Function,
        habits: Habits,
        fetches: &[Vec<Fetched>],
        code: &World,
        data: &World,
    ) -> Vec<Outcome> {
        let running = Self {
            mode: Mode::Running,
            ..self
        };
        match self.mode {
            Mode::InSignalHandler => return vec![(Did::ReturnFromSignal, Ok(running))],
            Mode::InTrapHandler => return vec![(Did::LeaveTrapHandler, Ok(running))],
            Mode::Running => {}
        }
        let mut all = match self.at {
            Place::Outside => {
                let mut calls = vec![(Did::Call, Ok(self.is(Place::Target(0))))];
                if habits.calls_original {
                    calls.push((Did::CallOriginal, Ok(self.original())));
                }
                calls
            }
            Place::Target(offset) => fetches[offset]
                .iter()
                .map(|&fetched| {
                    let next = self.execute(function, habits, offset, fetched);
                    (Did::Execute(fetched), next)
                })
                .collect(),
            Place::Trapped(offset) => match data.table[offset] {
                None => vec![(Did::LookUp(self.at), Err(UNKNOWN_TRAP))],
                Some(to) if to == Place::Target(offset) => {
                    vec![(Did::LookUp(to), Ok(self.is(Place::Home(offset))))]
                }
                Some(to) => {
                    let mode = Mode::InTrapHandler;
                    vec![(
                        Did::LookUp(to),
                        Ok(Self {
                            mode,
                            ..self.is(to)
                        }),
                    )]
                }
            },
            Place::Home(offset) => {
                let is_trap = code.code.newest()[offset] == Byte::Int3;
                let (at, mode) = match is_trap {
                    true => (Place::HomeIsTrap(offset), Mode::Running),
                    false => (Place::Target(offset), Mode::InTrapHandler),
                };
                vec![(
                    Did::ReadByte { is_trap },
                    Ok(Self {
                        mode,
                        ..self.is(at)
                    }),
                )]
            }
            Place::HomeIsTrap(offset) => match data.table[offset] {
                Some(to) if to != Place::Target(offset) => {
                    let mode = Mode::InTrapHandler;
                    vec![(
                        Did::LookUp(to),
                        Ok(Self {
                            mode,
                            ..self.is(to)
                        }),
                    )]
                }
                _ if habits.looks_again => {
                    vec![(Did::LookUp(self.at), Ok(self.is(Place::Home(offset))))]
                }
                _ => vec![(Did::LookUp(self.at), Err(UNKNOWN_TRAP))],
            },
            Place::Gate(generation) if !code.has_gate[generation] => {
                vec![(Did::Go(self.at), Err(FREED))]
            }
            Place::Gate(generation) => {
                vec![(Did::Go(self.at), self.enter(data.slots[generation]))]
            }
            Place::Copy(generation, _) if !code.has_copy[generation] => {
                vec![(Did::Go(self.at), Err(FREED))]
            }
            Place::Copy(_, instruction) => {
                let next = self.run(function, instruction, true);
                vec![(Did::Go(self.at), next)]
            }
            Place::Callee(offset) => {
                vec![(Did::Go(self.at), Ok(self.is(after(function, offset))))]
            }
            Place::Stub => vec![(Did::Go(self.at), Ok(self.is(data.stub)))],
            Place::Replacement => vec![
                (Did::CallOriginal, Ok(self.original())),
                (Did::Return, Ok(Self::default())),
            ],
            Place::Rest if self.done == function.lengths.len() => {
                vec![(Did::Return, Ok(Self::default()))]
            }
            Place::Rest => vec![(Did::Return, Err(MIXED_RESULT))],
        };
        let can_be_interrupted = !matches!(
            self.at,
            Place::Outside
                | Place::Trapped(_)
                | Place::Home(_)
                | Place::HomeIsTrap(_)
                | Place::Callee(_)
                | Place::Rest
        );
        if habits.takes_signals && can_be_interrupted {
            let mode = Mode::InSignalHandler;
            all.push((Did::TakeSignal, Ok(Self { mode, ..self })));
        }
        all
    }

    fn original(self) -> Self {
        Self {
            wants_original: true,
            ..self.is(Place::Stub)
        }
    }

    fn execute(
        self,
        function: &Function,
        habits: Habits,
        offset: usize,
        fetched: Fetched,
    ) -> Result<Self, &'static str> {
        match fetched {
            Fetched::Instruction(instruction) => self.run(function, instruction, false),
            Fetched::Jump(generation) => Ok(self.is(Place::Gate(generation))),
            Fetched::Trap if habits.blocks_sigtrap => Err(KILLED),
            Fetched::Trap => Ok(self.is(Place::Trapped(offset))),
            Fetched::Mixture => Err(MIXTURE),
        }
    }

    /// Executes a displaced instruction, where it was or in the copy.
    fn run(
        self,
        function: &Function,
        instruction: usize,
        in_copy: bool,
    ) -> Result<Self, &'static str> {
        if self.done != instruction {
            return Err(MIXED_RESULT);
        }
        let end = function.offset(instruction + 1);
        let at = match self.at {
            _ if function.call == Some(instruction) => Place::Callee(end),
            Place::Copy(generation, _) if in_copy && instruction + 1 < function.lengths.len() => {
                Place::Copy(generation, instruction + 1)
            }
            _ => after(function, end),
        };
        let done = self.done + 1;
        Ok(Self {
            done,
            ..self.is(at)
        })
    }

    /// Goes where a slot leads.
    fn enter(self, to: Place) -> Result<Self, &'static str> {
        match to {
            Place::Replacement if self.wants_original => Err(NOT_ORIGINAL),
            Place::Replacement if self.done > 0 => Err(MIXED_RESULT),
            _ => Ok(self.is(to)),
        }
    }
}

/// The place of an offset of the function.
fn after(function: &Function, offset: usize) -> Place {
    match function.instruction_at(offset) {
        Some(_) => Place::Target(offset),
        None => Place::Rest,
    }
}

/// What the one who frees memory can see of a thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Eyes {
    /// Looks for places that a signal frame will bring back.
    pub(crate) see_signal_frames: bool,
    /// Looks for threads in the trap handler, which may have read the table. A
    /// thread that has trapped and not come that far need not be seen.
    pub(crate) see_trap_handler: bool,
}

impl Eyes {
    pub(crate) const OPEN: Self = Self {
        see_signal_frames: true,
        see_trap_handler: true,
    };

    /// Whether the thread was seen, and is not at any of these places.
    pub(crate) fn see_outside(self, reader: &Reader, is_there: impl Fn(Place) -> bool) -> bool {
        match reader.mode {
            Mode::InTrapHandler => !self.see_trap_handler,
            Mode::InSignalHandler if !self.see_signal_frames => true,
            _ => !is_there(reader.at),
        }
    }
}
