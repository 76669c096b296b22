//! How the future of an `async fn` lies in memory.
//!
//! A future that was never polled is in its first state, `Unresumed`, and holds
//! the arguments of the call; one in the state `Returned` holds nothing and its
//! destructor does nothing. rustc describes both as variants of the future's
//! type, the arguments in the order in which they are written, unused ones and
//! those of no size included. An argument that is a pattern is called `__arg1`
//! or `_`.
//!
//! The answer is refused if anything in the description is not so: if a part is
//! out of the future, if two of them overlap, if a variant is missing or its
//! number is another.

use std::ops::Range;

use gimli::constants as dw;

use super::function;
use super::reader::{Entry, Reader};
use super::types::Type;
use super::unknown::Unknown;
use crate::symbols::address::FileAddress;
use crate::symbols::image::Image;

/// The layout of the future of one instance of an `async fn`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct Coroutine {
    /// Its type, e.g. `demo::fetch::{async_fn_env#0}`.
    pub(crate) name: String,
    /// How many bytes it has. The caller compares it with what it knows.
    pub(crate) size: u64,
    /// Where its state is.
    pub(crate) state: Range<u64>,
    /// The state of one that was never polled.
    pub(crate) unresumed: u64,
    /// The state of one that is done, and owns nothing any more.
    pub(crate) returned: u64,
    /// What it owns while it is unresumed: the arguments of the `async fn` in
    /// their order, or what an `async` block captures.
    pub(crate) arguments: Vec<Argument>,
}

/// An argument in a future that was never polled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct Argument {
    /// Its name; `__arg1` or `_` if it is written as a pattern.
    pub(crate) name: String,
    /// Where it is in the future.
    pub(crate) place: Range<u64>,
    /// Its type.
    pub(crate) kind: Type,
}

/// The future of the function at `address` of this process, which is the
/// `async fn` itself or the `poll` of its future.
///
/// # Errors
///
/// There is no debug information with types, the function makes no such future,
/// or the description is not as this module knows it.
pub(crate) fn coroutine(address: usize) -> Result<Coroutine, Unknown> {
    function::in_module(address, |_, image, at| in_image(image, at))
}

/// The same for a function of a file.
pub(super) fn in_image(image: &Image, address: FileAddress) -> Result<Coroutine, Unknown> {
    let reader = Reader::of(image)?;
    let function = function::at(&reader, address)?;
    let name = function::name(&reader, &function);
    let result = function::result(&reader, &function);
    let polled = function::parameters(&reader, &function)
        .into_iter()
        .next()
        .flatten()
        .and_then(|pin| pinned(&reader, &pin));
    if result.is_none() && polled.is_none() {
        let module = image.path().to_path_buf();
        return Err(Unknown::NoTypes { module, name });
    }
    let mut futures = result.into_iter().chain(polled);
    let future = futures.find(|entry| is_future(&reader, entry));
    let future = future.ok_or_else(|| Unknown::Unexpected {
        name: name.clone(),
        what: "it neither makes nor polls the future of an async fn".to_owned(),
    })?;
    layout(&reader, &future).map_err(|what| Unknown::Unexpected { name, what })
}

/// The type that a `Pin<&mut T>` leads to.
fn pinned<'a>(reader: &Reader<'a>, pin: &Entry<'a>) -> Option<Entry<'a>> {
    if !reader.name(pin)?.starts_with("Pin<&mut ") {
        return None;
    }
    let members = reader.children(pin)?.into_iter();
    let mut members = members.filter(|child| child.tag() == dw::DW_TAG_member);
    let pointer = reader.referred(&members.next()?, dw::DW_AT_type)?;
    reader.referred(&pointer, dw::DW_AT_type)
}

fn is_future<'a>(reader: &Reader<'a>, entry: &Entry<'a>) -> bool {
    let kinds = ["{async_fn_env#", "{async_block_env#", "{async_closure_env#"];
    let name = reader.name(entry).unwrap_or_default();
    entry.tag() == dw::DW_TAG_structure_type && kinds.iter().any(|kind| name.starts_with(kind))
}

