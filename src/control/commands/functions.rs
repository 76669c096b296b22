//! Functions: `symbols`, `inspect`; and `stats`.

use super::{Answer, Words, types, usage};
use crate::control::socket::json::Json;
use crate::symbols::{ModuleRole, Symbol, SymbolError, debug, module_at};
use std::fmt::Write as _;

/// So many functions are listed.
const LISTED: usize = 200;

pub(super) fn symbols(words: &Words) -> Result<Answer, String> {
    let (Some(glob), 2) = (words.get(1), words.len()) else {
        return Err(usage(words));
    };
    let mut found = crate::symbols(glob).map_err(|e| e.to_string())?;
    let more = found.len().saturating_sub(LISTED);
    found.truncate(LISTED);
    let mut text = String::new();
    for symbol in &found {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{symbol}");
    }
    if more > 0 {
        let _ = writeln!(text, "and {more} more; ask for fewer");
    }
    let data = Json::object([
        ("symbols", Json::List(found.iter().map(of_symbol).collect())),
        ("more", Json::number(more)),
    ]);
    Ok(Answer::new(text, data))
}

fn of_symbol(symbol: &Symbol) -> Json {
    Json::object([
        ("name", Json::text(&symbol.name)),
        ("module", Json::text(&symbol.module)),
        ("address", Json::address(symbol.address.addr())),
        ("size", Json::number(symbol.size)),
    ])
}

/// The function called `name`: as `midair::symbol` finds it, else the only one whose
/// path ends with it.
pub(super) fn find(name: &str) -> Result<Symbol, String> {
    let error = match crate::symbol(name) {
        Ok(symbol) => return Ok(symbol),
        Err(error @ SymbolError::NotFound { .. }) => error,
        Err(error) => return Err(error.to_string()),
    };
    let mut ends = crate::symbols(&format!("*::{name}")).unwrap_or_default();
    // The agent's own functions are meant only by their whole paths.
    let own = module_at(find as fn(&str) -> _ as usize);
    let own = own.filter(|own| own.role() == ModuleRole::Library);
    ends.retain(|end| own.as_ref().is_none_or(|own| end.module_path != own.path()));
    match (ends.pop(), ends.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(error.to_string()),
        (Some(last), false) => {
            ends.push(last);
            let query = name.to_owned();
            let candidates = ends;
            Err(SymbolError::Ambiguous { query, candidates }.to_string())
        }
    }
}

pub(super) fn inspect(words: &Words) -> Result<Answer, String> {
    let (Some(name), 2) = (words.get(1), words.len()) else {
        return Err(usage(words));
    };
    let symbol = find(name)?;
    let at = symbol.address.addr();
    let mut text = format!("{symbol}\n");
    let kind = types::of(at);
    // Writing to a string cannot fail.
    let _ = match &kind {
        Ok(kind) => writeln!(text, "type: {kind}"),
        Err(unknown) => writeln!(text, "type: not known: {unknown}"),
    };
    let inlined = inlined(at);
    for place in &inlined {
        let _ = writeln!(text, "inlined into {place}: a patch does not reach that");
    }
    let plan = crate::can_patch(symbol.address);
    let _ = match &plan {
        Ok(plan) => write!(text, "{plan}"),
        Err(refusal) => writeln!(text, "cannot be patched: {refusal}"),
    };
    let data = Json::object([
        ("symbol", of_symbol(&symbol)),
        ("type", kind.map_or(Json::Null, Json::Text)),
        ("inlined", Json::texts(inlined)),
        ("can_be_patched", Json::Bool(plan.is_ok())),
    ]);
    Ok(Answer::new(text, data))
}

/// Callers that have the function at `at` inlined, as far as that is known.
pub(super) fn inlined(at: usize) -> Vec<String> {
    let Ok(into) = debug::inlined(at) else {
        return Vec::new();
    };
    let mut places: Vec<String> = into
        .places
        .iter()
        .map(|place| match &place.call {
            Some((file, line)) => format!("{} ({file}:{line})", place.caller),
            None => place.caller.clone(),
        })
        .collect();
    places.sort();
    places.dedup();
    places
}

pub(super) fn stats(words: &Words) -> Result<Answer, String> {
    if words.len() != 1 {
        return Err(usage(words));
    }
    let stats = crate::stats();
    let fields = [
        ("patched", stats.patched),
        ("patches", stats.patches),
        ("idle", stats.idle),
        ("bytes_live", stats.bytes_live),
        ("bytes_idle", stats.bytes_idle),
        ("bytes_limbo", stats.bytes_limbo),
        ("limbo", stats.limbo),
        ("bytes_kept", stats.bytes_kept),
        ("bytes_mapped", stats.bytes_mapped),
    ];
    let text = fields
        .iter()
        .fold(String::new(), |mut text, (name, value)| {
            let _ = writeln!(text, "{name:<13} {value}");
            text
        });
    let data = fields.map(|(name, value)| (name.to_owned(), Json::number(value)));
    Ok(Answer::new(text, Json::Object(data.to_vec())))
}
