//! Everything that a file says about where code or data begins in its code
//! sections, unjoined: the raw material of the function table.

use super::image::Image;
use super::problem::Problem;
use super::tables::{RawKind, SymbolTable};
use super::unwind;

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// An entry of `.eh_frame`.
    Unwind,
    /// A symbol of a function.
    Function,
    /// A symbol without a type.
    Label,
    /// A symbol of data.
    Data,
}

impl Kind {
    pub(super) fn is_code_symbol(self) -> bool {
        matches!(self, Kind::Function | Kind::Label)
    }
}

/// "Something begins at `start` and has `size` bytes"; size 0 is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim {
    pub(super) start: u64,
    pub(super) size: u64,
    pub(super) kind: Kind,
}

/// All claims of `image`, sorted by start, and what could not be read.
pub(super) fn of(image: &Image) -> (Vec<Claim>, Vec<Problem>) {
    let mut claims = Vec::new();
    let problems = unwind::ranges(image, |start, size| {
        let kind = Kind::Unwind;
        claims.push(Claim { start, size, kind });
    });
    for table in SymbolTable::all(image) {
        claims.extend(table.iter().filter_map(|(_, symbol)| {
            image.regions().containing(symbol.address)?;
            let kind = match symbol.kind {
                RawKind::Function | RawKind::IndirectFunction => Kind::Function,
                RawKind::Label => Kind::Label,
                RawKind::Data => Kind::Data,
            };
            Some(Claim {
                start: symbol.address,
                size: symbol.size,
                kind,
            })
        }));
    }
    claims.sort_unstable_by_key(|claim| claim.start);
    (claims, problems)
}
