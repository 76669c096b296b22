//! The functions of `libmidair_fixtures.so`: one for each kind of prologue
//! that makes patching hard, and what each must return.
//!
//! [`SHAPES`] is the table. [`Fixtures`] loads the library and calls a shape in
//! a frame that notices disturbed registers. Which way of patching suits a
//! shape is not said here: that is what the tests of midair are about.

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod meanings;
mod probe;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
use aarch64 as machine;
#[cfg(target_arch = "x86_64")]
use x86_64 as machine;

pub use machine::SHAPES;
#[cfg(target_arch = "x86_64")]
pub use machine::{R10_BEFORE, R11_BEFORE, RAX_BEFORE};
pub use probe::{Disturbed, probe};

use crate::{Error, Result, functions};
use libloading::Library;

/// A function whose prologue is of an interesting kind.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The exported symbol of the function, the one to patch.
    pub name: &'static str,
    /// The symbol to call with two integers, where the function itself has
    /// another signature. It calls the function.
    pub driver: Option<&'static str>,
    /// What the call returns for its two arguments.
    pub expected: fn(u64, u64) -> u64,
    /// What the processor must offer for the call.
    pub needs: Needs,
    /// What a test has to bear in mind.
    pub caution: Caution,
    /// What is special about its first bytes.
    pub note: &'static str,
}

impl Shape {
    /// The symbol to call: the driver, or the function itself.
    pub fn entry(&self) -> &'static str {
        self.driver.unwrap_or(self.name)
    }

    const fn driver(mut self, driver: &'static str) -> Self {
        self.driver = Some(driver);
        self
    }

    #[cfg(target_arch = "x86_64")]
    const fn needs(mut self, needs: Needs) -> Self {
        self.needs = needs;
        self
    }

    const fn caution(mut self, caution: Caution) -> Self {
        self.caution = caution;
        self
    }
}

/// A shape that is called itself, anywhere and without caution.
const fn shape(name: &'static str, expected: fn(u64, u64) -> u64, note: &'static str) -> Shape {
    Shape {
        name,
        driver: None,
        expected,
        needs: Needs::Nothing,
        caution: Caution::None,
        note,
    }
}

/// What a processor must offer to run a shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Needs {
    /// What every processor of its kind has.
    Nothing,
    /// `cmpxchg16b`.
    Cmpxchg16b,
    /// AVX.
    Avx,
    /// AVX-512 F.
    Avx512f,
    /// Restricted transactional memory.
    Rtm,
}

impl Needs {
    /// Whether this processor offers it.
    #[cfg(target_arch = "aarch64")]
    pub fn available(self) -> bool {
        self == Self::Nothing
    }

    /// Whether this processor offers it.
    #[cfg(target_arch = "x86_64")]
    pub fn available(self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Cmpxchg16b => std::arch::is_x86_feature_detected!("cmpxchg16b"),
            Self::Avx => std::arch::is_x86_feature_detected!("avx"),
            Self::Avx512f => std::arch::is_x86_feature_detected!("avx512f"),
            Self::Rtm => std::arch::is_x86_feature_detected!("rtm"),
        }
    }
}

/// What a test has to bear in mind when it patches or calls a shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Caution {
    /// Nothing.
    None,
    /// It writes memory and reads it back: one thread at a time.
    SharedState,
    /// It returns a register that is neither an argument nor kept by a callee
    /// (`rax`, `r10`, `r11`; x9, x10, x16), with the value that [`probe`] or the
    /// driver gives it. A
    /// replacement written in Rust or C that calls the original doesn't hand
    /// this on; a gate must.
    ReadsScratch,
    /// It returns something about its caller. Through a replacement that calls
    /// the original, the caller is the replacement.
    SeesCaller,
    /// Its loop comes back to the entry with more on the stack than at a call.
    /// A jump there runs into whatever the entry was patched with.
    ReentersEntry,
}

/// The loaded library of fixtures.
pub struct Fixtures(Library);

impl Fixtures {
    /// Loads the library. Loading it again gives the same functions.
    pub fn load() -> Result<Self> {
        functions::open(crate::fixtures()).map(Self)
    }

    /// The address of the exported function `name`.
    pub fn address(&self, name: &'static str) -> Result<*const ()> {
        // SAFETY: a function's address, to be called only by those who know its signature.
        unsafe { functions::find(&self.0, name) }
    }

    /// Calls the shape, or its driver, with two integers and checks the
    /// registers that a function must not change.
    ///
    /// # Panics
    ///
    /// If the processor cannot run the shape: see [`Needs::available`].
    pub fn call(&self, shape: &Shape, a: u64, b: u64) -> Result<u64> {
        assert!(
            shape.needs.available(),
            "{} needs {:?}",
            shape.name,
            shape.needs
        );
        let address = self.address(shape.entry())?;
        // SAFETY: a shape or its driver takes two integers, and the processor is able to run it.
        unsafe { probe(address, a, b) }.map_err(|disturbed| Error::Differs {
            what: format!("{}: {disturbed}", shape.name),
        })
    }
}
