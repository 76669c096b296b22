//! The ways of patching that are compared.

use midair::Consistency;
use midair_libraries::many::Number;
use std::time::{Duration, Instant};

/// Who patches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Engine {
    /// Nobody: the thread that would is as busy.
    Control,
    /// midair, each function on its own.
    Immediate,
    /// midair, all functions at one instant.
    Atomic,
    /// `detour`, with all other threads stopped.
    Detour,
}

impl Engine {
    pub(crate) const ALL: [Self; 4] = [Self::Control, Self::Immediate, Self::Atomic, Self::Detour];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Immediate => "midair Immediate",
            Self::Atomic => "midair Atomic",
            Self::Detour => "detour 0.10",
        }
    }

    pub(crate) fn is_midair(self) -> bool {
        !matches!(self, Self::Control | Self::Detour)
    }

    /// One that patches each group of functions as one transaction. What is
    /// done once for a function (planning it, making its copy) is done here.
    pub(crate) fn start(self, groups: Vec<&'static [Number]>) -> Box<dyn Installer> {
        match self {
            Self::Control => Box::new(Nobody),
            Self::Immediate => Midair::start(groups, Consistency::Immediate),
            Self::Atomic => Midair::start(groups, Consistency::Atomic),
            Self::Detour => Box::new(Detour::new(&groups)),
        }
    }
}

/// What every function here is replaced by.
pub(crate) extern "C" fn stand_in(n: u64) -> u64 {
    !n
}

/// Patches groups of functions, and takes the patches off.
pub(crate) trait Installer {
    /// Patches the functions of a group, as one transaction.
    fn install(&mut self, group: usize) -> Result<(), String>;
    /// Takes off what was installed last.
    fn remove(&mut self, group: usize) -> Result<(), String>;
}

struct Nobody;

impl Nobody {
    fn be_busy(&self) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(10) {
            std::hint::spin_loop();
        }
    }
}

impl Installer for Nobody {
    fn install(&mut self, _: usize) -> Result<(), String> {
        self.be_busy();
        Ok(())
    }

    fn remove(&mut self, _: usize) -> Result<(), String> {
        self.be_busy();
        Ok(())
    }
}

struct Midair {
    groups: Vec<&'static [Number]>,
    consistency: Consistency,
    patches: midair::Patches,
}

impl Midair {
    fn start(groups: Vec<&'static [Number]>, consistency: Consistency) -> Box<dyn Installer> {
        Box::new(Self {
            groups,
            consistency,
            patches: midair::Patches::default(),
        })
    }
}

impl Installer for Midair {
    fn install(&mut self, group: usize) -> Result<(), String> {
        let to = stand_in as Number as *const ();
        let mut transaction = midair::Transaction::new();
        for &function in self.groups[group] {
            transaction.patch_raw(function as *const (), move |_| to);
        }
        // SAFETY: of the same type; the workers know of both results.
        let committed = unsafe { transaction.commit(self.consistency) };
        self.patches = committed.map_err(|e| e.to_string())?.patches;
        Ok(())
    }

    fn remove(&mut self, _: usize) -> Result<(), String> {
        let mut transaction = midair::Transaction::new();
        for patch in std::mem::take(&mut self.patches) {
            transaction.remove(patch);
        }
        // SAFETY: makes no patch.
        let committed = unsafe { transaction.commit(self.consistency) };
        committed.map(drop).map_err(|e| e.to_string())
    }
}

struct Detour {
    hooks: Vec<Vec<detour::RawDetour>>,
}

impl Detour {
    fn new(groups: &[&'static [Number]]) -> Self {
        let hook = |&function: &Number| {
            let (from, to) = (function as *const (), stand_in as Number as *const ());
            // SAFETY: of the same type; the workers know of both results.
            unsafe { detour::RawDetour::new(from, to) }.unwrap()
        };
        let hooks = |group: &&'static [Number]| group.iter().map(hook).collect();
        Self {
            hooks: groups.iter().map(hooks).collect(),
        }
    }
}

impl Installer for Detour {
    fn install(&mut self, group: usize) -> Result<(), String> {
        let mut transaction = detour::Transaction::new();
        for hook in &self.hooks[group] {
            transaction.enable(hook);
        }
        // SAFETY: all other threads are stopped.
        unsafe { transaction.commit(detour::Threads::All) }.map_err(|e| e.to_string())
    }

    fn remove(&mut self, group: usize) -> Result<(), String> {
        let mut transaction = detour::Transaction::new();
        for hook in &self.hooks[group] {
            transaction.disable(hook);
        }
        // SAFETY: as above.
        unsafe { transaction.commit(detour::Threads::All) }.map_err(|e| e.to_string())
    }
}
