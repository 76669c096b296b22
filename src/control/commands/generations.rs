//! `generations`: the versions of the code, and who is pinned to which.

use super::{Answer, Words, usage};
use crate::control::socket::json::Json;
use crate::reload::{Generation, PinnedThread};
use std::fmt::Write as _;
use std::time::SystemTime;

/// So many functions of one are named.
const NAMED: usize = 3;

pub(super) fn generations(words: &Words) -> Result<Answer, String> {
    if words.len() != 1 {
        return Err(usage(words));
    }
    let all = crate::reload::generations().map_err(|why| why.to_string())?;
    let newest = all.last().map(|generation| generation.number);
    let mut text = String::new();
    for generation in &all {
        // Writing to a string cannot fail.
        let _ = write!(text, "{}: {}", generation.number, what(generation));
        if newest == Some(generation.number) {
            text.push_str("; runs");
        }
        text.push('\n');
        for thread in &generation.threads {
            let PinnedThread { id, name, time, .. } = thread;
            let seconds = time.as_secs_f64();
            let _ = writeln!(text, "    thread {id} ({name}) pinned for {seconds:.1} s");
        }
        if let Some(why) = &generation.held {
            let _ = writeln!(text, "    in memory still: {why}");
        }
        match generation.futures {
            0 => {}
            1 => text.push_str("    1 future pinned\n"),
            count => {
                let _ = writeln!(text, "    {count} futures pinned");
            }
        }
    }
    let data = all.iter().map(json).collect();
    Ok(Answer::new(text, Json::List(data)))
}

fn what(generation: &Generation) -> String {
    if generation.number == 0 {
        return "as built".to_owned();
    }
    let functions = generation.functions.as_slice();
    let mut what = match generation.undoes {
        Some(reload) => format!("undo of {reload}"),
        None => generation.sources.join(", "),
    };
    if what.is_empty() {
        what.push_str("reload");
    }
    let named = functions.iter().take(NAMED).map(String::as_str);
    let named: Vec<&str> = named.collect();
    if !named.is_empty() {
        what.push_str(": ");
        what.push_str(&named.join(", "));
    }
    if functions.len() > NAMED {
        let _ = write!(what, " and {} more", functions.len() - NAMED);
    }
    if let Ok(ago) = SystemTime::now().duration_since(generation.made) {
        let _ = write!(what, "; {} s ago", ago.as_secs());
    }
    what
}

fn json(generation: &Generation) -> Json {
    let seconds = generation.made.duration_since(SystemTime::UNIX_EPOCH);
    let threads = generation.threads.iter().map(|thread| {
        Json::object([
            ("thread", number(thread.id as u64)),
            ("name", Json::text(&thread.name)),
            ("milliseconds", number(thread.time.as_millis() as u64)),
        ])
    });
    Json::object([
        ("generation", number(generation.number)),
        ("made", number(seconds.unwrap_or_default().as_secs())),
        ("undoes", generation.undoes.map_or(Json::Null, number)),
        ("sources", Json::texts(generation.sources.iter().cloned())),
        (
            "functions",
            Json::texts(generation.functions.iter().cloned()),
        ),
        ("bytes", number(generation.bytes)),
        ("threads", Json::List(threads.collect())),
        ("futures", number(generation.futures)),
        (
            "held",
            generation.held.as_deref().map_or(Json::Null, Json::text),
        ),
    ])
}

/// A machine word has 64 bits wherever this runs.
fn number(number: u64) -> Json {
    Json::number(number as usize)
}
