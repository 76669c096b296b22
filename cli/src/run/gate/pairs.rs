//! Types of an old and a new codegen unit, two and two.
//!
//! Two types of one path are compared by themselves: kind, size, alignment,
//! fields, variants, numbers; and the *names* of the types in them. What those
//! are is another pair. So a comparison walks over pairs, through pointers and
//! generic arguments too, and each pair is looked at once.
//!
//! If a type differs only in numbers because one that it contains differs,
//! the one inside is the *cause*, and the only one that is spoken of.

use super::closures::Closures;
use super::differences;
use super::names::Side;
use super::unit::{Kind, Role, ScopeId, Type, TypeId, Unit};
use super::verdict::{Change, Layout};
use std::collections::HashMap;

/// An index into [`Pairs::nodes`].
pub(super) type NodeId = u32;

/// What two types have in common, and what not.
#[derive(Default)]
pub(super) struct Difference {
    /// All differences of the two by themselves.
    pub(super) changes: Vec<Change>,
    /// More than numbers differs, so no other type can be the cause.
    pub(super) structural: bool,
    /// The types that both contain or refer to, and whether they contain them.
    pub(super) edges: Vec<(TypeId, TypeId, bool)>,
}

pub(super) struct Node {
    pub(super) old: TypeId,
    pub(super) new: TypeId,
    pub(super) difference: Difference,
    /// A closure that is perhaps another one.
    pub(super) renumbered: bool,
    /// This pair or one that it contains differs.
    differs: Option<bool>,
    /// Nothing that can be reached from here differs.
    clean: bool,
    /// The last walk that came by.
    seen: u32,
}

pub(super) struct Pairs<'a> {
    pub(super) old: &'a Unit,
    pub(super) new: &'a Unit,
    pub(super) sides: (&'a Side<'a>, &'a Side<'a>),
    closures: &'a Closures,
    pub(super) nodes: Vec<Node>,
    /// The number of walks.
    walk: u32,
    /// For each new type the old one that it was first compared with. That is
    /// the only one, but for names that several types have.
    first: Vec<Option<(TypeId, NodeId)>>,
    others: HashMap<(TypeId, TypeId), NodeId>,
}

impl<'a> Pairs<'a> {
    pub(super) fn new(
        old: &'a Unit,
        new: &'a Unit,
        sides: (&'a Side<'a>, &'a Side<'a>),
        closures: &'a Closures,
    ) -> Self {
        Self {
            old,
            new,
            sides,
            closures,
            nodes: Vec::new(),
            walk: 0,
            first: vec![None; new.types.len()],
            others: HashMap::new(),
        }
    }

    /// Whether two types have one path.
    pub(super) fn same_name(&self, old: Option<TypeId>, new: Option<TypeId>) -> bool {
        match (old, new) {
            (None, None) => true,
            (Some(a), Some(b)) => self.same_path(self.old.ty(a), self.new.ty(b)),
            _ => false,
        }
    }

    fn same_path(&self, a: &Type, b: &Type) -> bool {
        if a.name.len == 0 || b.name.len == 0 {
            let lengths = |unit: &Unit, ty: &Type| {
                let parts = unit.parts(ty.parts);
                parts.map(|part| part.value).collect::<Vec<_>>()
            };
            return a.name.len == b.name.len
                && a.kind == b.kind
                && self.same_name(a.target, b.target)
                && lengths(self.old, a) == lengths(self.new, b);
        }
        if a.hash != b.hash {
            return false;
        }
        if a.numbered || b.numbered {
            let (old, new) = self.sides;
            return old.path(self.old, a.scope, a.name) == new.path(self.new, b.scope, b.name);
        }
        self.old.text(a.name) == self.new.text(b.name)
    }

    pub(super) fn old_path(&self, id: Option<TypeId>) -> String {
        path(self.sides.0, self.old, id)
    }

    pub(super) fn new_path(&self, id: Option<TypeId>) -> String {
        path(self.sides.1, self.new, id)
    }

    /// The pair of two types, compared if it is new.
    pub(super) fn node(&mut self, old: TypeId, new: TypeId) -> NodeId {
        match self.first[new as usize] {
            Some((other, known)) if other == old => return known,
            Some(_) => {
                if let Some(&known) = self.others.get(&(old, new)) {
                    return known;
                }
            }
            None => {}
        }
        let difference = differences::between(self, old, new);
        let renumbered = self.closures.any() && self.renumbered(new);
        let id = self.nodes.len() as NodeId;
        self.nodes.push(Node {
            old,
            new,
            difference,
            renumbered,
            differs: None,
            clean: false,
            seen: 0,
        });
        match &mut self.first[new as usize] {
            Some(_) => drop(self.others.insert((old, new), id)),
            first => *first = Some((old, id)),
        }
        id
    }

    fn renumbered(&self, new: TypeId) -> bool {
        let ty = self.new.ty(new);
        let side = self.sides.1;
        self.closures
            .renumbered(side, self.new, ty.scope, self.new.text(ty.name))
            .is_some()
    }

    /// Whether the pair, or one that it contains, differs.
    fn differs(&mut self, id: NodeId) -> bool {
        let node = &mut self.nodes[id as usize];
        if let Some(known) = node.differs {
            return known;
        }
        // What contains itself does not exist; damaged input must not hang.
        node.differs = Some(false);
        let differs = !node.difference.changes.is_empty() || node.renumbered;
        let differs = differs || self.contains_difference(id);
        self.nodes[id as usize].differs = Some(differs);
        differs
    }

