//! Every copy of a function in this process.
//!
//! Symbols tell them: each crate that instantiates a generic function or does
//! not inline one that may be has a copy with a (local) symbol of its own. The
//! names say which function it is ([`super::instance`]); where legacy names
//! leave it open, debug information is asked, and where that is silent too, the
//! copy counts as uncertain.
//!
//! Functions of other languages have no copies: two of the same name are two
//! functions.

use std::path::PathBuf;
use std::sync::Arc;

use super::declaration::{self, Described};
use super::instance::{Instance, Relation};
use super::reader::Reader;
use crate::symbols::address::FileAddress;
use crate::symbols::error::{ImageError, SymbolError};
use crate::symbols::module::{Module, module_at, modules};
use crate::symbols::names;
use crate::symbols::pattern::Pattern;
use crate::symbols::query::{self, symbol};
use crate::symbols::search;
use crate::symbols::symbol::Symbol;

/// All that is known of the copies of a function.
#[derive(Clone, Debug)]
pub(crate) struct Copies {
    /// Each copy, by address; the one that was asked about is among them.
    pub(crate) same: Vec<Symbol>,
    /// Functions of the same path that may be copies, or other instances of a
    /// generic function: their names are legacy ones, which do not show the
    /// types, and there is no debug information. v0 names or `debug = 1` tell.
    pub(crate) uncertain: Vec<Symbol>,
    /// Modules that could not be searched, and why.
    pub(crate) unreadable: Vec<(PathBuf, ImageError)>,
}

/// Every copy of the function at `address` of this process.
///
/// # Errors
///
/// As [`symbol`]: nothing starts there.
pub(crate) fn copies(address: usize) -> Result<Copies, SymbolError> {
    let own = symbol(&format!("{address:#x}"))?;
    let mut copies = Copies {
        same: Vec::new(),
        uncertain: Vec::new(),
        unreadable: Vec::new(),
    };
    let instance = Instance::of(&own.raw_name);
    if let Instance::Other(_) = instance {
        copies.same.push(own);
        return Ok(copies);
    }
    let pattern = Pattern::new(&own.name);
    let modules = modules().map_err(SymbolError::Modules)?;
    let mut places: Vec<(usize, Relation, Arc<Module>)> = Vec::new();
    for module in &modules {
        let image = match module.image() {
            Ok(image) => image,
            Err(error) => {
                copies.unreadable.push((module.path().to_path_buf(), error));
                continue;
            }
        };
        for (named, _) in image.names().find(image, &pattern) {
            let at = FileAddress(named.symbol.address).at(module.slide());
            let relation = instance.relation(&Instance::of(&named.name.base));
            let is_code = module.has_code_at(at) && !names::is_fragment(&named.name.base);
            if is_code && relation != Relation::Other {
                places.push((at, relation, Arc::clone(module)));
            }
        }
    }
    // An address with two names is a copy if one of them says so.
    places.sort_by_key(|(at, relation, _)| (*at, *relation != Relation::Same));
    places.dedup_by_key(|(at, ..)| *at);
    let mut compared = None;
    // Instances of a generic function are many: what was read of a module is kept.
    for of_module in places.chunk_by(|(.., one), (.., next)| Arc::ptr_eq(one, next)) {
        let mut reader = None;
        for (at, relation, module) in of_module {
            let relation = match relation {
                Relation::PerhapsSame => {
                    let own = compared.get_or_insert_with(|| described(address));
                    let reader = reader.get_or_insert_with(|| reader_of(module));
                    let its = described_in(reader.as_ref(), module, *at);
                    relation_by_declaration(own.as_ref(), its.as_ref())
                }
                certain => *certain,
            };
            match relation {
                Relation::Same => copies.same.extend(symbol_at(module, *at)),
                Relation::PerhapsSame => copies.uncertain.extend(symbol_at(module, *at)),
                Relation::Other => {}
            }
        }
    }
    if !copies
        .same
        .iter()
        .any(|copy| copy.address.addr() == address)
    {
        copies.same.push(own);
    }
    Ok(copies)
}

/// Asked of the module and not of the process: others may be unloaded meanwhile.
fn symbol_at(module: &Module, address: usize) -> Option<Symbol> {
    let found = search::at(module.image().ok()?, module.file_address(address))?;
    query::in_process(module, &found).ok()
}

fn described(address: usize) -> Option<Described> {
    let module = &*module_at(address)?;
    described_in(reader_of(module).as_ref(), module, address)
}

fn reader_of(module: &Module) -> Option<Reader<'_>> {
    Reader::of(module.image().ok()?).ok()
}

fn described_in(reader: Option<&Reader<'_>>, module: &Module, address: usize) -> Option<Described> {
    declaration::at(reader?, module.file_address(address))
}

fn relation_by_declaration(own: Option<&Described>, other: Option<&Described>) -> Relation {
    match (own, other) {
        (Some(own), Some(other)) if own.declaration != other.declaration => Relation::Other,
        // One compilation makes an instance once, under one hash: these differ
        // in types that are called alike.
        (Some(own), Some(other)) if own.compiled_by != other.compiled_by => Relation::Same,
        _ => Relation::PerhapsSame,
    }
}
