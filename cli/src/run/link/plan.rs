//! Which sections an image needs, and what each reference in them means.
//!
//! Starting from the changed functions: whatever they refer to that the process
//! does not have is taken in, and what that refers to, and so on.

use crate::run::changes::key;
use crate::run::machine::{Machine, Need};
use crate::run::names::{Names, Place};
use crate::run::object::reference::Reference;
use crate::run::object::{Kind, Object, Relocation};
use crate::run::pool::Pool;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

/// A section of an object that becomes part of the image.
#[derive(Clone)]
pub(crate) struct Piece {
    pub(crate) object: Arc<Object>,
    pub(crate) section: usize,
}

impl Piece {
    pub(crate) fn kind(&self) -> Kind {
        self.object.sections[self.section].kind
    }

    /// Whether it is a thread-local that does not begin as zero.
    pub(crate) fn has_first_value(&self) -> bool {
        self.kind() == Kind::ThreadLocal
            && (self.object.relocations(self.section).next().is_some()
                || self
                    .object
                    .content(self.section)
                    .iter()
                    .any(|byte| *byte != 0))
    }
}

/// What the symbol of a relocation stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Base {
    /// An address in the process.
    At(u64),
    /// A distance from the thread pointer.
    Thread(i64),
    /// This far into a piece.
    In(usize, i64),
    /// A name that the dynamic linker knows.
    Dynamic(usize),
    /// A weak name that nobody defines.
    Missing,
}

/// What the image is made of.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) pieces: Vec<Piece>,
    index: HashMap<(usize, usize), usize>,
    /// Names to be asked the dynamic linker for.
    pub(crate) dynamic: Vec<String>,
    dynamic_index: HashMap<String, usize>,
    /// What stands in the table of addresses.
    pub(crate) table: Vec<Base>,
    table_index: HashMap<Base, usize>,
    /// Calls that need a stub, because their target may be anywhere.
    pub(crate) stubs: Vec<usize>,
    /// For each piece, the bases of its relocations, in their order.
    pub(crate) bases: Vec<Vec<Base>>,
}

/// Where things are found.
pub(crate) struct Sources<'a> {
    pub(crate) names: &'a Names,
    /// What the process has under these names is not what is meant: for local
    /// symbols with their file.
    pub(crate) newer: &'a HashSet<(String, String)>,
    pub(crate) pool: &'a mut Pool,
    /// The objects of the newest builds.
    pub(crate) objects: &'a [Arc<Object>],
    /// Where in the process images can be.
    pub(crate) area: Range<u64>,
}

impl Sources<'_> {
    /// Where the process has what a symbol of `object` means.
    pub(super) fn place(&self, object: &Object, symbol: usize) -> Option<Place> {
        let (file, name) = key(object, symbol);
        let is_newer =
            !self.newer.is_empty() && self.newer.contains(&(file.to_owned(), name.to_owned()));
        self.names.find(object, symbol).filter(|_| !is_newer)
    }
}

impl Plan {
    /// An image with these sections in it.
    pub(crate) fn new(roots: &[Piece], sources: &mut Sources<'_>) -> Result<Self, String> {
        let mut plan = Self::default();
        for root in roots {
            plan.piece(&root.object, root.section);
        }
        let mut exceptions: HashMap<*const Object, HashMap<usize, usize>> = HashMap::new();
        let mut next = 0;
        while let Some(piece) = plan.pieces.get(next).cloned() {
            let mut bases = Vec::new();
            for relocation in piece.object.relocations(piece.section) {
                let base = plan.base(&piece, &relocation, sources)?;
                plan.need(&piece, &relocation, base, &sources.area);
                bases.push(base);
            }
            plan.bases.push(bases);
            // The tables of exceptions are reached from the call frames.
            let tables = exceptions
                .entry(Arc::as_ptr(&piece.object))
                .or_insert_with(|| super::frames::exception_tables(&piece.object));
            if let Some(table) = tables.get(&piece.section) {
                plan.piece(&piece.object, *table);
            }
            next += 1;
        }
        Ok(plan)
    }

    /// The machine that all of it is for.
    pub(crate) fn machine(&self) -> Result<Machine, String> {
        let mut machines = self.pieces.iter().map(|piece| piece.object.machine);
        let first = machines.next().ok_or("an image of nothing")?;
        match machines.all(|machine| machine == first) {
            true => Ok(first),
            false => Err("objects of several machines are mixed".to_owned()),
        }
    }

