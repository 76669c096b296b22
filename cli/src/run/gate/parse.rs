//! From the entries of `.debug_info` to the model of a unit, in one pass.
//!
//! Entries that say nothing about types are skipped by their abbreviation.

use super::elf::{Elf, Section};
use super::error::GateError;
use super::names;
use super::object::Bytes;
use super::unit::{Function, Kind, Part, Parts, Role, Scope, ScopeId, Static, Text, Type, Unit};
use gimli::{
    AttributeSpecification, AttributeValue, DwTag, EndianSlice, EntriesRaw, LittleEndian,
    Reader as _, UnitHeader, constants,
};

type Slice<'d> = EndianSlice<'d, LittleEndian>;

/// What an entry's children belong to.
#[derive(Clone, Copy)]
enum Owner {
    Scope,
    Type(u32),
    /// The variants of an enum.
    Variants(u32),
    Variant(u32, Option<i128>),
    Function(u32),
    /// Nothing of interest.
    Other,
}

/// An entry that is open.
struct Open {
    depth: isize,
    owner: Owner,
    scope: Option<ScopeId>,
}

/// The attributes that matter.
#[derive(Default)]
struct Attributes {
    name: Text,
    symbol: Text,
    producer: Text,
    of: Option<u32>,
    origin: Option<u32>,
    size: Option<u64>,
    align: Option<u64>,
    offset: u64,
    value: Option<i128>,
    encoding: u8,
    has_code: bool,
    address: Option<u64>,
    declaration: bool,
}

struct Parser<'d> {
    bytes: &'d Bytes,
    info: Section<'d>,
    strings: Option<Section<'d>>,
    line_strings: Option<Section<'d>>,
    /// Where the relocated `.debug_info` begins.
    base: *const u8,
}

/// The names of the codegen units of an executable, and their headers. Those
/// of other languages and crates without codegen units have other names.
pub(super) fn names(bytes: &Bytes) -> Result<Vec<(String, usize)>, GateError> {
    with(bytes, |parser, info, abbreviations| {
        let mut found = Vec::new();
        let mut headers = gimli::DebugInfo::from(info).units();
        while let Some(header) = headers.next()? {
            let gimli::UnitSectionOffset(at) = header.offset();
            let table = header.abbreviations(&abbreviations)?;
            let mut entries = header.entries_raw(&table, None)?;
            let Some(abbreviation) = entries.read_abbreviation()? else {
                continue;
            };
            let root = parser.attributes(&mut entries, abbreviation.attributes())?;
            let name = &parser.bytes.get()[root.name.at as usize..][..root.name.len as usize];
            let name = String::from_utf8_lossy(name);
            if let Some((_, name)) = name.rsplit_once("/@/") {
                found.push((name.to_owned(), at));
            }
        }
        Ok(found)
    })
}

/// The unit whose header is there.
pub(super) fn unit(bytes: &Bytes, at: usize) -> Result<Unit, GateError> {
    let mut version = 0;
    let unit = with(bytes, |parser, info, abbreviations| {
        let offset = gimli::DebugInfoOffset(at);
        let header = gimli::DebugInfo::from(info).header_from_offset(offset)?;
        version = header.version();
        let table = header.abbreviations(&abbreviations)?;
        parser.unit(&header, &table)
    })?;
    if version > 4 {
        let path = bytes.path.clone();
        return Err(GateError::Version { path, version });
    }
    Ok(unit)
}

fn with<'d, T>(
    bytes: &'d Bytes,
    read: impl FnOnce(&Parser<'d>, Slice<'_>, gimli::DebugAbbrev<Slice<'d>>) -> Result<T, gimli::Error>,
) -> Result<T, GateError> {
    let elf = Elf::parse(bytes)?;
    let (section, info) = elf.debug_info()?;
    let abbreviations = elf.section(".debug_abbrev")?;
    let parser = Parser {
        bytes,
        info: section,
        strings: elf.section(".debug_str")?,
        line_strings: elf.section(".debug_line_str")?,
        base: info.as_ptr(),
    };
    let abbreviations = abbreviations.map_or(&[][..], |section| section.data);
    let abbreviations = gimli::DebugAbbrev::new(abbreviations, LittleEndian);
    let info = EndianSlice::new(&info, LittleEndian);
    read(&parser, info, abbreviations).map_err(|source| GateError::Dwarf {
        path: bytes.path.clone(),
        source,
    })
}

