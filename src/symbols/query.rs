//! Queries over everything that is loaded in this process.
//!
//! A query is a name, a glob or an address (`0x…`), with or without a module
//! before it (`libz.so.1::deflate`). A crate is often called like the program's
//! file, so `demo::main` can be read in two ways. A name is a path first, and
//! qualified by a module only if there is no such path; of a glob, all that
//! either reading finds counts.

use std::path::PathBuf;
use std::sync::Arc;

use super::address::FileAddress;
use super::error::{ImageError, SymbolError};
use super::image::Image;
use super::module::{Module, ModuleRole, module_at, modules};
use super::pattern::{Pattern, Rank};
use super::search::{self, Found};
use super::symbol::{FileSymbol, FileSymbolKind, Symbol, SymbolBinding, SymbolKind};
use super::{edit, glob, ifunc, nearest};

/// The one function of this process that `query` means: a Rust path (with or
/// without hash and generic arguments), a raw linker name, or an address, each
/// but the last with or without `module::` before it.
///
/// `a::b` is the path `a::b` if there is one, else `b` in the module `a`.
/// Several names of one function are one symbol. Of a function that a reload has replaced
/// the one that callers enter is meant, not the new version that it leads to. Where a raw name belongs to
/// several functions and all but one of them are local to a file or in the
/// dynamic linker or the vdso, that one is meant. No other choice is made: in
/// particular a function that another module interposes is ambiguous, for
/// callers may be bound to either.
///
/// ```
/// let malloc = midair::symbols::symbol("libc::malloc")?;
/// assert_eq!(malloc.name, "malloc");
/// let same = midair::symbols::symbol(&format!("{:#x}", malloc.address.addr()))?;
/// assert_eq!(same.address, malloc.address);
///
/// let error = midair::symbols::symbol("getpidd").unwrap_err();
/// assert!(error.to_string().contains("nearest: `getpid`"), "{error}");
/// # Ok::<(), midair::symbols::SymbolError>(())
/// ```
///
/// # Errors
///
/// [`SymbolError::NotFound`] with similar names, [`SymbolError::Ambiguous`]
/// with all candidates, [`SymbolError::NotAFunction`] for an address,
/// [`SymbolError::Unresolved`] for an IFUNC of a module that is being unloaded.
pub fn symbol(query: &str) -> Result<Symbol, SymbolError> {
    if let Some(address) = as_address(query) {
        return at_address(address);
    }
    let mut candidates = candidates(query)?;
    // `f::<*const u8>` is a name that looks like a glob.
    let is_exact = |candidate: &Candidate| {
        let symbol = &candidate.found.symbol;
        symbol.name == query || symbol.raw_name == query
    };
    if glob::is_glob(query) && candidates.iter().any(is_exact) {
        candidates.retain(is_exact);
    }
    if candidates.len() > 1 && candidates.iter().all(|c| c.found.rank == Rank::Raw) {
        let is_plain = |candidate: &&Candidate| {
            let role = candidate.module.role();
            candidate.found.symbol.binding != SymbolBinding::Local
                && !matches!(role, ModuleRole::DynamicLinker | ModuleRole::Vdso)
        };
        let mut plain = candidates.iter().filter(is_plain);
        if let (Some(only), None) = (plain.next(), plain.next()) {
            candidates = vec![only.clone()];
        }
    }
    let mut symbols = resolve(&candidates)?;
    match symbols.pop() {
        Some(only) if symbols.is_empty() => Ok(only),
        last => {
            symbols.extend(last);
            Err(SymbolError::Ambiguous {
                query: query.to_owned(),
                candidates: symbols,
            })
        }
    }
}

