//! The function that is meant.

use crate::args;
use crate::error::Error;
use midair::symbols::{FileAddress, FileSymbol, Image, file_symbols};

/// A function and what is known of its names.
pub(super) struct Subject {
    pub(super) at: FileAddress,
    /// None if it has no name.
    pub(super) symbol: Option<FileSymbol>,
}

/// The function called `symbol`, or at `at`, or both.
pub(super) fn function(
    image: &Image,
    symbol: Option<&str>,
    at: Option<u64>,
) -> Result<Subject, Error> {
    let named = symbol.filter(|text| !text.starts_with("0x"));
    let number = symbol.filter(|text| text.starts_with("0x"));
    let number = number.and_then(|text| args::address(text).ok());
    match (named.or(symbol.filter(|_| number.is_none())), at.or(number)) {
        (Some(query), at) => by_name(image, query, at),
        (None, Some(at)) => at_address(image, FileAddress(at)),
        // The command line asks for one of them.
        (None, None) => by_name(image, "", None),
    }
}

fn by_name(image: &Image, query: &str, at: Option<u64>) -> Result<Subject, Error> {
    let mut found = file_symbols(image, query)?;
    let query = query.to_owned();
    if let Some(at) = at {
        if !found.iter().any(|symbol| symbol.address.0 == at) {
            return Err(Error::NotThere {
                query,
                at,
                candidates: found,
            });
        }
        found.retain(|symbol| symbol.address.0 == at);
    }
    // An IFUNC and its resolver have one address.
    let first = found.first().map(|symbol| symbol.address);
    match first.filter(|first| found.iter().all(|symbol| symbol.address == *first)) {
        Some(at) => Ok(Subject {
            at,
            symbol: found.into_iter().next(),
        }),
        None => Err(Error::Ambiguous {
            query,
            candidates: found,
        }),
    }
}

fn at_address(image: &Image, at: FileAddress) -> Result<Subject, Error> {
    let functions = image.functions();
    if functions.extent(at).is_none() {
        if let Some(around) = functions.containing(at) {
            let name = image.symbol_name_at(around.start);
            return Err(Error::InsideFunction {
                at: at.0,
                start: around.start.0,
                name,
            });
        }
        if image.code_end(at).is_none() {
            return Err(Error::NotCode {
                at: at.0,
                path: image.path().to_path_buf(),
            });
        }
    }
    let name = image.symbol_name_at(at);
    let same = name.and_then(|name| file_symbols(image, &name).ok());
    let symbol = same.and_then(|same| same.into_iter().find(|symbol| symbol.address == at));
    Ok(Subject { at, symbol })
}