/// Reads the layout; or says what is wrong with it.
fn layout<'a>(reader: &Reader<'a>, future: &Entry<'a>) -> Result<Coroutine, String> {
    let Type { name, size, .. } = Type::of(reader, future);
    let size = size.ok_or("the future has no size")?;
    let parts = reader.children(future).ok_or("the future cannot be read")?;
    let mut variants = parts
        .iter()
        .filter(|part| part.tag() == dw::DW_TAG_variant_part);
    let (Some(variants), None) = (variants.next(), variants.next()) else {
        return Err("the future has not one set of states".to_owned());
    };
    let discriminant = reader.referred(variants, dw::DW_AT_discr);
    let discriminant = discriminant.ok_or("the future has no state")?;
    let (state, _) = member(reader, &discriminant)?;
    let variants = reader
        .children(variants)
        .ok_or("the states cannot be read")?;
    let (unresumed, fields) = variant(reader, &variants, "Unresumed", size)?;
    let (returned, _) = variant(reader, &variants, "Returned", size)?;
    let mut arguments = Vec::new();
    for field in reader.children(&fields).unwrap_or_default() {
        if field.tag() != dw::DW_TAG_member {
            continue;
        }
        let (place, kind) = member(reader, &field)?;
        let name = reader.name(&field).ok_or("an argument has no name")?;
        arguments.push(Argument {
            name: name.to_owned(),
            place,
            kind,
        });
    }
    let coroutine = Coroutine {
        name,
        size,
        state,
        unresumed,
        returned,
        arguments,
    };
    coroutine.check()?;
    Ok(coroutine)
}

/// Where a member is in what it is a member of, and its type.
fn member<'a>(reader: &Reader<'a>, member: &Entry<'a>) -> Result<(Range<u64>, Type), String> {
    let name = reader.name(member).unwrap_or("a member");
    let kind = reader.referred(member, dw::DW_AT_type);
    let kind = kind.ok_or_else(|| format!("`{name}` has no type"))?;
    let kind = Type::of(reader, &kind);
    let offset = member.number(dw::DW_AT_data_member_location);
    let end = offset
        .zip(kind.size)
        .and_then(|(offset, size)| offset.checked_add(size));
    match offset.zip(end) {
        Some((offset, end)) => Ok((offset..end, kind)),
        None => Err(format!("`{name}` has no place")),
    }
}

/// The number of the variant of that name, and its type.
fn variant<'a>(
    reader: &Reader<'a>,
    variants: &[Entry<'a>],
    wanted: &str,
    size: u64,
) -> Result<(u64, Entry<'a>), String> {
    for variant in variants.iter().filter(|v| v.tag() == dw::DW_TAG_variant) {
        let members = reader.children(variant).unwrap_or_default();
        let Some(only) = members.first() else {
            continue;
        };
        let Some(kind) = reader.referred(only, dw::DW_AT_type) else {
            continue;
        };
        if reader.name(&kind) != Some(wanted) {
            continue;
        }
        let number = variant.number(dw::DW_AT_discr_value);
        let number = number.ok_or_else(|| format!("`{wanted}` has no number"))?;
        // The variant is seen as the whole future.
        if member(reader, only)?.0 != (0..size) {
            return Err(format!("`{wanted}` is not the whole future"));
        }
        return Ok((number, kind));
    }
    Err(format!("there is no state `{wanted}`"))
}

impl Coroutine {
    /// What in it cannot be.
    fn check(&self) -> Result<(), String> {
        if !matches!(self.state.end - self.state.start, 1 | 2 | 4 | 8) {
            return Err(format!("the state is at {:?}", self.state));
        }
        // rustc gives these numbers to these states.
        if (self.unresumed, self.returned) != (0, 1) {
            return Err(format!(
                "its first states are {} and {}",
                self.unresumed, self.returned
            ));
        }
        let own = self.arguments.iter().map(|one| (&*one.name, &one.place));
        let mut places: Vec<_> = own.chain([("its state", &self.state)]).collect();
        places.sort_by_key(|(_, place)| (place.start, place.end));
        let mut end = 0;
        for (name, place) in places {
            if place.end > self.size {
                return Err(format!("`{name}` is at {place:?} of {} bytes", self.size));
            }
            // What has no size may be anywhere.
            if place.start < place.end {
                if place.start < end {
                    return Err(format!("`{name}` is at {place:?}, in another's place"));
                }
                end = place.end;
            }
        }
        Ok(())
    }
}