impl Parser<'_> {
    fn unit(
        &self,
        header: &UnitHeader<Slice<'_>>,
        table: &gimli::Abbreviations,
    ) -> Result<Unit, gimli::Error> {
        let mut unit = Unit::new(self.bytes.clone());
        if header.version() > 4 {
            return Ok(unit);
        }
        let mut entries = header.entries_raw(table, None)?;
        let mut open: Vec<Open> = Vec::new();
        while !entries.is_empty() {
            let depth = entries.next_depth();
            let at = entries.next_offset().0 as u32;
            let Some(abbreviation) = entries.read_abbreviation()? else {
                continue;
            };
            while open.last().is_some_and(|last| last.depth >= depth) {
                open.pop();
            }
            let (parent, scope) = match open.last() {
                Some(last) => (last.owner, last.scope),
                None => (Owner::Scope, None),
            };
            let tag = abbreviation.tag();
            let specs = abbreviation.attributes();
            let (owner, scope) = if matters(tag, parent) {
                let attributes = self.attributes(&mut entries, specs)?;
                self.entry(&mut unit, at, tag, parent, scope, &attributes)
            } else {
                entries.skip_attributes(specs)?;
                (Owner::Other, scope)
            };
            if abbreviation.has_children() {
                open.push(Open {
                    depth,
                    owner,
                    scope,
                });
            }
        }
        unit.resolve();
        Ok(unit)
    }

    /// Notes an entry. Says what its children belong to.
    fn entry(
        &self,
        unit: &mut Unit,
        at: u32,
        tag: DwTag,
        parent: Owner,
        scope: Option<ScopeId>,
        a: &Attributes,
    ) -> (Owner, Option<ScopeId>) {
        let part = |role| Part {
            name: a.name,
            of: a.of,
            offset: a.offset,
            value: a.value,
            ..Part::new(role)
        };
        match (tag, parent) {
            (constants::DW_TAG_compile_unit, _) => {
                unit.producer = a.producer;
                (Owner::Scope, None)
            }
            (constants::DW_TAG_namespace, _) => {
                (Owner::Scope, Some(self.scope(unit, a.name, scope, false)))
            }
            (constants::DW_TAG_variable, _) => {
                unit.statics.push(Static {
                    name: a.name,
                    scope,
                    of: a.of,
                    address: a.address,
                });
                (Owner::Other, scope)
            }
            (constants::DW_TAG_subprogram, _) => {
                unit.functions.push(Function {
                    at,
                    name: a.name,
                    symbol: a.symbol,
                    scope,
                    returns: a.of,
                    parts: Parts::EMPTY,
                    origin: a.origin,
                    has_code: a.has_code && !a.declaration,
                });
                (Owner::Function(unit.functions.len() as u32 - 1), scope)
            }
            (constants::DW_TAG_variant_part, Owner::Type(id)) => (Owner::Variants(id), scope),
            (constants::DW_TAG_variant, Owner::Variants(id)) => {
                (Owner::Variant(id, a.value), scope)
            }
            (constants::DW_TAG_member, Owner::Type(id)) => {
                unit.push_to_type(id, part(Role::Field));
                (Owner::Other, scope)
            }
            (constants::DW_TAG_member, Owner::Variants(id)) => {
                unit.push_to_type(id, part(Role::Tag));
                (Owner::Other, scope)
            }
            (constants::DW_TAG_member, Owner::Variant(id, value)) => {
                let part = Part {
                    value,
                    ..part(Role::Variant)
                };
                unit.push_to_type(id, part);
                (Owner::Other, scope)
            }
            (constants::DW_TAG_enumerator, Owner::Type(id)) => {
                unit.push_to_type(id, part(Role::Enumerator));
                (Owner::Other, scope)
            }
            (constants::DW_TAG_subrange_type, Owner::Type(id)) => {
                let part = Part {
                    name: Text::default(),
                    of: None,
                    ..part(Role::Length)
                };
                unit.push_to_type(id, part);
                (Owner::Other, scope)
            }
            (constants::DW_TAG_formal_parameter, Owner::Type(id)) => {
                unit.push_to_type(id, part(Role::Parameter));
                (Owner::Other, scope)
            }
            (constants::DW_TAG_formal_parameter, Owner::Function(id)) => {
                unit.push_to_function(id, part(Role::Parameter));
                (Owner::Other, scope)
            }
            (constants::DW_TAG_template_type_parameter, Owner::Type(id)) => {
                unit.push_to_type(id, part(Role::Argument));
                (Owner::Other, scope)
            }
            (constants::DW_TAG_template_type_parameter, Owner::Function(id)) => {
                unit.push_to_function(id, part(Role::Argument));
                (Owner::Other, scope)
            }
            _ => match kind(tag, a.encoding) {
                Some(kind) => self.ty(unit, at, kind, scope, a),
                None => (Owner::Other, scope),
            },
        }
    }

    fn ty(
        &self,
        unit: &mut Unit,
        at: u32,
        kind: Kind,
        scope: Option<ScopeId>,
        a: &Attributes,
    ) -> (Owner, Option<ScopeId>) {
        // A type is a scope for its variants; others have no names inside.
        let nests = matches!(kind, Kind::Struct | Kind::Union | Kind::Enumeration);
        let within = nests
            .then(|| self.scope(unit, a.name, scope, true))
            .or(scope);
        let (hash, numbered) = match within {
            Some(within) if nests => {
                let scope = &unit.scopes[within as usize];
                (scope.hash, scope.numbered)
            }
            _ => {
                let name = self.text(a.name);
                (names::hash(0, name), names::numbered(name).is_some())
            }
        };
        unit.types.push(Type {
            at,
            kind,
            name: a.name,
            scope,
            hash,
            numbered,
            size: a.size,
            align: a.align,
            target: a.of,
            parts: Parts::EMPTY,
        });
        (Owner::Type(unit.types.len() as u32 - 1), within)
    }

    fn scope(
        &self,
        unit: &mut Unit,
        name: Text,
        parent: Option<ScopeId>,
        is_type: bool,
    ) -> ScopeId {
        let above = parent.map(|parent| &unit.scopes[parent as usize]);
        let own = self.text(name);
        let scope = Scope {
            name,
            parent,
            hash: names::hash(above.map_or(0, |above| above.hash), own),
            is_type,
            numbered: above.is_some_and(|above| above.numbered) || names::numbered(own).is_some(),
        };
        unit.scopes.push(scope);
        unit.scopes.len() as ScopeId - 1
    }

    fn text(&self, text: Text) -> &[u8] {
        &self.bytes.get()[text.at as usize..][..text.len as usize]
    }

    fn attributes(
        &self,
        entries: &mut EntriesRaw<'_, Slice<'_>>,
        specs: &[AttributeSpecification],
    ) -> Result<Attributes, gimli::Error> {
        let mut a = Attributes::default();
        for spec in specs {
            let attribute = entries.read_attribute_inline(*spec)?;
            let value = attribute.raw_value();
            match attribute.name() {
                constants::DW_AT_name => a.name = self.string(&value)?,
                constants::DW_AT_linkage_name => a.symbol = self.string(&value)?,
                constants::DW_AT_producer => a.producer = self.string(&value)?,
                constants::DW_AT_type => a.of = reference(&value),
                constants::DW_AT_specification | constants::DW_AT_abstract_origin => {
                    a.origin = reference(&value);
                }
                constants::DW_AT_byte_size => a.size = attribute.udata_value(),
                constants::DW_AT_alignment => a.align = attribute.udata_value(),
                constants::DW_AT_data_member_location => {
                    a.offset = attribute.udata_value().unwrap_or(0);
                }
                constants::DW_AT_discr_value
                | constants::DW_AT_const_value
                | constants::DW_AT_count
                | constants::DW_AT_upper_bound => a.value = number(&value),
                constants::DW_AT_encoding => {
                    a.encoding = attribute.udata_value().unwrap_or(0) as u8;
                }
                constants::DW_AT_low_pc | constants::DW_AT_ranges => a.has_code = true,
                constants::DW_AT_declaration => a.declaration = true,
                constants::DW_AT_location => a.address = self.operand(&value),
                _ => {}
            }
        }
        Ok(a)
    }

    /// Where in the file a string is.
    fn string(&self, value: &AttributeValue<Slice<'_>>) -> Result<Text, gimli::Error> {
        let (section, at) = match value {
            AttributeValue::DebugStrRef(at) => (self.strings, at.0),
            AttributeValue::DebugLineStrRef(at) => (self.line_strings, at.0),
            AttributeValue::String(inline) => {
                let at = inline.slice().as_ptr() as usize - self.base as usize;
                return Ok(Text {
                    at: self.info.at + at as u32,
                    len: inline.len() as u32,
                });
            }
            _ => return Ok(Text::default()),
        };
        let section = section.ok_or(gimli::Error::UnexpectedEof(gimli::ReaderOffsetId(0)))?;
        let mut rest = EndianSlice::new(section.data, LittleEndian);
        rest.skip(at)?;
        let text = rest.read_null_terminated_slice()?;
        Ok(Text {
            at: section.at + at as u32,
            len: text.len() as u32,
        })
    }

    /// Where in `.debug_info` the operand of a lone `DW_OP_addr` is.
    fn operand(&self, value: &AttributeValue<Slice<'_>>) -> Option<u64> {
        let bytes = match value {
            AttributeValue::Block(bytes) => bytes.slice(),
            AttributeValue::Exprloc(expression) => expression.0.slice(),
            _ => return None,
        };
        if bytes.len() != 9 || bytes[0] != constants::DW_OP_addr.0 {
            return None;
        }
        Some((bytes.as_ptr() as usize - self.base as usize) as u64 + 1)
    }
}

