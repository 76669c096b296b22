//! Modules that hold new versions of other modules' functions.
//!
//! `cargo midair run` makes one for each edit and leads the old functions to it. A
//! function's name still means the old one: callers enter there, and from there get
//! to the newest version, whichever that is. So what such a module has is found by name
//! only if it is new in it, or if the module is named.
//!
//! The file says so itself, for several copies of midair can be in a process: a section
//! holds the addresses of the functions that are new.

use super::address::FileAddress;
use super::image::Image;

/// The section that only such files have.
pub const EDIT_SECTION: &str = ".midair.new";

/// The functions that are new in `image`; none if it is no edit.
pub(super) fn new_functions(image: &Image) -> Option<Vec<FileAddress>> {
    let section = image.headers().section(EDIT_SECTION)?;
    let (addresses, _) = section.bytes(image.data())?.as_chunks();
    Some(
        addresses
            .iter()
            .map(|at| FileAddress(u64::from_le_bytes(*at)))
            .collect(),
    )
}
