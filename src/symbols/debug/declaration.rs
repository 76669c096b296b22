//! What debug information says a function is, where names do not suffice.

use gimli::constants as dw;

use super::instance::Instance;
use super::reader::{Entry, Reader};
use crate::symbols::address::FileAddress;

/// A function's name with its generic arguments, and where it is written.
/// Two functions of the same path that agree in this are the same, unless types
/// of two versions of a crate are called alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Declaration {
    pub(super) name: String,
    file: Option<String>,
    line: Option<u64>,
}

impl Declaration {
    pub(super) fn of<'a>(reader: &Reader<'a>, entry: &Entry<'a>) -> Option<Declaration> {
        Some(Declaration {
            name: reader
                .inherited(entry, |entry| reader.name(entry))?
                .to_owned(),
            file: reader.inherited(entry, |entry| reader.file(entry, dw::DW_AT_decl_file)),
            line: reader.inherited(entry, |entry| entry.number(dw::DW_AT_decl_line)),
        })
    }

    /// Whether it tells more than a name.
    pub(super) fn is_full(&self) -> bool {
        self.file.is_some() && self.line.is_some()
    }
}

/// A function with code, and the crate whose compilation made it.
pub(super) struct Described {
    pub(super) declaration: Declaration,
    pub(super) compiled_by: Option<String>,
}

/// The function at `address`, if debug information describes it in full.
pub(super) fn at(reader: &Reader<'_>, address: FileAddress) -> Option<Described> {
    let entry = function_at(reader, address)?;
    let declaration = Declaration::of(reader, &entry).filter(Declaration::is_full)?;
    let root = reader.root(&entry)?;
    // `src/lib.rs/@/crate.1234-cgu.0`
    let unit = reader
        .name(&root)
        .and_then(|name| name.rsplit_once("-cgu."));
    Some(Described {
        declaration,
        compiled_by: unit.map(|(name, _)| name.to_owned()),
    })
}

/// The entry of the function whose code begins at `address`. Of several (the
/// code of equal functions was made one) the one that the symbol there names.
pub(super) fn function_at<'a>(reader: &Reader<'a>, address: FileAddress) -> Option<Entry<'a>> {
    let entries = reader.index.at(address.0).filter_map(|at| reader.entry(at));
    let begins = |entry: &Entry<'a>| reader.begins(entry) == Some(address.0);
    let mut entries: Vec<Entry<'a>> = entries.filter(begins).collect();
    if entries.len() > 1 {
        let names = reader.image.names().at(reader.image, address.0);
        let names: Vec<Instance> = names.iter().map(|n| Instance::of(&n.name.base)).collect();
        let is_named = |entry: &Entry<'a>| {
            let linkage = reader.inherited(entry, |entry| reader.linkage_name(entry));
            linkage.is_some_and(|linkage| names.contains(&Instance::of(linkage)))
        };
        if let Some(named) = entries.iter().position(is_named) {
            return Some(entries.swap_remove(named));
        }
    }
    entries.into_iter().next()
}
