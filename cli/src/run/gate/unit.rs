//! What the debug information of one codegen unit says about types.
//!
//! A flat model of the entries that matter: types with their parts, functions
//! with their parameters, statics. Where a line is, and what a function does,
//! is not in it. A name is a place in the file.

use super::object::Bytes;
use std::collections::HashMap;
use std::sync::OnceLock;

/// A name in the mapped file.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) at: u32,
    pub(super) len: u32,
}

/// An index into [`Unit::types`].
pub(super) type TypeId = u32;
/// An index into [`Unit::scopes`].
pub(super) type ScopeId = u32;

/// What names stand in: a namespace, or a type.
pub(super) struct Scope {
    pub(super) name: Text,
    pub(super) parent: Option<ScopeId>,
    /// Of the path.
    pub(super) hash: u64,
    /// It is a type.
    pub(super) is_type: bool,
    /// An impl is numbered in its path.
    pub(super) numbered: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Base(u8),
    Struct,
    Union,
    Enumeration,
    Pointer,
    Array,
    Function,
    /// An entry that rustc does not write; compared by its name and its target.
    Other(u16),
}

/// A type.
pub(super) struct Type {
    /// Its offset in the unit.
    pub(super) at: u32,
    pub(super) kind: Kind,
    pub(super) name: Text,
    pub(super) scope: Option<ScopeId>,
    pub(super) hash: u64,
    /// An impl is numbered in its path.
    pub(super) numbered: bool,
    pub(super) size: Option<u64>,
    pub(super) align: Option<u64>,
    /// What a pointer points to, what an array is of, what a function returns,
    /// how an enumeration is stored.
    pub(super) target: Option<TypeId>,
    pub(super) parts: Parts,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// A field of a struct or union.
    Field,
    /// The tag of an enum; no name.
    Tag,
    /// A variant of an enum; its type has the fields.
    Variant,
    /// A variant of an enum without fields.
    Enumerator,
    /// A parameter of a function or function pointer.
    Parameter,
    /// A generic argument.
    Argument,
    /// The length of an array.
    Length,
}

/// A part of a type or function.
pub(super) struct Part {
    pub(super) role: Role,
    pub(super) name: Text,
    /// Its type.
    pub(super) of: Option<TypeId>,
    pub(super) offset: u64,
    /// The tag's value, or the length.
    pub(super) value: Option<i128>,
    pub(super) next: u32,
}

/// A list in [`Unit::parts`]. The entries of a type are not contiguous, for
/// other types can be nested in it.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    first: u32,
    last: u32,
}

const NONE: u32 = u32::MAX;
/// How many dimensions an array may have.
const DEEPEST: usize = 64;

impl Parts {
    pub(super) const EMPTY: Self = Self {
        first: NONE,
        last: NONE,
    };
}

/// A function.
pub(super) struct Function {
    pub(super) at: u32,
    pub(super) name: Text,
    /// The symbol, if it is another name.
    pub(super) symbol: Text,
    pub(super) scope: Option<ScopeId>,
    pub(super) returns: Option<TypeId>,
    pub(super) parts: Parts,
    /// The offset of the entry that this one completes.
    pub(super) origin: Option<u32>,
    /// There is code of it in this unit.
    pub(super) has_code: bool,
}

/// A static variable or a vtable.
pub(super) struct Static {
    pub(super) name: Text,
    pub(super) scope: Option<ScopeId>,
    pub(super) of: Option<TypeId>,
    /// Where in `.debug_info` its address is.
    pub(super) address: Option<u64>,
}

/// A codegen unit.
pub(super) struct Unit {
    pub(super) bytes: Bytes,
    pub(super) producer: Text,
    pub(super) scopes: Vec<Scope>,
    /// In the order of their offsets.
    pub(super) types: Vec<Type>,
    parts: Vec<Part>,
    /// In the order of their offsets.
    pub(super) functions: Vec<Function>,
    pub(super) statics: Vec<Static>,
    /// Types by the hash of their paths, made when it is asked for.
    by_path: OnceLock<HashMap<u64, Vec<TypeId>>>,
    /// Functions with code by their symbols, made when it is asked for.
    by_symbol: OnceLock<HashMap<Vec<u8>, u32>>,
}

