//! The types of a function's parameters and of its result, and whether they are
//! those of a Rust type.

use gimli::constants as dw;

use super::function;
use super::reader::Reader;
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

/// The same for a function of a file.
pub(super) fn in_image(image: &Image, address: FileAddress) -> Result<Signature, Unknown> {
    let reader = Reader::of(image)?;
    let entry = function::at(&reader, address)?;
    let function = function::name(&reader, &entry);
    let parameters = function::parameters(&reader, &entry);
    // Without either, types may not have been written down at all.
    let has_types = !parameters.is_empty()
        || function::result(&reader, &entry).is_some()
        || reader.has_entry(&entry, |tag| tag == dw::DW_TAG_base_type);
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
        function,
    })
}
