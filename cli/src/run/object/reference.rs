//! What a relocation means, beyond the symbol that it names.
//!
//! The assembler writes references to local symbols as section plus offset. So a
//! relocation that names a section may mean a function, a static or a place
//! within private data, and these are treated differently: what has a name exists
//! once in a process and keeps its address, what has none belongs to the code
//! that refers to it.

use super::{Kind, Object, Relocation};
use object::elf::RelocationType;

/// What is referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// Something with a name, here or elsewhere.
    Named { symbol: usize },
    /// A place in a section that is reached only from this object: private data,
    /// or the inside of a function (a jump table's).
    Private { section: usize, offset: i64 },
}

impl Object {
    /// What `relocation`, which stands in `from`, refers to.
    pub(crate) fn reference(&self, from: usize, relocation: &Relocation) -> Reference {
        let symbol = &self.symbols[relocation.symbol];
        let Some(section) = symbol.section.filter(|_| symbol.is_private) else {
            return Reference::Named {
                symbol: relocation.symbol,
            };
        };
        let offset = (symbol.value as i64).wrapping_add(self.aim(from, relocation));
        match self.named_at(from, section, offset, relocation.kind) {
            Some(symbol) => Reference::Named { symbol },
            None => Reference::Private { section, offset },
        }
    }

    /// The addend, less what an instruction's displacement is counted from.
    fn aim(&self, from: usize, relocation: &Relocation) -> i64 {
        let is_code = self.sections[from].kind == Kind::Text;
        let bias = if is_code {
            self.machine.bias(relocation.kind)
        } else {
            0
        };
        relocation.addend.wrapping_add(bias)
    }

    fn named_at(
        &self,
        from: usize,
        section: usize,
        offset: i64,
        kind: RelocationType,
    ) -> Option<usize> {
        let target = self.sections.get(section)?;
        let mut named = target.named.iter().copied();
        if target.kind == Kind::Text {
            // A jump table's entries count from the table.
            let is_table = self.sections[from].kind != Kind::Text && !self.machine.is_address(kind);
            return named
                .find(|symbol| self.symbols[*symbol].value as i64 == offset)
                .filter(|_| !is_table);
        }
        // An instruction with an immediate counts from behind it: the offset may
        // be too small by up to four, so what is asked is where the section is.
        named
            .clone()
            .find(|symbol| {
                let symbol = &self.symbols[*symbol];
                let start = symbol.value as i64;
                (start..start + (symbol.size as i64).max(1)).contains(&offset)
            })
            .or_else(|| named.next().filter(|_| target.named.len() == 1))
    }
}
