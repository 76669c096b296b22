//! Types as debug information describes them.

use gimli::constants as dw;

use super::reader::{Entry, Reader};

/// A type of a function's parameter, result or captured argument.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct Type {
    /// Its name with its path and all of its generic arguments, those included
    /// that are defaults: `alloc::vec::Vec<u8, alloc::alloc::Global>`.
    pub(crate) name: String,
    /// How many bytes a value has, if that is told.
    pub(crate) size: Option<u64>,
    /// Whether the compiler was rustc, which writes names as Rust does.
    pub(crate) is_rust: bool,
}

impl Type {
    /// The type that functions without a result return.
    pub(super) fn unit() -> Type {
        Type {
            name: "()".to_owned(),
            size: Some(0),
            is_rust: true,
        }
    }

    pub(super) fn of<'a>(reader: &Reader<'a>, entry: &Entry<'a>) -> Type {
        let root = reader.root(entry);
        Type {
            name: name(reader, entry, DEPTH),
            size: size(reader, entry, DEPTH),
            is_rust: root.is_some_and(|root| Entry::is_rust(&root)),
        }
    }
}

/// How deep types are followed; only damaged information goes deeper.
const DEPTH: usize = 32;

fn name<'a>(reader: &Reader<'a>, entry: &Entry<'a>, depth: usize) -> String {
    let Some(depth) = depth.checked_sub(1) else {
        return "?".to_owned();
    };
    let inner = || {
        let inner = reader.referred(entry, dw::DW_AT_type);
        inner.map_or_else(|| "void".to_owned(), |inner| name(reader, &inner, depth))
    };
    if let Some(own) = reader.name(entry) {
        return path(reader, entry, own);
    }
    match entry.tag() {
        dw::DW_TAG_array_type => match count(reader, entry) {
            Some(count) => format!("[{}; {count}]", inner()),
            None => format!("[{}; ?]", inner()),
        },
        dw::DW_TAG_pointer_type => format!("{} *", inner()),
        dw::DW_TAG_const_type => format!("const {}", inner()),
        dw::DW_TAG_volatile_type | dw::DW_TAG_restrict_type => inner(),
        _ => "?".to_owned(),
    }
}

/// `name` with the namespaces and types around it.
fn path<'a>(reader: &Reader<'a>, entry: &Entry<'a>, name: &str) -> String {
    let is_path = matches!(
        entry.tag(),
        dw::DW_TAG_structure_type
            | dw::DW_TAG_enumeration_type
            | dw::DW_TAG_union_type
            | dw::DW_TAG_class_type
            | dw::DW_TAG_typedef
    );
    let around = reader.around(entry).filter(|_| is_path).unwrap_or_default();
    let mut path = String::new();
    for one in around {
        let is_part = matches!(
            one.tag(),
            dw::DW_TAG_namespace
                | dw::DW_TAG_structure_type
                | dw::DW_TAG_enumeration_type
                | dw::DW_TAG_union_type
                | dw::DW_TAG_class_type
        );
        if let Some(part) = reader.name(&one).filter(|_| is_part) {
            path.push_str(part);
            path.push_str("::");
        }
    }
    path + name
}

fn size<'a>(reader: &Reader<'a>, entry: &Entry<'a>, depth: usize) -> Option<u64> {
    let depth = depth.checked_sub(1)?;
    if let Some(size) = entry.number(dw::DW_AT_byte_size) {
        return Some(size);
    }
    let inner = || size(reader, &reader.referred(entry, dw::DW_AT_type)?, depth);
    match entry.tag() {
        // The machines that midair knows have pointers of eight bytes.
        dw::DW_TAG_pointer_type | dw::DW_TAG_reference_type => Some(8),
        dw::DW_TAG_array_type => inner()?.checked_mul(count(reader, entry)?),
        dw::DW_TAG_typedef
        | dw::DW_TAG_const_type
        | dw::DW_TAG_volatile_type
        | dw::DW_TAG_restrict_type => inner(),
        _ => None,
    }
}

/// How many elements an array has.
fn count<'a>(reader: &Reader<'a>, array: &Entry<'a>) -> Option<u64> {
    let children = reader.children(array)?;
    let mut ranges = children
        .iter()
        .filter(|child| child.tag() == dw::DW_TAG_subrange_type);
    let range = ranges.next()?;
    let count = range.number(dw::DW_AT_count);
    count.or_else(|| range.number(dw::DW_AT_upper_bound)?.checked_add(1))
}
