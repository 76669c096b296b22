//! A linker for what an edit changes.
//!
//! It makes an image of the changed functions and of what only they refer to, at
//! a given address. Whatever the process has keeps its address: a reference to it
//! leads to the original, so that statics keep their values and function pointers
//! their identity. (An original function that was changed begins with a jump.)
//!
//! - [`plan`]: which sections are needed, and what each reference means.
//! - [`layout`]: where they go.
//! - [`apply`]: references are filled in.
//! - [`frames`]: what unwinders need.
//! - [`threads`]: thread-locals that do not begin as zero.
//! - [`debug`]: what debuggers and backtraces need.
//! - [`file`]: all of it as an ELF file.

mod apply;
mod debug;
mod file;
mod frames;
mod layout;
pub(crate) mod plan;
mod threads;

use super::names::Place;
use super::object::{Kind, Object};
use super::process::Agent;
use apply::Resolver;
use frames::Frames;
use layout::{Layout, Sizes};
use midair::reload::protocol::{Contents, EDIT_SECTION, Span};
use plan::{Base, Piece, Plan, Sources};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// A linked image, not loaded yet.
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    pub(crate) at: u64,
    pub(crate) len: u64,
    plan: Plan,
    addresses: Vec<u64>,
    layout: Layout,
}

/// Links an image with these sections in it. `reserve` says how much of the
/// program's reserve of thread-local memory is in use, and `threads` where a file of
/// thread-local data is written if there are any.
pub(crate) fn link(
    roots: &[Piece],
    sources: &mut Sources<'_>,
    agent: &mut Agent,
    reserve: u64,
    threads: &Path,
) -> Result<Image, String> {
    let plan = Plan::new(roots, sources)?;
    let names = sources.names;
    let frames = Frames::new(&plan, |object, symbol| {
        match names.find(object, symbol)? {
            Place::At(at) => Some(Base::At(at)),
            Place::Thread(at) => Some(Base::Thread(at)),
        }
    })?;
    let machine = plan.machine()?;
    let sizes = Sizes {
        page: agent.hello.page.max(1),
        stub: machine.stub_len(),
        frames: frames.bytes.len() as u64,
        frames_table: frames.table_len() as u64,
    };
    let layout = Layout::new(&plan, sizes, reserve);
    check_reserve(&plan, &layout, agent)?;
    let dynamic = agent.resolve(plan.dynamic.clone())?;
    check_dynamic(&plan, &dynamic)?;
    let at = agent.room(layout.len)?;
    let is_thread_local: Vec<bool> = plan
        .pieces
        .iter()
        .map(|piece| matches!(piece.kind(), Kind::ThreadLocal | Kind::ThreadZeroed))
        .collect();
    let place = |((offset, is_thread_local), piece): ((&u64, &bool), &Piece)| {
        match is_thread_local {
            // Put right below.
            true if piece.has_first_value() => *offset,
            true => offset.wrapping_add_signed(agent.hello.reserve),
            false => at + offset,
        }
    };
    let pieces = layout.pieces.iter().zip(&is_thread_local);
    let addresses: Vec<u64> = pieces.zip(&plan.pieces).map(place).collect();
    let stubs = plan.stubs.iter().enumerate();
    let stubs: HashMap<usize, u64> = stubs
        .map(|(number, entry)| (*entry, at + layout.stubs + sizes.stub * number as u64))
        .collect();
    let mut resolver = Resolver {
        plan: &plan,
        start: at,
        pieces: addresses,
        is_thread_local,
        dynamic,
        table: at + layout.table,
        stubs,
    };
    if layout.thread_data > 0 {
        let bytes = threads::file(machine, &plan, &layout, &resolver)?;
        let distance = threads::give(agent, threads, &bytes)?;
        for (place, piece) in resolver.pieces.iter_mut().zip(&plan.pieces) {
            if piece.has_first_value() {
                *place = place.wrapping_add_signed(distance);
            }
        }
    }
    let mut debug = debug::sections(&plan, &resolver, names);
    let new = new_functions(&plan, &resolver, sources);
    debug.insert(EDIT_SECTION.to_owned(), new);
    let bytes = file::write(machine, &plan, &layout, at, &resolver, frames, &debug)?;
    let addresses = resolver.pieces;
    Ok(Image {
        bytes,
        at,
        len: layout.len,
        plan,
        addresses,
        layout,
    })
}