    fn contains_difference(&mut self, id: NodeId) -> bool {
        for index in 0..self.nodes[id as usize].difference.edges.len() {
            let (old, new, contained) = self.nodes[id as usize].difference.edges[index];
            if contained {
                let inner = self.node(old, new);
                if self.differs(inner) {
                    return true;
                }
            }
        }
        false
    }

    /// Whether the pair differs, and not because of one that it contains.
    pub(super) fn is_cause(&mut self, id: NodeId) -> bool {
        let node = &self.nodes[id as usize];
        if node.renumbered {
            return true;
        }
        if node.difference.changes.is_empty() {
            return false;
        }
        node.difference.structural || !self.contains_difference(id)
    }

    /// All causes that can be reached from some pairs.
    pub(super) fn causes(&mut self, roots: &[NodeId]) -> Vec<NodeId> {
        self.walk += 1;
        let mut seen = Vec::new();
        let mut waiting = roots.to_vec();
        let mut found = Vec::new();
        while let Some(id) = waiting.pop() {
            let node = &mut self.nodes[id as usize];
            if node.clean || node.seen == self.walk {
                continue;
            }
            node.seen = self.walk;
            seen.push(id);
            if self.is_cause(id) {
                found.push(id);
            }
            for index in 0..self.nodes[id as usize].difference.edges.len() {
                let (old, new, _) = self.nodes[id as usize].difference.edges[index];
                waiting.push(self.node(old, new));
            }
        }
        if found.is_empty() {
            for id in seen {
                self.nodes[id as usize].clean = true;
            }
        }
        found.sort_unstable();
        found
    }

    pub(super) fn layouts(&self, id: NodeId) -> (Layout, Layout) {
        let node = &self.nodes[id as usize];
        let layout = |ty: &Type| Layout {
            size: ty.size.unwrap_or(0),
            align: ty.align,
        };
        (layout(self.old.ty(node.old)), layout(self.new.ty(node.new)))
    }

    /// The closure or future that the new type is, or whose state it is.
    pub(super) fn environment(&self, id: NodeId) -> Option<Environment> {
        let ty = self.new.ty(self.nodes[id as usize].new);
        environment(self.sides.1, self.new, ty)
    }
}

/// What a closure or a future keeps.
pub(super) struct Environment {
    /// Its path.
    pub(super) path: String,
    /// It is a future or another coroutine.
    pub(super) is_coroutine: bool,
    /// The suspend point or other state, if the type is that.
    pub(super) state: Option<String>,
}

pub(super) fn environment(side: &Side<'_>, unit: &Unit, ty: &Type) -> Option<Environment> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let name = unit.text(ty.name);
    if is_environment(name) {
        return Some(Environment {
            path: text(&side.path(unit, ty.scope, ty.name)),
            is_coroutine: !name.starts_with(b"{closure_env#"),
            state: None,
        });
    }
    let around = ty.scope?;
    let scope = &unit.scopes[around as usize];
    (scope.is_type && is_environment(unit.text(scope.name))).then(|| Environment {
        path: text(&side.path(unit, scope.parent, scope.name)),
        is_coroutine: true,
        state: Some(text(name)),
    })
}

/// `{closure_env#0}`, `{async_fn_env#0}`, `{async_block_env#1}<u32>`…
pub(super) fn is_environment(name: &[u8]) -> bool {
    number(name, b"_env#").is_some()
}

/// The N of `{…marker N}`.
pub(super) fn number(name: &[u8], marker: &[u8]) -> Option<u32> {
    let inner = name.strip_prefix(b"{")?;
    let at = memchr::memmem::find(inner, marker)?;
    let word = &inner[..at];
    if !word.iter().all(|b| b.is_ascii_alphabetic() || *b == b'_') {
        return None;
    }
    let digits = &inner[at + marker.len()..];
    let end = digits.iter().position(|b| *b == b'}')?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

fn path(side: &Side<'_>, unit: &Unit, id: Option<TypeId>) -> String {
    match id {
        None => "()".to_owned(),
        Some(id) => String::from_utf8_lossy(&side.type_path(unit, id)).into_owned(),
    }
}

/// The size of a type, as far as it says it.
pub(super) fn size(unit: &Unit, id: Option<TypeId>) -> u64 {
    let Some(id) = id else {
        return 0;
    };
    let ty = unit.ty(id);
    match ty.kind {
        Kind::Pointer => ty.size.unwrap_or(8),
        Kind::Array => {
            let lengths = unit
                .parts(ty.parts)
                .filter(|part| part.role == Role::Length);
            let count: i128 = lengths.map(|part| part.value.unwrap_or(0)).product();
            size(unit, ty.target).saturating_mul(u64::try_from(count).unwrap_or(0))
        }
        _ => ty.size.unwrap_or(0),
    }
}

/// The scopes from one to the outermost.
pub(super) fn ancestors(unit: &Unit, scope: Option<ScopeId>) -> impl Iterator<Item = ScopeId> {
    std::iter::successors(scope, |scope| unit.scopes[*scope as usize].parent)
}
