//! The names of a file's functions, by address.
//!
//! The index holds where each symbol is in which table and nothing of its
//! name; names are read from the file when they are compared. What counts as a
//! function: symbols of that type, IFUNCs, and symbols without a type in a code
//! section if they have a size or are not local (assemblers leave the type out
//! unless told).

use std::borrow::Cow;

use super::address::FileAddress;
use super::image::Image;
use super::names::{self, RawName};
use super::pattern::{Pattern, Rank};
use super::symbol::SymbolBinding;
use super::tables::{RawKind, RawSymbol, SymbolTable};

#[derive(Clone, Copy, Debug)]
struct Entry {
    address: u64,
    number: u32,
    table: u8,
}

/// All names of functions of a file, sorted by address.
#[derive(Debug)]
pub(super) struct NameIndex(Vec<Entry>);

/// A symbol with its name.
#[derive(Clone, Debug)]
pub(super) struct Named<'a> {
    pub(super) symbol: RawSymbol,
    pub(super) name: RawName<'a>,
    /// Whether other modules can see it.
    pub(super) is_exported: bool,
}

impl Named<'_> {
    /// Smaller for the name that people know the function by.
    fn obscurity(&self) -> (bool, SymbolBinding, usize) {
        (self.name.is_old, self.symbol.binding, self.name.base.len())
    }
}

impl NameIndex {
    pub(super) fn of(image: &Image) -> NameIndex {
        let mut entries = Vec::new();
        for (table, symbols) in (0u8..).zip(SymbolTable::all(image)) {
            let code = symbols
                .iter()
                .filter(|(_, symbol)| is_function(image, symbol));
            entries.extend(code.map(|(number, symbol)| Entry {
                address: symbol.address,
                number,
                table,
            }));
        }
        entries.sort_unstable_by_key(|entry| (entry.address, entry.table, entry.number));
        NameIndex(entries)
    }

    /// Every symbol that `pattern` matches, by address.
    pub(super) fn find<'a>(&self, image: &'a Image, pattern: &Pattern) -> Vec<(Named<'a>, Rank)> {
        let tables = SymbolTable::all(image);
        let hits: Option<Vec<Hits>> = pattern.needle().map(|needle| {
            let hits = |table: &SymbolTable<'_>| Hits(needle.find_iter(table.strings).collect());
            tables.iter().map(hits).collect()
        });
        if hits
            .as_ref()
            .is_some_and(|hits| hits.iter().all(|hits| hits.0.is_empty()))
        {
            return Vec::new();
        }
        let mut buffer = String::new();
        let mut found = Vec::new();
        for entry in &self.0 {
            let Some(table) = tables.get(usize::from(entry.table)) else {
                continue;
            };
            let Some(symbol) = table.get(entry.number) else {
                continue;
            };
            let hits = hits
                .as_ref()
                .and_then(|hits| hits.get(usize::from(entry.table)));
            if hits.is_some_and(|hits| !hits.are_in(table.strings, symbol.name)) {
                continue;
            }
            let named = named(table, entry.number, symbol);
            if let Some(rank) = pattern.rank(&named.name, &mut buffer) {
                found.push((named, rank));
            }
        }
        found
    }

    /// Every symbol at `address`, the best known name first.
    pub(super) fn at<'a>(&self, image: &'a Image, address: u64) -> Vec<Named<'a>> {
        let first = self.0.partition_point(|entry| entry.address < address);
        let rest = self.0.get(first..).unwrap_or_default().iter();
        let tables = SymbolTable::all(image);
        let mut found: Vec<Named<'a>> = rest
            .take_while(|entry| entry.address == address)
            .filter_map(|entry| tables.get(usize::from(entry.table)).zip(Some(entry.number)))
            .filter_map(|(table, number)| Some(named(table, number, table.get(number)?)))
            .collect();
        found.sort_by(|a, b| {
            let by_name = || a.name.base.cmp(&b.name.base);
            a.obscurity().cmp(&b.obscurity()).then_with(by_name)
        });
        found
    }

    /// Every name, in the order of addresses; for looking for similar ones.
    pub(super) fn iter<'a>(&'a self, image: &'a Image) -> impl Iterator<Item = Named<'a>> {
        let tables = SymbolTable::all(image);
        self.0.iter().filter_map(move |entry| {
            let table = tables.get(usize::from(entry.table))?;
            Some(named(table, entry.number, table.get(entry.number)?))
        })
    }
}

fn is_function(image: &Image, symbol: &RawSymbol) -> bool {
    let by_type = match symbol.kind {
        RawKind::Function | RawKind::IndirectFunction => true,
        RawKind::Label => symbol.size > 0 || symbol.binding != SymbolBinding::Local,
        RawKind::Data => false,
    };
    let region = image.regions().containing(symbol.address);
    by_type && region.is_some_and(|region| !region.is_plt)
}

fn named<'a>(table: &SymbolTable<'a>, number: u32, symbol: RawSymbol) -> Named<'a> {
    let versions = table.versions.as_ref();
    let old = versions.and_then(|versions| versions.old_version(number));
    Named {
        symbol,
        name: RawName::new(table.name(symbol.name), old),
        is_exported: table.is_dynamic && symbol.binding != SymbolBinding::Local,
    }
}

/// Where in the strings of a table the needle is.
struct Hits(Vec<usize>);

impl Hits {
    /// Whether the string that begins at `name` has one.
    fn are_in(&self, strings: &[u8], name: u32) -> bool {
        let start = name as usize;
        let first = self.0.partition_point(|hit| *hit < start);
        let Some(hit) = self.0.get(first) else {
            return false;
        };
        // The next hit may be in a string further on.
        strings
            .get(start..*hit)
            .is_some_and(|between| memchr::memchr(0, between).is_none())
    }
}

impl Image {
    /// The name for people of the function that starts at `at`: demangled,
    /// without hash. Of several names, the global and short one.
    #[must_use]
    pub fn symbol_name_at(&self, at: FileAddress) -> Option<String> {
        let names = self.names().at(self, at.0);
        names.first().map(|named| named.name.display())
    }

    /// The names and old versions by which other modules can see the IFUNC at
    /// `at`.
    pub(super) fn exported_names_at(&self, at: FileAddress) -> Vec<(String, Option<String>)> {
        let names = self.names().at(self, at.0).into_iter();
        names
            .filter(|n| n.is_exported && n.symbol.kind == RawKind::IndirectFunction)
            .map(|n| {
                let version = n.name.version.filter(|_| n.name.is_old);
                (n.name.base.into_owned(), version.map(Cow::into_owned))
            })
            .collect()
    }

    /// Whether what starts at `at` is by its name a part of another function
    /// that was moved away (`foo.cold`) and is never called.
    #[must_use]
    pub fn is_fragment(&self, at: FileAddress) -> bool {
        let names = self.names().at(self, at.0);
        !names.is_empty()
            && names
                .iter()
                .all(|named| names::is_fragment(&named.name.base))
    }
}
