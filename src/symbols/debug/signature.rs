//! The types of a function's parameters and of its result, and whether they are
//! those of a Rust type.
//!
//! An optimised program may call a local function in another way than its types
//! say: arguments that the function does not need are not passed at all. LLVM
//! marks such functions (`DW_CC_nocall`). A replacement with the declared
//! signature would read garbage. It does not mark those that get what a reference
//! leads to instead of the reference, nor those whose callers pass anything for a
//! parameter that is not used: there the parameter is nowhere. This holds for each
//! copy by itself.

use gimli::constants as dw;

use super::function;
use super::reader::{Entry, Reader};
use super::type_name;
use super::types::Type;
use super::unknown::Unknown;
use crate::symbols::address::FileAddress;
use crate::symbols::image::Image;

/// The types of a function, as the compiler wrote them down.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct Signature {
    /// The function.
    pub(crate) function: String,
    /// The types of its parameters.
    pub(crate) parameters: Vec<Option<Type>>,
    /// The type of its result.
    pub(crate) result: Type,
    /// Whether it is called as these types say.
    pub(crate) is_kept: bool,
}

/// How two types compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// They are the same.
    Equal,
    /// They are not.
    Different,
    /// Their sizes are the same, and what they are called does not tell.
    NotComparable,
}

impl Type {
    /// Whether this is the Rust type of that [`std::any::type_name`] and size.
    pub(crate) fn compare(&self, type_name: &str, size: usize) -> Comparison {
        if self.size.is_some_and(|own| own != size as u64) {
            return Comparison::Different;
        }
        if !self.is_rust {
            return Comparison::NotComparable;
        }
        type_name::compare(&self.name, type_name)
    }
}

/// The signature of the function at `address` of this process.
///
/// # Errors
///
/// There is no debug information with types of it.
pub(crate) fn signature(address: usize) -> Result<Signature, Unknown> {
    function::in_module(address, |_, image, at| in_image(image, at))
}

/// Whether the function at `address` of this process is called as its types say.
/// Known with `debug = 1` as well.
///
/// # Errors
///
/// There is no debug information of it.
pub(crate) fn keeps_signature(address: usize) -> Result<bool, Unknown> {
    function::in_module(address, |_, image, at| {
        let reader = Reader::of(image)?;
        Ok(is_kept(&reader, &function::at(&reader, at)?))
    })
}

fn is_kept<'a>(reader: &Reader<'a>, entry: &Entry<'a>) -> bool {
    let convention = reader.inherited(entry, |entry| entry.number(dw::DW_AT_calling_convention));
    convention != Some(u64::from(dw::DW_CC_nocall.0)) && gets_all(reader, entry)
}

/// Whether every parameter is somewhere when the function is called. One that is
/// not is passed in another way (a number for a reference to one), or callers pass
/// anything at all. What has no size is nowhere.
fn gets_all<'a>(reader: &Reader<'a>, entry: &Entry<'a>) -> bool {
    let is_passed = |kind: &Option<Entry<'a>>| {
        let size = kind.as_ref().and_then(|kind| Type::of(reader, kind).size);
        size != Some(0)
    };
    if !reader.root(entry).is_some_and(|root| Entry::is_rust(&root)) {
        return true;
    }
    let declared = function::parameters(reader, entry);
    let passed = declared.iter().filter(|kind| is_passed(kind)).count();
    let own = reader.children(entry).unwrap_or_default();
    let is_somewhere = |child: &&Entry<'a>| {
        child.tag() == dw::DW_TAG_formal_parameter && child.has(dw::DW_AT_location)
    };
    own.iter().filter(is_somewhere).count() >= passed
}

/// The same as [`signature`] for a function of a file.
pub(super) fn in_image(image: &Image, address: FileAddress) -> Result<Signature, Unknown> {
    let reader = Reader::of(image)?;
    let entry = function::at(&reader, address)?;
    let function = function::name(&reader, &entry);
    let parameters = function::parameters(&reader, &entry);
    // Without either, types may not have been written down at all. Of a crate they are
    // for all of its units or for none, and the unit of `main` may need none.
    let has_types = !parameters.is_empty()
        || function::result(&reader, &entry).is_some()
        || reader.has_entry(&entry, |tag| tag == dw::DW_TAG_base_type)
        || reader.crate_has_entry(&entry, |tag| tag == dw::DW_TAG_base_type);
    if !has_types {
        return Err(Unknown::NoTypes {
            module: image.path().to_path_buf(),
            name: function,
        });
    }
    let kind = |parameter: Option<_>| Some(Type::of(&reader, &parameter?));
    Ok(Signature {
        parameters: parameters.into_iter().map(kind).collect(),
        result: function::result_type(&reader, &entry),
        is_kept: is_kept(&reader, &entry),
        function,
    })
}
