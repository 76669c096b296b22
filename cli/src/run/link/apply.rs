//! References are filled in.

use super::plan::{Base, Plan};
use crate::run::machine::{Field, Machine, Need, Unfit};
use crate::run::object::Relocation;
use std::collections::HashMap;

/// Where everything is.
pub(crate) struct Resolver<'a> {
    pub(crate) plan: &'a Plan,
    /// The address of the image.
    pub(crate) start: u64,
    /// The address of each piece; of a thread-local one, its distance from the
    /// thread pointer.
    pub(crate) pieces: Vec<u64>,
    pub(crate) is_thread_local: Vec<bool>,
    /// What the dynamic linker said.
    pub(crate) dynamic: Vec<u64>,
    /// Where the table of addresses is.
    pub(crate) table: u64,
    /// Where the stub for an entry of the table is.
    pub(crate) stubs: HashMap<usize, u64>,
}

impl Resolver<'_> {
    /// An address, or a distance from the thread pointer.
    pub(crate) fn value(&self, base: Base) -> u64 {
        match base {
            Base::At(at) => at,
            Base::Thread(at) => at as u64,
            Base::In(piece, at) => self.pieces[piece].wrapping_add_signed(at),
            Base::Dynamic(name) => self.dynamic[name],
            Base::Missing => 0,
        }
    }

    /// The table of addresses.
    pub(crate) fn table_bytes(&self) -> Vec<u8> {
        let values = self
            .plan
            .table
            .iter()
            .map(|base| self.value(*base).to_le_bytes());
        values.flatten().collect()
    }

    fn entry(&self, base: Base) -> Option<u64> {
        let entry = self.plan.entry_of(base)?;
        Some(self.table + 8 * entry as u64)
    }
}

/// Fills in one reference in `bytes`, which stand at `at`.
pub(crate) fn fill(
    machine: Machine,
    bytes: &mut [u8],
    at: u64,
    relocation: &Relocation,
    base: Base,
    resolver: &Resolver<'_>,
) -> Result<(), String> {
    let here = at.wrapping_add(relocation.offset);
    let plan = resolver.plan;
    let value = match machine.need(relocation.kind) {
        // The call that a thread-local's address took is gone.
        Need::Entry | Need::Stub if plan.is_thread_call(base) => return Ok(()),
        Need::Entry => resolver
            .entry(base)
            .ok_or("an address without an entry in the table")?,
        Need::Stub => {
            let stub = plan
                .entry_of(base)
                .and_then(|entry| resolver.stubs.get(&entry));
            stub.copied().unwrap_or_else(|| resolver.value(base))
        }
        Need::Nothing => resolver.value(base),
    };
    let filled = machine.fill(Field {
        kind: relocation.kind,
        bytes,
        offset: relocation.offset as usize,
        here,
        value,
        addend: relocation.addend,
    });
    filled.map_err(|unfit| match unfit {
        Unfit::Unknown(kind) => format!("a relocation of type {} is not known", kind.0),
        Unfit::Reach => {
            let name = plan.dynamic_name(base).unwrap_or("something");
            format!("{name} at {value:#x} from {here:#x} is out of reach")
        }
        Unfit::Outside => "a relocation outside of its section".to_owned(),
        Unfit::Instructions => {
            "a thread-local is reached by instructions that are not known".to_owned()
        }
    })
}
