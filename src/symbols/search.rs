//! Searching one file: symbols that match, one per address.

use super::address::FileAddress;
use super::error::SymbolError;
use super::image::Image;
use super::index::Named;
use super::nearest;
use super::pattern::{Pattern, Rank};
use super::symbol::{FileSymbol, FileSymbolKind};
use super::tables::RawKind;

/// A symbol that matches, and how well.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) symbol: FileSymbol,
    pub(super) rank: Rank,
}

/// All functions of a file whose names match `glob`, which may be a plain name.
/// The file need not be loaded.
///
/// ```
/// use midair::symbols::{Image, file_symbols};
///
/// let image = Image::open(&std::env::current_exe()?)?;
/// for main in file_symbols(&image, "main")? {
///     let code = image.code(main.address, 1);
///     assert!(code.is_some());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`SymbolError::NotFound`] with similar names if there is none.
pub fn file_symbols(image: &Image, glob: &str) -> Result<Vec<FileSymbol>, SymbolError> {
    let pattern = Pattern::new(glob);
    let mut found = find(image, &pattern);
    keep_best_versions(&mut found);
    if found.is_empty() {
        return Err(SymbolError::NotFound {
            query: glob.to_owned(),
            nearest: nearest::names(glob, [image]),
            unreadable: Vec::new(),
        });
    }
    Ok(found.into_iter().map(|found| found.symbol).collect())
}

/// All functions of `image` that `pattern` matches, by address.
pub(super) fn find(image: &Image, pattern: &Pattern) -> Vec<Found> {
    let matches = image.names().find(image, pattern);
    let place = |named: &Named<'_>| (named.symbol.address, kind(named));
    let groups = matches.chunk_by(|a, b| a.0.symbol.address == b.0.symbol.address);
    let mut found = Vec::new();
    for group in groups {
        let Some(address) = group.first().map(|(named, _)| named.symbol.address) else {
            continue;
        };
        // The same address can be an IFUNC by one name and, by another, the
        // resolver as a plain function.
        let others = image.names().at(image, address);
        for wanted in [FileSymbolKind::Function, FileSymbolKind::IndirectFunction] {
            let of_kind = || group.iter().filter(|(named, _)| kind(named) == wanted);
            let Some(rank) = of_kind().map(|(_, rank)| *rank).min() else {
                continue;
            };
            let is_match = |other: &Named<'_>| {
                let mut best = of_kind().filter(|(_, other)| *other == rank);
                best.any(|(named, _)| named.name.raw() == other.name.raw())
            };
            let mut same = others
                .iter()
                .filter(|other| place(other) == (address, wanted));
            let Some(chosen) = same.find(|other| is_match(other)) else {
                continue;
            };
            let symbol = symbol(image, chosen, &others);
            found.push(Found { symbol, rank });
        }
    }
    found
}

/// Drops functions that match only by a version kept for old programs where
/// the same name has a current one.
pub(super) fn keep_best_versions(found: &mut Vec<Found>) {
    let base = |found: &Found| {
        let raw = found.symbol.raw_name.as_str();
        raw.split('@').next().unwrap_or(raw).to_owned()
    };
    let is_old = |found: &Found| found.rank == Rank::OldVersion;
    let current: Vec<String> = found.iter().filter(|f| !is_old(f)).map(base).collect();
    found.retain(|found| !is_old(found) || !current.contains(&base(found)));
}

/// What starts at `address` of the file, by its best known name.
pub(super) fn at(image: &Image, address: FileAddress) -> Option<FileSymbol> {
    let names = image.names().at(image, address.0);
    let is_function = |named: &&Named<'_>| kind(named) == FileSymbolKind::Function;
    let chosen = names.iter().find(is_function).or(names.first())?;
    Some(symbol(image, chosen, &names))
}

fn symbol(image: &Image, chosen: &Named<'_>, others: &[Named<'_>]) -> FileSymbol {
    let address = FileAddress(chosen.symbol.address);
    let name = chosen.name.display();
    let mut aliases: Vec<String> = Vec::new();
    for other in others.iter().filter(|other| kind(other) == kind(chosen)) {
        let alias = other.name.display();
        if alias != name && !aliases.contains(&alias) {
            aliases.push(alias);
        }
    }
    let size = match chosen.symbol.size {
        0 => image
            .functions()
            .extent(address)
            .map_or(0, |extent| extent.size()),
        size => size,
    };
    FileSymbol {
        name,
        raw_name: chosen.name.raw(),
        address,
        size,
        aliases,
        kind: kind(chosen),
        binding: chosen.symbol.binding,
    }
}

fn kind(named: &Named<'_>) -> FileSymbolKind {
    match named.symbol.kind {
        RawKind::IndirectFunction => FileSymbolKind::IndirectFunction,
        _ => FileSymbolKind::Function,
    }
}