fn reference(value: &AttributeValue<Slice<'_>>) -> Option<u32> {
    match value {
        AttributeValue::UnitRef(at) => u32::try_from(at.0).ok(),
        _ => None,
    }
}

fn number(value: &AttributeValue<Slice<'_>>) -> Option<i128> {
    match value {
        AttributeValue::Data1(v) => Some((*v).into()),
        AttributeValue::Data2(v) => Some((*v).into()),
        AttributeValue::Data4(v) => Some((*v).into()),
        AttributeValue::Data8(v) => Some((*v).into()),
        AttributeValue::Udata(v) => Some((*v).into()),
        AttributeValue::Sdata(v) => Some((*v).into()),
        AttributeValue::Block(bytes) => {
            let mut wide = [0; 16];
            let len = bytes.len().min(16);
            wide[..len].copy_from_slice(&bytes.slice()[..len]);
            Some(i128::from_le_bytes(wide))
        }
        _ => None,
    }
}

/// Whether an entry says something about types.
fn matters(tag: DwTag, parent: Owner) -> bool {
    match tag {
        // A local variable is nobody else's business.
        constants::DW_TAG_variable => matches!(parent, Owner::Scope),
        constants::DW_TAG_formal_parameter | constants::DW_TAG_template_type_parameter => {
            matches!(parent, Owner::Function(_) | Owner::Type(_))
        }
        constants::DW_TAG_lexical_block
        | constants::DW_TAG_inlined_subroutine
        | constants::DW_TAG_imported_declaration
        | constants::DW_TAG_call_site => false,
        _ => true,
    }
}

fn kind(tag: DwTag, encoding: u8) -> Option<Kind> {
    Some(match tag {
        constants::DW_TAG_base_type => Kind::Base(encoding),
        constants::DW_TAG_structure_type | constants::DW_TAG_class_type => Kind::Struct,
        constants::DW_TAG_union_type => Kind::Union,
        constants::DW_TAG_enumeration_type => Kind::Enumeration,
        constants::DW_TAG_pointer_type | constants::DW_TAG_reference_type => Kind::Pointer,
        constants::DW_TAG_array_type => Kind::Array,
        constants::DW_TAG_subroutine_type => Kind::Function,
        constants::DW_TAG_typedef
        | constants::DW_TAG_const_type
        | constants::DW_TAG_volatile_type
        | constants::DW_TAG_unspecified_type => Kind::Other(tag.0),
        _ => return None,
    })
}
