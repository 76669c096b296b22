//! Patches that are made over the socket.
//!
//! They stay above what a reload changes: who has patched a function wants that until
//! `unpatch`, and an edit elsewhere in the file also replaces it.

use super::{Answer, Words, functions, library, types, usage};
use crate::control::socket::json::Json;
use crate::patch::listed;
use crate::reload;
use crate::symbols::Symbol;
use crate::{Error, RawPatch};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

struct Made {
    name: String,
    leads_to: String,
    destination: usize,
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
                made[n].destination = replacement.address.addr();
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
        destination: replacement.address.addr(),
        patch,
    });
    Ok(())
}

/// Puts patches that are made here above those that came later. The functions whose calls
/// go where they lead, and where that is.
pub(crate) fn keep_above() -> Vec<(usize, String)> {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if made.is_empty() {
        return Vec::new();
    }
    let patched = listed::patched();
    let mut above = Vec::new();
    for made in made.iter_mut().filter(|made| made.patch.is_enabled()) {
        let target = made.patch.target();
        let top = patched.iter().find(|one| one.target == target.addr());
        let is_above = top.and_then(|one| one.leads_to) == Some(made.destination);
        if !is_above {
            let to = made.destination as *const ();
            // SAFETY: as when it was made.
            match unsafe { crate::patch_raw(target, |_| to) } {
                // The one before goes.
                Ok(patch) => made.patch = patch,
                // Then the newer one counts, and `patches` says so.
                Err(_) => continue,
            }
        }
        let Made { name, leads_to, .. } = made;
        above.push((
            target.addr(),
            format!("{name}: calls go to {leads_to}; `unpatch {name}` to see the edit"),
        ));
    }
    above
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
        let is_here = |made: &&Made| {
            made.patch.target().addr() == function.target
                && function.leads_to == Some(made.destination)
        };
        let here = made.iter().find(is_here);
        let reload = reload::newest(function.target as u64).filter(|_| here.is_none());
        let by = match (here, reload) {
            (Some(made), _) => format!("{}, by this socket", made.leads_to),
            (None, Some(reload)) => format!("reload {reload}"),
            (None, None) => "what the program chose".to_owned(),
        };
        let name = function
            .name
            .unwrap_or_else(|| format!("{:#x}", function.target));
        let (layers, enabled) = (function.layers, function.enabled);
        let plural = if layers == 1 { "" } else { "es" };
        let off = match layers - enabled {
            0 => String::new(),
            off => format!(", {off} off"),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name} leads to {by} ({layers} patch{plural}{off})");
        data.push(Json::object([
            ("target", Json::text(name)),
            (
                "leads_to",
                here.map_or(Json::Null, |made| Json::text(&made.leads_to)),
            ),
            (
                "reload",
                reload.map_or(Json::Null, |reload| Json::number(reload as usize)),
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
