//! Who has a function inlined.
//!
//! Where the compiler inlined a function it left an entry that refers to it, with
//! the line of the call and the addresses of the copied instructions. Those of
//! all modules are found, of all copies of the function; those whose code the
//! linker has dropped are not counted. The caller is the function whose code
//! the copied instructions are part of: the call itself may stand in another,
//! which was inlined there too.
//!
//! Line tables (`debug = "line-tables-only"`) call functions by the last part of
//! their paths only. What has the same is given as not certain.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;

use gimli::constants as dw;

use super::copies::{Copies, copies};
use super::coverage;
use super::declaration::{self, Declaration};
use super::instance::{self, Instance, Relation};
use super::reader::{Entry, Reader};
use super::unknown::Unknown;
use crate::symbols::address::{FileAddress, Slide};
use crate::symbols::error::SymbolError;
use crate::symbols::image::Image;
use crate::symbols::module::modules;
use crate::symbols::names;

/// A place where a function is inlined.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct Inlined {
    /// The function whose code has it, or its module and address.
    pub(crate) caller: String,
    /// Where that function begins in this process.
    pub(crate) caller_address: usize,
    /// The module.
    pub(crate) module: PathBuf,
    /// Where the call is written: file and line, if told.
    pub(crate) call: Option<(String, u64)>,
    /// Where the copied instructions are in this process.
    pub(crate) code: Vec<Range<usize>>,
    /// Whether it is this function for sure; else one that is called alike.
    pub(crate) is_certain: bool,
}

/// What is known of where a function is inlined.
#[derive(Clone, Debug)]
pub(crate) struct InlinedInto {
    /// All places that are known.
    pub(crate) places: Vec<Inlined>,
    /// Modules that may have more places, and why that is not known. For a
    /// function of Rust, those without any code of Rust are left out.
    pub(crate) unknown: Vec<(PathBuf, Unknown)>,
}

/// A function as it is looked for in debug information.
pub(super) struct Wanted {
    instances: Vec<Instance>,
    declaration: Option<Declaration>,
    /// The last part of its path.
    last: String,
}

/// Where the function at `address` of this process is inlined.
///
/// # Errors
///
/// As [`super::copies()`]: nothing starts there.
pub(crate) fn inlined(address: usize) -> Result<InlinedInto, SymbolError> {
    let copies = copies(address)?;
    let wanted = Wanted::of(&copies);
    let mut into = InlinedInto {
        places: Vec::new(),
        unknown: Vec::new(),
    };
    let other_language = matches!(wanted.instances[..], [Instance::Other(_)]);
    for module in modules().map_err(SymbolError::Modules)? {
        let path = || module.path().to_path_buf();
        let image = match module.image() {
            Ok(image) => image,
            Err(error) => {
                let (module, why) = (path(), error.to_string());
                into.unknown.push((path(), Unknown::Image { module, why }));
                continue;
            }
        };
        // A function of C may be inlined in its own module only.
        if other_language && !copies.same.iter().any(|c| c.module_path == module.path()) {
            continue;
        }
        if !other_language && !coverage::is_rust(image) {
            continue;
        }
        match in_image(image, module.slide(), &wanted) {
            Ok((places, unknown)) => {
                into.places.extend(places);
                into.unknown
                    .extend(unknown.map(|unknown| (path(), unknown)));
            }
            Err(unknown) => into.unknown.push((path(), unknown)),
        }
    }
    Ok(into)
}

impl Wanted {
    fn of(copies: &Copies) -> Wanted {
        let mut wanted = Wanted {
            instances: Vec::new(),
            declaration: None,
            last: String::new(),
        };
        for copy in &copies.same {
            let instance = Instance::of(&copy.raw_name);
            if !wanted.instances.contains(&instance) {
                wanted.instances.push(instance);
            }
            if wanted.declaration.is_none() {
                wanted.declaration = declared(copy.address.addr());
            }
            wanted.last = last_part(&copy.name);
        }
        wanted
    }

    /// The function that starts at `address` of a file that need not be loaded.
    #[cfg(test)]
    pub(super) fn in_file(image: &Image, address: FileAddress) -> Wanted {
        let names = image.names().at(image, address.0);
        let instances = names.iter().map(|n| Instance::of(&n.name.base)).collect();
        let described = Reader::of(image)
            .ok()
            .and_then(|r| declaration::at(&r, address));
        Wanted {
            instances,
            declaration: described.map(|described| described.declaration),
            last: names
                .first()
                .map_or_else(String::new, |n| last_part(&n.name.display())),
        }
    }