/// Where in the image the functions are that the process does not have: all others are
/// entered where it has them.
fn new_functions(plan: &Plan, resolver: &Resolver<'_>, sources: &Sources<'_>) -> Vec<u8> {
    let mut new = Vec::new();
    for (piece, at) in plan.pieces.iter().zip(&resolver.pieces) {
        let object = &piece.object;
        for symbol in &object.sections[piece.section].named {
            let found = &object.symbols[*symbol];
            if found.is_function && sources.place(object, *symbol).is_none() {
                new.extend((at - resolver.start + found.value).to_le_bytes());
            }
        }
    }
    new
}

fn check_reserve(plan: &Plan, layout: &Layout, agent: &Agent) -> Result<(), String> {
    let is_thread_local = |kind| matches!(kind, Kind::ThreadLocal | Kind::ThreadZeroed);
    let mut kinds = plan.pieces.iter().map(Piece::kind);
    if kinds.any(is_thread_local) && layout.reserve > agent.hello.reserve_len {
        return Err(format!(
            "there are {} bytes for new thread-locals and {} are needed; start again",
            agent.hello.reserve_len, layout.reserve
        ));
    }
    Ok(())
}

fn check_dynamic(plan: &Plan, addresses: &[u64]) -> Result<(), String> {
    // A weak reference may lead nowhere, and code that makes one asks.
    let is_weak = |name: &str| {
        plan.pieces.iter().any(|piece| {
            let object: &Object = &piece.object;
            (0..object.symbols.len())
                .any(|symbol| object.symbols[symbol].is_weak && object.symbol_name(symbol) == name)
        })
    };
    let missing = plan
        .dynamic
        .iter()
        .zip(addresses)
        .find(|(name, at)| **at == 0 && !is_weak(name));
    match missing {
        Some((name, _)) => Err(format!(
            "`{}` is in no library of the program; start again",
            super::report::path(name)
        )),
        None => Ok(()),
    }
}

impl Image {
    /// Where a section is in the image, if it is part of it.
    pub(crate) fn address(&self, object: &Arc<Object>, section: usize) -> Option<u64> {
        Some(self.addresses[self.plan.piece_of(object, section)?])
    }

    /// A section's bytes as they will be in memory.
    pub(crate) fn linked(&self, piece: &Piece) -> Option<&[u8]> {
        let number = self.plan.piece_of(&piece.object, piece.section)?;
        let start = self.layout.pieces[number] as usize;
        let len = piece.object.content(piece.section).len();
        self.bytes.get(start..start + len)
    }

    /// What is in the image, for the agent; `new` is what the program did not have.
    pub(crate) fn contents(&self, new: Vec<String>) -> Contents {
        let parts = self.layout.parts().into_iter();
        let parts = parts.filter(|part| !part.is_empty()).map(|part| Span {
            start: part.start,
            len: part.end - part.start,
        });
        Contents {
            parts: parts.collect(),
            new,
            stays: String::new(),
        }
    }

    /// How much of the reserve of thread-local memory is in use with it.
    pub(crate) fn reserve(&self) -> u64 {
        self.layout.reserve
    }

    /// Everything in it that has a name, and where it is.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&Arc<Object>, usize, Place)> {
        let pieces = self.plan.pieces.iter().zip(&self.addresses);
        pieces.flat_map(|(piece, at)| {
            let is_thread_local = matches!(piece.kind(), Kind::ThreadLocal | Kind::ThreadZeroed);
            piece.object.sections[piece.section]
                .named
                .iter()
                .map(move |symbol| {
                    let at = at + piece.object.symbols[*symbol].value;
                    let place = if is_thread_local {
                        Place::Thread(at as i64)
                    } else {
                        Place::At(at)
                    };
                    (&piece.object, *symbol, place)
                })
        })
    }
}