impl Unit {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self {
            bytes,
            producer: Text::default(),
            scopes: Vec::new(),
            types: Vec::new(),
            parts: Vec::new(),
            functions: Vec::new(),
            statics: Vec::new(),
            by_path: OnceLock::new(),
            by_symbol: OnceLock::new(),
        }
    }

    /// Structs, unions and enums by the hashes of their paths.
    pub(super) fn by_path(&self) -> &HashMap<u64, Vec<TypeId>> {
        self.by_path.get_or_init(|| {
            let mut map: HashMap<u64, Vec<TypeId>> = HashMap::new();
            for (id, ty) in self.types.iter().enumerate() {
                if matches!(ty.kind, Kind::Struct | Kind::Union | Kind::Enumeration) {
                    map.entry(ty.hash).or_default().push(id as TypeId);
                }
            }
            map
        })
    }

    /// Adds a part to the list of an owner.
    pub(super) fn push(parts: &mut Vec<Part>, list: &mut Parts, part: Part) {
        let index = parts.len() as u32;
        parts.push(part);
        if list.first == NONE {
            list.first = index;
        } else {
            parts[list.last as usize].next = index;
        }
        list.last = index;
    }

    pub(super) fn push_to_type(&mut self, id: TypeId, part: Part) {
        Self::push(&mut self.parts, &mut self.types[id as usize].parts, part);
    }

    pub(super) fn push_to_function(&mut self, id: u32, part: Part) {
        Self::push(
            &mut self.parts,
            &mut self.functions[id as usize].parts,
            part,
        );
    }

    pub(super) fn text(&self, text: Text) -> &[u8] {
        let at = text.at as usize;
        &self.bytes.get()[at..at + text.len as usize]
    }

    pub(super) fn parts(&self, list: Parts) -> impl Iterator<Item = &Part> {
        let mut next = list.first;
        std::iter::from_fn(move || {
            let part = self.parts.get(next as usize)?;
            next = part.next;
            Some(part)
        })
    }

    /// Turns references to types from offsets, as they were read, to
    /// indices. One that leads to no type is dropped.
    pub(super) fn resolve(&mut self) {
        let offsets: Vec<u32> = self.types.iter().map(|ty| ty.at).collect();
        let resolve = |at: &mut Option<u32>| {
            let id = at.and_then(|at| offsets.binary_search(&at).ok());
            *at = id.map(|id| id as TypeId);
        };
        self.types.iter_mut().for_each(|t| resolve(&mut t.target));
        self.parts.iter_mut().for_each(|p| resolve(&mut p.of));
        self.functions
            .iter_mut()
            .for_each(|f| resolve(&mut f.returns));
        self.statics.iter_mut().for_each(|s| resolve(&mut s.of));
        // An array that is of itself exists in damaged files only.
        for id in 0..self.types.len() {
            let target = |id: usize| {
                let ty = &self.types[id];
                let follows = ty.kind == Kind::Array || ty.name.len == 0;
                ty.target.filter(|_| follows)
            };
            let chain = std::iter::successors(Some(id), |id| Some(target(*id)? as usize));
            if chain.take(DEEPEST).count() == DEEPEST {
                self.types[id].target = None;
            }
        }
    }

    pub(super) fn ty(&self, id: TypeId) -> &Type {
        &self.types[id as usize]
    }

    pub(super) fn function_at(&self, at: u32) -> Option<&Function> {
        let found = self.functions.binary_search_by_key(&at, |f| f.at);
        found.ok().map(|index| &self.functions[index])
    }

    /// The function with code whose symbol that is.
    pub(super) fn function(&self, symbol: &str) -> Option<&Function> {
        let map = self.by_symbol.get_or_init(|| {
            let with_code = self
                .functions
                .iter()
                .enumerate()
                .filter(|(_, f)| f.has_code);
            with_code
                .map(|(i, f)| (self.symbol(f).to_vec(), i as u32))
                .collect()
        });
        let index = *map.get(symbol.as_bytes())?;
        Some(&self.functions[index as usize])
    }

    /// The entry that says what the function is: its declaration, if it has one.
    pub(super) fn declared<'a>(&'a self, function: &'a Function) -> &'a Function {
        let mut function = function;
        // A declaration of a declaration is as deep as it gets.
        for _ in 0..4 {
            match function.origin.and_then(|at| self.function_at(at)) {
                Some(origin) => function = origin,
                None => break,
            }
        }
        function
    }

    /// Its symbol: the name, if there is no other.
    pub(super) fn symbol(&self, function: &Function) -> &[u8] {
        let own = self.text(function.symbol);
        if !own.is_empty() {
            return own;
        }
        let declared = self.declared(function);
        let symbol = self.text(declared.symbol);
        if symbol.is_empty() {
            self.text(declared.name)
        } else {
            symbol
        }
    }
}

impl Part {
    pub(super) fn new(role: Role) -> Self {
        Self {
            role,
            name: Text::default(),
            of: None,
            offset: 0,
            value: None,
            next: NONE,
        }
    }
}