/// Every function of this process that `glob` matches: `*` is any run of
/// characters, `?` any one; all others stand for themselves. `module::glob`
/// adds what matches within that module. A query without wildcards gives all
/// that [`symbol`] would choose from.
///
/// ```
/// let found = midair::symbols::symbols("libc::pthread_mutex_*lock")?;
/// assert!(found.iter().any(|symbol| symbol.name == "pthread_mutex_lock"));
/// # Ok::<(), midair::symbols::SymbolError>(())
/// ```
///
/// An IFUNC of a module that is just being unloaded is left out.
///
/// # Errors
///
/// [`SymbolError::NotFound`] with similar names if there is none.
pub fn symbols(glob: &str) -> Result<Vec<Symbol>, SymbolError> {
    if let Some(address) = as_address(glob) {
        return at_address(address).map(|symbol| vec![symbol]);
    }
    resolve(&candidates(glob)?)
}

/// A function found in a module.
#[derive(Clone)]
struct Candidate {
    module: Arc<Module>,
    found: Found,
}

/// Every function that matches; at least one.
fn candidates(query: &str) -> Result<Vec<Candidate>, SymbolError> {
    let modules = modules()?;
    let whole = Pattern::new(query);
    let qualified = qualified(query);
    let mut unreadable = Vec::new();
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut in_module: Vec<Candidate> = Vec::new();
    let mut new: Vec<Candidate> = Vec::new();
    for module in &modules {
        let image = match module.image() {
            Ok(image) => image,
            Err(error) => {
                unreadable.push((module.path().to_path_buf(), error));
                continue;
            }
        };
        match edit::new_functions(image) {
            None => candidates.extend(candidates_of(module, image, &whole)),
            Some(addresses) => {
                let mut found = candidates_of(module, image, &whole);
                found.retain(|c| addresses.contains(&c.found.symbol.address));
                // What was taken back and came again: the newest is meant.
                let raw = |c: &Candidate| c.found.symbol.raw_name.clone();
                new.retain(|old| found.iter().all(|newer| raw(newer) != raw(old)));
                new.extend(found);
            }
        }
        if let Some((name, rest)) = &qualified
            && module.is_called(name)
        {
            in_module.extend(candidates_of(module, image, rest));
        }
    }
    candidates.extend(new);
    if candidates.is_empty() || glob::is_glob(query) {
        candidates.extend(in_module);
    }
    // A current version anywhere is meant before an old one elsewhere.
    if !glob::is_glob(query) && candidates.iter().any(|c| c.found.rank != Rank::OldVersion) {
        candidates.retain(|c| c.found.rank != Rank::OldVersion);
    }
    if candidates.is_empty() {
        return Err(not_found(query, &modules, unreadable));
    }
    Ok(candidates)
}

fn candidates_of(module: &Arc<Module>, image: &Image, pattern: &Pattern) -> Vec<Candidate> {
    let mut found = search::find(image, pattern);
    // Names of a damaged file may lead anywhere.
    found.retain(|found| module.has_code_at(found.symbol.address.at(module.slide())));
    search::keep_best_versions(&mut found);
    let candidate = |found| Candidate {
        module: Arc::clone(module),
        found,
    };
    found.into_iter().map(candidate).collect()
}

/// The module and the pattern of `module::pattern`.
fn qualified(query: &str) -> Option<(&str, Pattern)> {
    let (module, rest) = query.split_once("::")?;
    let is_module = !module.is_empty() && !rest.is_empty() && !glob::is_glob(module);
    is_module.then(|| (module, Pattern::new(rest)))
}

fn not_found(
    query: &str,
    modules: &[Arc<Module>],
    unreadable: Vec<(PathBuf, ImageError)>,
) -> SymbolError {
    let images: Vec<&Image> = modules.iter().filter_map(|m| m.image().ok()).collect();
    let within = query
        .split_once("::")
        .filter(|(name, _)| modules.iter().any(|module| module.is_called(name)));
    let mut near = nearest::names(query, images.iter().copied());
    if let Some((_, rest)) = within.filter(|_| near.is_empty()) {
        near = nearest::names(rest, images);
    }
    SymbolError::NotFound {
        query: query.to_owned(),
        nearest: near,
        unreadable,
    }
}

