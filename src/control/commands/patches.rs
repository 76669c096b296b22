//! Patches that are made over the socket.

use super::{Answer, Words, functions, library, types, usage};
use crate::control::socket::json::Json;
use crate::patch::listed;
use crate::symbols::Symbol;
use crate::{Error, RawPatch};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

struct Made {
    name: String,
    leads_to: String,
    patch: RawPatch,
}

/// One for each function.
static MADE: Mutex<Vec<Made>> = Mutex::new(Vec::new());

pub(super) fn patch(words: &Words) -> Result<Answer, String> {
    let mut rest: Vec<&str> = words.iter().skip(1).collect();
    let is_checked = rest.first() != Some(&"--unchecked");
    if !is_checked {
        rest.remove(0);
    }
    let (target, replacement, file) = match rest.as_slice() {
        [a, "from", file, as_b @ ..] => {
            let name = match as_b {
                [] => a.rsplit("::").next().unwrap_or(a),
                ["as", b] => b,
                _ => return Err(usage(words)),
            };
            let target = functions::find(a)?;
            let replacement = library::function(Path::new(file), name)?;
            (target, replacement, Some(*file))
        }
        [a, b] => (functions::find(a)?, functions::find(b)?, None),
        _ => return Err(usage(words)),
    };
    let (at, to) = (target.address.addr(), replacement.address.addr());
    if is_checked {
        types::check(at, to)?;
    }
    let leads_to = match file {
        Some(file) => format!("{} of {file}", replacement.name),
        None => replacement.name.clone(),
    };
    make(&target, &replacement, &leads_to).map_err(|e| e.to_string())?;
    let mut text = format!("{} is now {leads_to}\n", target.name);
    let inlined = functions::inlined(at);
    for place in &inlined {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "but not in {place}, where the compiler has inlined it"
        );
    }
    let data = Json::object([
        ("target", Json::text(target.name)),
        ("replacement", Json::text(leads_to)),
        ("inlined", Json::texts(inlined)),
    ]);
    Ok(Answer::new(text, data))
}

/// A function that was patched here before is led elsewhere: one store.
fn make(target: &Symbol, replacement: &Symbol, leads_to: &str) -> Result<(), Error> {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let known = made
        .iter()
        .position(|made| made.patch.target() == target.address);
    if let Some(n) = known {
        // SAFETY: types were compared, or the user vouches for them.
        match unsafe { made[n].patch.retarget(replacement.address) } {
            Ok(()) => {
                made[n].leads_to = leads_to.to_owned();
                return Ok(());
            }
            // Somebody else took it off: it is made anew.
            Err(Error::Removed { .. } | Error::Unloaded { .. }) => drop(made.remove(n)),
            Err(error) => return Err(error),
        }
    }
    // SAFETY: as above. Functions of libraries stay: those are never unloaded here.
    let patch = unsafe { crate::patch_raw(target.address, |_| replacement.address) }?;
    made.push(Made {
        name: target.name.clone(),
        leads_to: leads_to.to_owned(),
        patch,
    });
    Ok(())
}

pub(super) fn unpatch(words: &Words) -> Result<Answer, String> {
    let (Some(name), 2) = (words.get(1), words.len()) else {
        return Err(usage(words));
    };
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let off: Vec<Made> = if name == "all" {
        made.drain(..).collect()
    } else {
        // By its name as it was, in case that means several functions now.
        let n = made.iter().position(|made| made.name == name);
        let n = match n {
            Some(n) => n,
            None => {
                let symbol = functions::find(name)?;
                let n = made.iter().position(|m| m.patch.target() == symbol.address);
                n.ok_or_else(|| {
                    format!(
                        "{} has no patch that was made here; see `patches`",
                        symbol.name
                    )
                })?
            }
        };
        vec![made.remove(n)]
    };
    drop(made);
    let mut names = Vec::new();
    let mut failed = Vec::new();
    for Made { name, patch, .. } in off {
        match patch.remove() {
            Ok(()) | Err(Error::Removed { .. } | Error::Unloaded { .. }) => names.push(name),
            Err(error) => failed.push(format!("{name}: {error}")),
        }
    }
    if !failed.is_empty() {
        return Err(failed.join("; "));
    }
    let text = match names.as_slice() {
        [] => "nothing was patched here".to_owned(),
        names => format!("{}: as before", names.join(", ")),
    };
    Ok(Answer::new(text, Json::texts(names)))
}

pub(super) fn patches(words: &Words) -> Result<Answer, String> {
    if words.len() != 1 {
        return Err(usage(words));
    }
    let mut text = String::new();
    let mut data = Vec::new();
    let made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    for function in listed::patched() {
        let here = made
            .iter()
            .find(|made| made.patch.target().addr() == function.target);
        let by = match here {
            Some(made) if made.patch.is_enabled() => format!("{}, by this socket", made.leads_to),
            _ => "what the program chose".to_owned(),
        };
        let name = function
            .name
            .unwrap_or_else(|| format!("{:#x}", function.target));
        let (layers, enabled) = (function.layers, function.enabled);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{name} leads to {by} ({layers} patches, {enabled} of them on)"
        );
        data.push(Json::object([
            ("target", Json::text(name)),
            (
                "leads_to",
                here.map_or(Json::Null, |made| Json::text(&made.leads_to)),
            ),
            ("patches", Json::number(layers)),
            ("enabled", Json::number(enabled)),
        ]));
    }
    if data.is_empty() {
        text.push_str("nothing is patched\n");
    }
    Ok(Answer::new(text, Json::List(data)))
}
