//! The search, in one file or in all modules of a process.

use crate::error::Error;
use crate::output::{file_name, hex};
use crate::progress::Progress;
use midair::symbols::{
    FileSymbol, FileSymbolKind, ForeignModule, Image, ImageError, Module, Slide, SymbolBinding,
    SymbolError, file_symbols,
};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Names given where there is none that matches.
const NEAREST: usize = 5;

/// What was found.
#[derive(Debug, Default, Serialize)]
pub(super) struct Found {
    pub(super) symbols: Vec<Row>,
    /// Modules that could not be searched, and why.
    pub(super) not_searched: Vec<String>,
}

/// A function as the table shows it.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// In a process where it is there, else what the file states.
    pub(super) address: String,
    pub(super) size: u64,
    pub(super) module: String,
    pub(super) path: String,
    pub(super) name: String,
    pub(super) raw_name: String,
    pub(super) aliases: Vec<String>,
    pub(super) kind: &'static str,
    pub(super) binding: &'static str,
}

impl Row {
    fn new(path: &Path, slide: Slide, symbol: FileSymbol) -> Self {
        Self {
            address: hex(symbol.address.at(slide) as u64),
            size: symbol.size,
            module: file_name(path),
            path: path.display().to_string(),
            name: symbol.name,
            raw_name: symbol.raw_name,
            aliases: symbol.aliases,
            kind: kind(symbol.kind),
            binding: binding(symbol.binding),
        }
    }
}

fn kind(kind: FileSymbolKind) -> &'static str {
    match kind {
        FileSymbolKind::IndirectFunction => "ifunc",
        _ => "function",
    }
}

pub(crate) fn binding(binding: SymbolBinding) -> &'static str {
    match binding {
        SymbolBinding::Global => "global",
        SymbolBinding::Weak => "weak",
        SymbolBinding::Local => "local",
        _ => "other",
    }
}

pub(super) fn in_file(path: &Path, glob: &str) -> Result<Found, Error> {
    let image = Image::open(path)?;
    let symbols = file_symbols(&image, glob)?.into_iter();
    let symbols = symbols
        .map(|symbol| Row::new(path, Slide(0), symbol))
        .collect();
    Ok(Found {
        symbols,
        ..Found::default()
    })
}

/// As a query in the process itself would: a name is a path first, and
/// qualified by a module only if there is no such path; of a glob, all that
/// either reading finds counts.
pub(super) fn in_process(pid: i32, glob: &str) -> Result<Found, Error> {
    let modules = Module::of_process(pid).map_err(|source| Error::Modules { pid, source })?;
    let progress = Progress::new(format!("process {pid}"), modules.len() as u64, "modules");
    let mut search = Search::default();
    let mut qualified = Vec::new();
    for module in &modules {
        search.module(module, glob);
        if let Some((name, rest)) = glob.split_once("::")
            && module.is_called(name)
        {
            qualified.push((module, rest));
        }
        progress.advance(1);
    }
    if search.rows.is_empty() || glob.contains(['*', '?']) {
        for (module, rest) in qualified {
            search.module(module, rest);
        }
    }
    progress.finish();
    search.finish(glob)
}

#[derive(Default)]
struct Search {
    rows: Vec<Row>,
    nearest: Vec<String>,
    unreadable: Vec<(PathBuf, ImageError)>,
}

impl Search {
    fn module(&mut self, module: &ForeignModule, glob: &str) {
        let opened = module
            .image()
            .and_then(|image| Ok((image, module.slide()?)));
        let (image, slide) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.unreadable.push((module.path().to_path_buf(), error));
                return;
            }
        };
        match file_symbols(image, glob) {
            Ok(symbols) => {
                let rows = symbols
                    .into_iter()
                    .map(|s| Row::new(module.path(), slide, s));
                self.rows.extend(rows);
            }
            Err(SymbolError::NotFound { nearest, .. }) => self.nearest.extend(nearest),
            // A file is asked by name only, which fails in no other way.
            Err(_) => {}
        }
    }

    fn finish(self, glob: &str) -> Result<Found, Error> {
        let Self {
            mut rows,
            mut nearest,
            unreadable,
        } = self;
        if rows.is_empty() {
            let last = |name: &str| name.rsplit("::").next().unwrap_or_default().to_owned();
            let wanted = last(glob);
            nearest.sort_by_cached_key(|name| {
                let last = last(name);
                let same = last
                    .bytes()
                    .zip(wanted.bytes())
                    .take_while(|(a, b)| a == b)
                    .count();
                (
                    Reverse(same),
                    last.len().abs_diff(wanted.len()),
                    name.clone(),
                )
            });
            nearest.dedup();
            nearest.truncate(NEAREST);
            let query = glob.to_owned();
            return Err(SymbolError::NotFound {
                query,
                nearest,
                unreadable,
            }
            .into());
        }
        // Both readings of a glob may have found the same.
        let mut seen = HashSet::new();
        rows.retain(|row| seen.insert((row.address.clone(), row.kind)));
        let not_searched = unreadable
            .iter()
            .map(|(_, error)| error.to_string())
            .collect();
        Ok(Found {
            symbols: rows,
            not_searched,
        })
    }
}
