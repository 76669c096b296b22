//! Whether a function may have been inlined without a trace.
//!
//! What debug information tells of an inlined function it tells of instructions
//! that come from it. A function that only computes need not leave one: `x + 1` of
//! which the caller takes `+ 1` is an `x + 2` of the caller's. Nor does one leave a
//! trace that is not inlined, and whose result is known to callers.
//!
//! A function that calls or writes something is taken to leave a trace. It need
//! not (what it writes may be a variable that is in a register at last), and
//! nothing tells.

use gimli::constants as dw;

use super::function;
use super::reader::{Entry, Reader};
use super::unknown::Unknown;
use crate::symbols::address::FileAddress;
use crate::symbols::image::Image;

use midair_arch::TargetAddress;
#[cfg(target_arch = "aarch64")]
use midair_arch::aarch64::is_pure;
#[cfg(target_arch = "x86_64")]
use midair_arch::x86_64::is_pure;

/// Whether the function at `address` of this process only computes, and was
/// compiled with optimisation.
///
/// # Errors
///
/// There is no debug information of it.
pub(crate) fn traceless(address: usize) -> Result<bool, Unknown> {
    function::in_module(address, |_, image, at| {
        let reader = Reader::of(image)?;
        let entry = function::at(&reader, at)?;
        Ok(is_optimised(&entry)
            && code(image, at).is_some_and(|code| is_pure(code, TargetAddress::new(at.0))))
    })
}

fn code(image: &Image, at: FileAddress) -> Option<&[u8]> {
    let extent = image.functions().extent(at)?;
    image.code(at, usize::try_from(extent.size()).ok()?)
}

/// Whether the unit of an entry was compiled with optimisation: variables change
/// their places in it. Where nothing is told of variables, something is inlined.
fn is_optimised(entry: &Entry<'_>) -> bool {
    let is_variable = |tag| tag == dw::DW_TAG_variable || tag == dw::DW_TAG_formal_parameter;
    let has_variables = entry.has_shape(|shape| is_variable(shape.tag()));
    entry.has_shape(|shape| match has_variables {
        true => shape.attributes().iter().any(|attribute| {
            let is_list = [dw::DW_FORM_sec_offset, dw::DW_FORM_loclistx];
            attribute.name() == dw::DW_AT_location && is_list.contains(&attribute.form())
        }),
        false => shape.tag() == dw::DW_TAG_inlined_subroutine,
    })
}
