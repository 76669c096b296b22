//! Why debug information has no answer.

use std::fmt;
use std::path::PathBuf;

/// Why a question about a function cannot be answered by debug information.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Unknown {
    /// No module of this process has code at the address.
    NoModule {
        /// The address.
        address: usize,
    },
    /// The module's file cannot be read.
    Image {
        /// The module.
        module: PathBuf,
        /// Why.
        why: String,
    },
    /// Neither the module nor a debug file of it has debug information.
    None {
        /// The module.
        module: PathBuf,
    },
    /// There is debug information, but of a part of the module's code only.
    Partly {
        /// The module.
        module: PathBuf,
        /// How many functions of Rust nothing is said about.
        functions: usize,
        /// The name of one of them.
        example: String,
    },
    /// Entries that are in other files (split DWARF).
    Split {
        /// The file.
        file: PathBuf,
        /// How many units have their entries elsewhere.
        units: u32,
    },
    /// The sections are compressed.
    Compressed {
        /// The file.
        file: PathBuf,
    },
    /// More than 4 GB of debug information.
    TooLarge {
        /// The file.
        file: PathBuf,
    },
    /// The debug information cannot be read.
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// There is debug information, but none about this function.
    NotDescribed {
        /// The module.
        module: PathBuf,
        /// The function's address in this process, or in the file.
        address: usize,
    },
    /// The function is described without its types: line tables only.
    NoTypes {
        /// The module.
        module: PathBuf,
        /// The function.
        name: String,
    },
    /// What was asked about is not laid out as rustc does it.
    Unexpected {
        /// The function.
        name: String,
        /// What was found, or not found.
        what: String,
    },
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unknown::NoModule { address } => {
                write!(f, "{address:#x} is not in the code of a loaded module")
            }
            Unknown::Image { module, why } => {
                write!(f, "the file of {} cannot be read: {why}", module.display())
            }
            Unknown::None { module } => write!(
                f,
                "{} has no debug information; build it with `debug = 2` and unstripped",
                module.display()
            ),
            Unknown::Partly {
                module,
                functions,
                example,
            } => write!(
                f,
                "{} has no debug information about {functions} functions, `{example}` \
                 among them; build all crates with `debug = 1`",
                module.display()
            ),
            Unknown::Split { file, units } => write!(
                f,
                "{units} units of {} have their debug information in other files; \
                 build with `split-debuginfo = \"off\"`",
                file.display()
            ),
            Unknown::Compressed { file } => write!(
                f,
                "the debug information of {} is compressed; \
                 link without `--compress-debug-sections`",
                file.display()
            ),
            Unknown::TooLarge { file } => write!(
                f,
                "{} has more than 4 GB of debug information; build it with `debug = 1`",
                file.display()
            ),
            Unknown::Malformed { file, why } => write!(
                f,
                "the debug information of {} cannot be read ({why}); build it again",
                file.display()
            ),
            Unknown::NotDescribed { module, address } => write!(
                f,
                "the debug information of {} says nothing of the function at {address:#x}; \
                 build its crate with `debug = 2`",
                module.display()
            ),
            Unknown::NoTypes { module, name } => write!(
                f,
                "the debug information of {} does not tell the types of `{name}`; \
                 build its crate with `debug = 2`",
                module.display()
            ),
            Unknown::Unexpected { name, what } => write!(
                f,
                "the debug information of `{name}` is not as midair knows it: {what}"
            ),
        }
    }
}

impl std::error::Error for Unknown {}
