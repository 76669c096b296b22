//! Real code for midair's tests: zlib and SQLite built from source as
//! unstripped shared objects, workloads that call most of what they offer, and
//! a library of functions with every awkward prologue.
//!
//! - [`zlib`], [`sqlite`] and [`fixtures`] are paths of the shared objects;
//!   [`installed`] finds one of the system.
//! - [`workload`] runs a library, ours or the system's, and gives a [`Digest`]
//!   of all that came out: the same before and after patching.
//! - [`shapes`] is the table of the fixtures and what each must return.
//! - [`many`](mod@many) are ten thousand functions, for big transactions.
//!
//! The executable that uses this crate links none of these libraries. They are
//! in the process only once something loads them, and only once per path.

mod digest;
mod error;
mod functions;
#[cfg(target_arch = "x86_64")]
pub mod many;
pub mod shapes;
mod temporary;
pub mod workload;

pub use digest::Digest;
pub use error::{Error, Result};

use std::path::{Path, PathBuf};

/// zlib, from source, with the names of its static functions.
pub fn zlib() -> &'static Path {
    Path::new(concat!(env!("OUT_DIR"), "/libmidair_z.so"))
}

/// SQLite, from source, with the names of its static functions.
pub fn sqlite() -> &'static Path {
    Path::new(concat!(env!("OUT_DIR"), "/libmidair_sqlite3.so"))
}

/// The functions of [`shapes::SHAPES`], and the `fixture_` functions of
/// `fixtures/names.c`: two names for one body (`fixture_alias`,
/// `fixture_alias_too`), one name for two bodies (`fixture_same_name`), an
/// inlined one (`fixture_inlined`), an `IFUNC` (`fixture_ifunc`). Elsewhere than on
/// x86-64, the shapes only.
pub fn fixtures() -> &'static Path {
    Path::new(concat!(env!("OUT_DIR"), "/libmidair_fixtures.so"))
}

/// The functions of `fixtures/cpp/throws.cpp`, which throw C++ exceptions;
/// `None` where there was no C++ compiler, of which the build warns.
pub fn throws() -> Option<&'static Path> {
    option_env!("MIDAIR_THROWS").map(Path::new)
}

/// The functions of [`many`](mod@many).
#[cfg(target_arch = "x86_64")]
pub fn many() -> &'static Path {
    Path::new(concat!(env!("OUT_DIR"), "/libmidair_many.so"))
}

/// What Debian calls this machine's folders.
#[cfg(target_arch = "x86_64")]
const TRIPLET: &str = "x86_64-linux-gnu";
#[cfg(target_arch = "aarch64")]
const TRIPLET: &str = "aarch64-linux-gnu";

/// The system's library of the file name `name` (`libz.so.1`), if it is in one
/// of the usual folders.
pub fn installed(name: &str) -> Option<PathBuf> {
    ["/usr/lib", "/lib", "/usr/lib64"]
        .iter()
        .flat_map(|folder| [Path::new(folder).join(TRIPLET), folder.into()])
        .map(|folder| folder.join(name))
        .find(|path| path.exists())
}
