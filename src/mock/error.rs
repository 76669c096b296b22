//! Why a function is not mocked.

use crate::Error;
use std::fmt;

/// Why a mock was not made. Nothing has changed then.
#[non_exhaustive]
pub enum MockError {
    /// The function cannot be patched.
    Patch(Error),
    /// Two functions of different types are one in the program: the compiler or
    /// the linker has folded them, as their code is the same.
    Shared {
        /// The function that was mocked first.
        function: String,
        /// Their types.
        types: [String; 2],
    },
    /// The compiler has put the function's body into callers, which a mock does
    /// not reach.
    Inlined {
        /// The function.
        function: String,
        /// The callers, with file and line.
        callers: Vec<String>,
    },
    /// Whether the function was inlined cannot be known.
    NotKnown {
        /// The function.
        function: String,
        /// Why, for each module.
        why: Vec<String>,
    },
    /// Other functions have the same code at the same address, so that a mock of
    /// one would be a mock of all.
    Folded {
        /// The function.
        function: String,
        /// The others.
        others: Vec<String>,
    },
    /// The compiler has changed how the function is called, as it knows all callers.
    Changed {
        /// The function.
        function: String,
    },
    /// A function that was given by its name has another type.
    Signature {
        /// The function.
        function: String,
        /// The type that was given.
        given: String,
        /// The type in its debug information.
        found: String,
    },
    /// The type of a function that was given by its name cannot be checked.
    Unchecked {
        /// The function.
        function: String,
        /// Why.
        why: String,
    },
    /// Other functions of the same path may be copies of the function or other
    /// instances of it, and nothing tells which.
    Copies {
        /// The function.
        function: String,
        /// The others.
        uncertain: Vec<String>,
    },
    /// It is not known where the future of an `async fn` has its arguments.
    Future {
        /// The type of the future.
        future: String,
        /// Why.
        why: String,
    },
    /// Types of the signature have lifetimes that cannot be checked where the
    /// signature is not given.
    Lifetimes {
        /// The type of the function.
        signature: String,
    },
}

impl fmt::Display for MockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Patch(error) => write!(f, "{error}"),
            Self::Shared {
                function,
                types: [one, other],
            } => write!(
                f,
                "`{function}` is mocked as `{one}`, and the same code is to be mocked as `{other}`: \
                 two functions with the same code are one in this program; make their bodies differ, \
                 or build without optimisation"
            ),
            Self::Inlined { function, callers } => {
                write!(
                    f,
                    "`{function}` was inlined, so a mock would not reach these callers:"
                )?;
                for caller in callers {
                    write!(f, "\n  {caller}")?;
                }
                write!(
                    f,
                    "\nput `#[midair_macros::mockable]` on it, build with opt-level = 0, \
                     or say `.even_if_inlined()`"
                )
            }
            Self::NotKnown { function, why } => {
                write!(
                    f,
                    "whether `{function}` was inlined somewhere cannot be known:"
                )?;
                for why in why {
                    write!(f, "\n  {why}")?;
                }
                write!(
                    f,
                    "\nbuild with `debug = 1` or more, or say `.even_if_inlined()`"
                )
            }
            Self::Folded { function, others } => {
                write!(f, "`{function}` has the same code, at the same address, as")?;
                for other in others {
                    write!(f, " `{other}`")?;
                }
                write!(
                    f,
                    ": a mock of one would be a mock of all; make their bodies differ, or build without optimisation"
                )
            }
            Self::Copies {
                function,
                uncertain,
            } => {
                write!(
                    f,
                    "these may be copies of `{function}`, or other instances of it:"
                )?;
                for other in uncertain {
                    write!(f, "\n  {other}")?;
                }
                write!(
                    f,
                    "\nbuild with debug information (`debug = 1` or more), or with \
                     `-C symbol-mangling-version=v0`"
                )
            }
            Self::Changed { function } => write!(
                f,
                "the optimiser has changed how `{function}` is called; \
                 put `#[midair_macros::mockable]` on it, or build with opt-level = 0"
            ),
            Self::Signature {
                function,
                given,
                found,
            } => write!(
                f,
                "`{function}` is not known to be a `{given}`: its debug information says `{found}`"
            ),
            Self::Unchecked { function, why } => write!(
                f,
                "the type of `{function}` cannot be checked: {why}; build with `debug = 2`"
            ),
            Self::Future { future, why } => write!(
                f,
                "the arguments in the future `{future}` cannot be found: {why}; \
                 only an `async fn` is mocked with `mock!(async …)`, in a build with `debug = 2`"
            ),
            Self::Lifetimes { signature } => write!(
                f,
                "the lifetimes in `{signature}` cannot be checked: give the signature, \
                 `mock!(path: for<'a> fn(&'a str, Option<&str>) -> &'a str => |a, b| …)`; \
                 `for<>` where none is to be any lifetime"
            ),
        }
    }
}

impl fmt::Debug for MockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for MockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Patch(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Error> for MockError {
    fn from(error: Error) -> Self {
        Self::Patch(error)
    }
}
