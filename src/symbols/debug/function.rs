//! The function at an address: its entry, and what belongs to it.

use std::sync::Arc;

use gimli::constants as dw;

use super::declaration;
use super::reader::{Entry, Reader};
use super::types::Type;
use super::unknown::Unknown;
use crate::symbols::address::FileAddress;
use crate::symbols::image::Image;
use crate::symbols::module::{Module, module_at};

/// Asks the debug information of the module that `address` is in.
pub(super) fn in_module<T>(
    address: usize,
    ask: impl FnOnce(&Module, &Image, FileAddress) -> Result<T, Unknown>,
) -> Result<T, Unknown> {
    let module: Arc<Module> = module_at(address).ok_or(Unknown::NoModule { address })?;
    let image = module.image().map_err(|error| Unknown::Image {
        module: module.path().to_path_buf(),
        why: error.to_string(),
    })?;
    ask(&module, image, module.file_address(address))
}

/// The entry of the function that starts at `address` of the file.
pub(super) fn at<'a>(reader: &Reader<'a>, address: FileAddress) -> Result<Entry<'a>, Unknown> {
    declaration::function_at(reader, address).ok_or_else(|| Unknown::NotDescribed {
        module: reader.image.path().to_path_buf(),
        address: address.0 as usize,
    })
}

/// What a function is called in what is said of it.
pub(super) fn name<'a>(reader: &Reader<'a>, function: &Entry<'a>) -> String {
    let linkage = reader.inherited(function, |entry| reader.linkage_name(entry));
    match (
        linkage,
        reader.inherited(function, |entry| reader.name(entry)),
    ) {
        (Some(linkage), _) => format!("{:#}", rustc_demangle::demangle(linkage)),
        (None, Some(name)) => name.to_owned(),
        (None, None) => format!("the function at {:#x} of .debug_info", function.offset),
    }
}

/// The types of the parameters, as entries. The compiler lists them at the
/// function, at the entry of which it is a copy, or at both; one of the lists
/// may have lost parameters that are not used.
pub(super) fn parameters<'a>(reader: &Reader<'a>, function: &Entry<'a>) -> Vec<Option<Entry<'a>>> {
    let longest = std::cell::RefCell::new(Vec::new());
    // Looks at all entries of the chain: none ends the search.
    let _: Option<()> = reader.inherited(function, |entry| {
        let children = reader.children(entry)?;
        let parameters = children
            .iter()
            .filter(|c| c.tag() == dw::DW_TAG_formal_parameter);
        let of_parameter = |parameter: &Entry<'a>| {
            reader.inherited(parameter, |entry| reader.referred(entry, dw::DW_AT_type))
        };
        let types: Vec<_> = parameters.map(of_parameter).collect();
        let mut longest = longest.borrow_mut();
        if types.len() > longest.len() {
            *longest = types;
        }
        None
    });
    longest.into_inner()
}

/// The type of the result, as an entry; none if there is no result.
pub(super) fn result<'a>(reader: &Reader<'a>, function: &Entry<'a>) -> Option<Entry<'a>> {
    reader.inherited(function, |entry| reader.referred(entry, dw::DW_AT_type))
}

/// The type of the result.
pub(super) fn result_type<'a>(reader: &Reader<'a>, function: &Entry<'a>) -> Type {
    result(reader, function).map_or_else(Type::unit, |entry| Type::of(reader, &entry))
}
