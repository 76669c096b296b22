//! What a section says, whatever its private data are called.
//!
//! Two versions of a function mean the same if their bytes are the same, apart
//! from what the linker fills in, and they refer to the same names and to private
//! data of the same meaning. Private data have numbers for names that change with
//! every edit, so they are compared by content.
//!
//! A panic's location (file, line, column) is such private data. It changes with
//! every line that is added above, which is worth telling apart: so there are two
//! meanings, one of which leaves out lines and columns.

use super::reference::Reference;
use super::{Kind, Merged, Object};
use std::collections::HashMap;

/// How deep private data may refer to private data. What is deeper counts as different.
const DEEPEST: usize = 500;
/// A location: where the file's name is, its length, line and column.
const LOCATION: u64 = 24;

/// Which meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    Kept,
    LeftOut,
}

/// What `section` of `object` says, as bytes that can be compared. `called` says
/// what a symbol is called in both objects, if it was renamed.
pub(crate) fn meaning(
    object: &Object,
    section: usize,
    lines: Lines,
    called: &HashMap<String, String>,
) -> Vec<u8> {
    let mut writer = Writer {
        object,
        lines,
        called,
        said: Vec::new(),
        inside: Vec::new(),
    };
    writer.section(section);
    writer.said
}

struct Writer<'a> {
    object: &'a Object,
    lines: Lines,
    called: &'a HashMap<String, String>,
    said: Vec<u8>,
    /// The sections that are being told.
    inside: Vec<usize>,
}

impl Writer<'_> {
    fn section(&mut self, section: usize) {
        let depth = self.inside.iter().rposition(|inside| *inside == section);
        if let Some(depth) = depth {
            self.number(1, depth as u64);
            return;
        }
        if self.inside.len() == DEEPEST {
            self.number(2, std::ptr::from_ref(self.object) as u64);
            return;
        }
        self.inside.push(section);
        let object = self.object;
        let mut bytes = object.content(section).to_vec();
        for relocation in object.relocations(section) {
            let offset = relocation.offset as usize;
            object.machine.clear(relocation.kind, &mut bytes, offset);
        }
        if self.lines == Lines::LeftOut && self.is_location(section) {
            bytes[16..].fill(0);
        }
        self.number(3, object.sections[section].size);
        self.said.extend(&bytes);
        for relocation in object.relocations(section) {
            self.number(u64::from(relocation.kind.0), relocation.offset);
            match object.reference(section, &relocation) {
                Reference::Named { symbol } => {
                    let at = object.symbols[symbol].value as i64;
                    let from = &object.symbols[relocation.symbol];
                    let delta = (from.value as i64) + relocation.addend
                        - if from.is_private {
                            at
                        } else {
                            from.value as i64
                        };
                    self.number(4, delta as u64);
                    let name = object.symbol_name(symbol);
                    let name = self.called.get(name).map_or(name, String::as_str);
                    self.said.extend(name.as_bytes());
                    self.said.push(0);
                }
                Reference::Private { section, offset } => self.private(section, offset),
            }
        }
        self.inside.pop();
    }

    fn private(&mut self, section: usize, offset: i64) {
        let target = &self.object.sections[section];
        let content = self.object.content(section);
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|at| content.get(at..));
        match (target.merged, rest) {
            (Some(Merged::Strings), Some(rest)) => {
                let end = rest.iter().position(|byte| *byte == 0);
                self.number(5, end.unwrap_or(rest.len()) as u64);
                self.said.extend(&rest[..end.unwrap_or(rest.len())]);
            }
            (Some(Merged::Pieces(len)), Some(rest)) => {
                let len = rest.len().min(len as usize);
                self.number(6, len as u64);
                self.said.extend(&rest[..len]);
            }
            _ => {
                self.number(7, offset as u64);
                self.section(section);
            }
        }
    }

    /// Whether this is the location of something that can panic.
    fn is_location(&self, section: usize) -> bool {
        let object = self.object;
        let found = &object.sections[section];
        if found.kind != Kind::Constant || found.size != LOCATION || !found.named.is_empty() {
            return false;
        }
        let mut relocations = object.relocations(section);
        let (Some(first), None) = (relocations.next(), relocations.next()) else {
            return false;
        };
        let Reference::Private {
            section: name,
            offset,
        } = object.reference(section, &first)
        else {
            return false;
        };
        let len = object.content(section)[8..16]
            .try_into()
            .map(u64::from_le_bytes);
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let text = object.content(name).get(start..);
        let text = text.and_then(|text| text.get(..len.unwrap_or_default() as usize));
        first.offset == 0
            && text.is_some_and(|text| text.strip_suffix(b"\0").unwrap_or(text).ends_with(b".rs"))
    }

    fn number(&mut self, tag: u64, number: u64) {
        self.said.extend(tag.to_le_bytes());
        self.said.extend(number.to_le_bytes());
    }
}