    /// The number of a section's piece, which becomes part of the image.
    fn piece(&mut self, object: &Arc<Object>, section: usize) -> usize {
        let key = (Arc::as_ptr(object) as usize, section);
        *self.index.entry(key).or_insert_with(|| {
            self.pieces.push(Piece {
                object: Arc::clone(object),
                section,
            });
            self.pieces.len() - 1
        })
    }

    /// The number of a section's piece, if it is part of the image.
    pub(crate) fn piece_of(&self, object: &Arc<Object>, section: usize) -> Option<usize> {
        let key = (Arc::as_ptr(object) as usize, section);
        self.index.get(&key).copied()
    }

    /// What the symbol of `relocation` stands for.
    fn base(
        &mut self,
        piece: &Piece,
        relocation: &Relocation,
        sources: &mut Sources<'_>,
    ) -> Result<Base, String> {
        let object = &piece.object;
        let symbol = &object.symbols[relocation.symbol];
        match object.reference(piece.section, relocation) {
            Reference::Private { section, .. } => {
                let piece = self.piece(object, section);
                Ok(Base::In(piece, symbol.value as i64))
            }
            Reference::Named { symbol: named } => {
                let found = &object.symbols[named];
                // From the named symbol to the one that the relocation names.
                let delta = if symbol.is_private {
                    symbol.value as i64 - found.value as i64
                } else {
                    0
                };
                Ok(match self.named(object, named, sources)? {
                    Base::At(at) => Base::At(at.wrapping_add_signed(delta)),
                    Base::Thread(at) => Base::Thread(at + delta),
                    Base::In(piece, at) => Base::In(piece, at + delta),
                    other => other,
                })
            }
        }
    }

    fn named(
        &mut self,
        object: &Arc<Object>,
        symbol: usize,
        sources: &mut Sources<'_>,
    ) -> Result<Base, String> {
        if let Some(place) = sources.place(object, symbol) {
            return Ok(match place {
                Place::At(at) => Base::At(at),
                Place::Thread(at) => Base::Thread(at),
            });
        }
        let found = &object.symbols[symbol];
        if let Some(section) = found.section {
            return Ok(Base::In(self.piece(object, section), found.value as i64));
        }
        let name = object.symbol_name(symbol);
        if name.is_empty() {
            return Ok(Base::Missing);
        }
        if let Some((other, symbol)) = sources.pool.find(name, sources.objects.iter())? {
            let found = &other.symbols[symbol];
            if let Some(section) = found.section {
                return Ok(Base::In(self.piece(&other, section), found.value as i64));
            }
        }
        Ok(Base::Dynamic(self.dynamic(name)))
    }

    fn dynamic(&mut self, name: &str) -> usize {
        if let Some(known) = self.dynamic_index.get(name) {
            return *known;
        }
        self.dynamic.push(name.to_owned());
        self.dynamic_index
            .insert(name.to_owned(), self.dynamic.len() - 1);
        self.dynamic.len() - 1
    }

    /// Makes room for what a relocation needs besides its own field.
    fn need(&mut self, piece: &Piece, relocation: &Relocation, base: Base, area: &Range<u64>) {
        match piece.object.machine.need(relocation.kind) {
            Need::Entry => {
                self.entry(base);
            }
            Need::Stub if piece.kind() == Kind::Text && !self.is_thread_call(base) => {
                let reach = piece.object.machine.branch_reach();
                let is_far = match base {
                    Base::Dynamic(_) => true,
                    Base::At(at) => at.abs_diff(area.start).max(at.abs_diff(area.end)) >= reach,
                    _ => false,
                };
                if is_far {
                    let entry = self.entry(base);
                    if !self.stubs.contains(&entry) {
                        self.stubs.push(entry);
                    }
                }
            }
            Need::Stub | Need::Nothing => {}
        }
    }

    /// Whether it is the function that a thread-local's address is asked of
    /// (x86-64): calls of it are taken out.
    pub(crate) fn is_thread_call(&self, base: Base) -> bool {
        self.dynamic_name(base) == Some("__tls_get_addr")
    }

    /// The entry of the table of addresses for `base`.
    pub(crate) fn entry(&mut self, base: Base) -> usize {
        *self.table_index.entry(base).or_insert_with(|| {
            self.table.push(base);
            self.table.len() - 1
        })
    }

    pub(crate) fn entry_of(&self, base: Base) -> Option<usize> {
        self.table_index.get(&base).copied()
    }

    pub(crate) fn dynamic_name(&self, base: Base) -> Option<&str> {
        match base {
            Base::Dynamic(name) => Some(&self.dynamic[name]),
            _ => None,
        }
    }
}