/// Puts candidates at their addresses in this process, each address once.
fn resolve(candidates: &[Candidate]) -> Result<Vec<Symbol>, SymbolError> {
    let mut symbols: Vec<Symbol> = Vec::with_capacity(candidates.len());
    let mut places = std::collections::HashMap::new();
    let mut failed = None;
    for candidate in candidates {
        let symbol = match in_process(&candidate.module, &candidate.found.symbol) {
            Ok(symbol) => symbol,
            Err(error) => {
                failed.get_or_insert(error);
                continue;
            }
        };
        // An IFUNC and its implementation by its own name are one function.
        match places
            .get(&symbol.address.addr())
            .and_then(|at: &usize| symbols.get_mut(*at))
        {
            Some(known) => join(known, symbol),
            None => {
                places.insert(symbol.address.addr(), symbols.len());
                symbols.push(symbol);
            }
        }
    }
    match failed {
        Some(error) if symbols.is_empty() => Err(error),
        _ => Ok(symbols),
    }
}

fn join(known: &mut Symbol, other: Symbol) {
    for alias in std::iter::once(other.name).chain(other.aliases) {
        if alias != known.name && !known.aliases.contains(&alias) {
            known.aliases.push(alias);
        }
    }
}

/// A function of a module's file as it is in this process.
pub(super) fn in_process(module: &Module, symbol: &FileSymbol) -> Result<Symbol, SymbolError> {
    let own = symbol.address.at(module.slide());
    let (address, size, kind) = match symbol.kind {
        FileSymbolKind::Function => (own, symbol.size, SymbolKind::Function),
        FileSymbolKind::IndirectFunction => {
            let target = ifunc::target(module, symbol).ok_or_else(|| SymbolError::Unresolved {
                name: symbol.name.clone(),
                module: module.path().to_path_buf(),
            })?;
            let kind = SymbolKind::IndirectFunction { resolver: own };
            (target, size_at(target), kind)
        }
    };
    Ok(Symbol {
        name: symbol.name.clone(),
        raw_name: symbol.raw_name.clone(),
        module: module.file_name().to_owned(),
        module_path: module.path().to_path_buf(),
        address: address as *const (),
        size: usize::try_from(size).unwrap_or(usize::MAX),
        aliases: symbol.aliases.clone(),
        kind,
        binding: symbol.binding,
    })
}

/// The size of the function that starts at `address`; zero if not known.
fn size_at(address: usize) -> u64 {
    let size = || {
        let module = module_at(address)?;
        let functions = module.image().ok()?.functions();
        Some(functions.extent(module.file_address(address))?.size())
    };
    size().unwrap_or(0)
}

fn as_address(query: &str) -> Option<usize> {
    usize::from_str_radix(query.strip_prefix("0x")?, 16).ok()
}

/// The function that starts at `address`. At an IFUNC's own address that is
/// its resolver.
fn at_address(address: usize) -> Result<Symbol, SymbolError> {
    let nothing = |inside, unreadable| SymbolError::NotAFunction {
        address,
        inside,
        unreadable,
    };
    let Some(module) = module_at(address) else {
        return Err(nothing(None, None));
    };
    let image = module
        .image()
        .map_err(|error| nothing(None, Some(Box::new(error))))?;
    let place = module.file_address(address);
    let unnamed = |at: FileAddress| format!("{}+{at}", module.file_name());
    let Some(extent) = image.functions().extent(place) else {
        let inside = image.functions().containing(place).map(|extent| {
            let name = image.symbol_name_at(extent.start);
            let name = name.unwrap_or_else(|| unnamed(extent.start));
            (name, extent.start.at(module.slide()))
        });
        return Err(nothing(inside, None));
    };
    let mut symbol = search::at(image, place).unwrap_or_else(|| FileSymbol {
        name: unnamed(place),
        raw_name: String::new(),
        address: place,
        size: extent.size(),
        aliases: Vec::new(),
        kind: FileSymbolKind::Function,
        binding: SymbolBinding::Local,
    });
    if symbol.kind == FileSymbolKind::IndirectFunction {
        symbol.name += " (resolver)";
        symbol.kind = FileSymbolKind::Function;
    }
    in_process(&module, &symbol)
}