    /// Whether the entry of a function is this one's; none if it cannot be known.
    fn is<'a>(&self, reader: &Reader<'a>, entry: &Entry<'a>) -> Option<bool> {
        let Some(linkage) = reader.linkage_name(entry) else {
            let name = reader.name(entry)?;
            let is_own = |instance: &Instance| *instance == Instance::Other(name.to_owned());
            // A function that is not mangled is called as it is.
            if self.instances.iter().any(is_own) {
                return Some(true);
            }
            let is_rust = reader.root(entry).is_some_and(|root| Entry::is_rust(&root));
            let base = instance::without_arguments(name.as_bytes());
            let is_alike = is_rust && base == self.last.as_bytes();
            return if is_alike { None } else { Some(false) };
        };
        let found = Instance::of(linkage);
        let relations = self.instances.iter().map(|own| own.relation(&found));
        let mut is_other = true;
        for relation in relations {
            match relation {
                Relation::Same => return Some(true),
                Relation::PerhapsSame => is_other = false,
                Relation::Other => {}
            }
        }
        if is_other {
            return Some(false);
        }
        let (own, its) = (self.declaration.as_ref()?, Declaration::of(reader, entry)?);
        if its.is_full() {
            Some(*own == its)
        } else {
            None
        }
    }

    /// The entries that may be this function's.
    fn candidates<'a>(&self, reader: &Reader<'a>) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        for instance in &self.instances {
            for hash in instance.hashes() {
                found.extend(reader.index.called(hash));
            }
        }
        let bare = instance::hash_of_bare(self.last.as_bytes());
        found.extend(reader.index.called(bare));
        found
    }
}

fn declared(address: usize) -> Option<Declaration> {
    let module = crate::symbols::module::module_at(address)?;
    let reader = Reader::of(module.image().ok()?).ok()?;
    let described = declaration::at(&reader, module.file_address(address))?;
    Some(described.declaration)
}

/// `generic` of `dep::inner::generic::<u8>`.
fn last_part(name: &str) -> String {
    let plain = names::without_generics(name);
    plain.rsplit("::").next().unwrap_or(&plain).to_owned()
}

/// Where the function is inlined in a file, and why there may be more places.
pub(super) fn in_image(
    image: &Image,
    slide: Slide,
    wanted: &Wanted,
) -> Result<(Vec<Inlined>, Option<Unknown>), Unknown> {
    let reader = Reader::of(image)?;
    let mut places = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open: Vec<(u32, bool)> = Vec::new();
    for offset in wanted.candidates(&reader) {
        let Some(entry) = reader.entry(offset) else {
            continue;
        };
        match wanted.is(&reader, &entry) {
            Some(true) => open.push((offset, true)),
            None => open.push((offset, false)),
            Some(false) => {}
        }
    }
    // An entry may leave its name to a declaration: what refers to either counts.
    while let Some((offset, is_certain)) = open.pop() {
        if !seen.insert(offset) {
            continue;
        }
        for entry in reader
            .index
            .from(offset)
            .filter_map(|from| reader.entry(from))
        {
            if entry.tag() != dw::DW_TAG_inlined_subroutine {
                open.push((entry.offset, is_certain));
                continue;
            }
            places.extend(place(&reader, slide, &entry, is_certain));
        }
    }
    places.sort_by(|a, b| (a.caller_address, &a.call).cmp(&(b.caller_address, &b.call)));
    Ok((places, missing(&reader)))
}

/// What the debug information of a file leaves out.
fn missing(reader: &Reader<'_>) -> Option<Unknown> {
    let path = || reader.image.path().to_path_buf();
    match (reader.index.damaged, reader.index.split) {
        (0, 0) => reader.undescribed().map(|undescribed| Unknown::Partly {
            module: path(),
            functions: undescribed.functions,
            example: undescribed.example.clone(),
        }),
        (0, units) => Some(Unknown::Split {
            file: path(),
            units,
        }),
        (units, _) => Some(Unknown::Malformed {
            file: path(),
            why: format!("{units} units end within an entry or refer to what is not there"),
        }),
    }
}

/// None if the linker has dropped the code.
fn place<'a>(
    reader: &Reader<'a>,
    slide: Slide,
    entry: &Entry<'a>,
    is_certain: bool,
) -> Option<Inlined> {
    let image = reader.image;
    let ranges = reader.ranges(entry);
    let is_kept = |range: &&Range<u64>| image.regions().containing(range.start).is_some();
    let start = FileAddress(ranges.iter().find(is_kept)?.start);
    let caller = image.functions().containing(start);
    let begins = caller.map_or(start, |caller| caller.start);
    let unnamed = || format!("{}+{begins}", image.path().display());
    let file = reader.file(entry, dw::DW_AT_call_file);
    Some(Inlined {
        caller: image.symbol_name_at(begins).unwrap_or_else(unnamed),
        caller_address: begins.at(slide),
        module: image.path().to_path_buf(),
        call: file.zip(entry.number(dw::DW_AT_call_line)),
        code: ranges
            .iter()
            .filter(is_kept)
            .map(|range| FileAddress(range.start).at(slide)..FileAddress(range.end).at(slide))
            .collect(),
        is_certain,
    })
}
