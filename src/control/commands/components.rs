//! `Slot`s.

use super::{Answer, Words, usage};
use crate::control::named;
use crate::control::slot::{Restartable, Stopped};
use crate::control::socket::json::Json;
use std::fmt::Write as _;

/// The slot and the port, if one is given.
fn slot_and_port(words: &Words) -> Result<(&'static dyn Restartable, Option<u16>), String> {
    let (Some(name), 2..=3) = (words.get(1), words.len()) else {
        return Err(usage(words));
    };
    let port = words.get(2).map(|text| {
        text.parse()
            .map_err(|e| format!("`{text}` is no port: {e}"))
    });
    Ok((named::slot(name)?, port.transpose()?))
}

fn of_slot(slot: &dyn Restartable) -> Json {
    Json::object([
        ("name", Json::text(slot.name())),
        ("status", Json::Text(slot.status())),
    ])
}

pub(super) fn slots(words: &Words) -> Result<Answer, String> {
    if words.len() != 1 {
        return Err(usage(words));
    }
    let mut all = named::slots();
    all.sort_by_key(|slot| slot.name());
    let mut text = String::new();
    for slot in &all {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {}", slot.name(), slot.status());
    }
    if all.is_empty() {
        text.push_str("there is no Slot in this program\n");
    }
    let data = Json::List(all.iter().map(|slot| of_slot(*slot)).collect());
    Ok(Answer::new(text, data))
}

fn on_port(port: u16) -> Json {
    Json::object([("port", Json::number(port.into()))])
}

pub(super) fn start(words: &Words) -> Result<Answer, String> {
    let (slot, port) = slot_and_port(words)?;
    let port = slot.start(port).map_err(|e| e.to_string())?;
    let text = format!("{} runs on port {port}", slot.name());
    Ok(Answer::new(text, on_port(port)))
}

pub(super) fn stop(words: &Words) -> Result<Answer, String> {
    if words.len() != 2 {
        return Err(usage(words));
    }
    let (slot, _) = slot_and_port(words)?;
    let stopped = slot.stop().map_err(|e| e.to_string())?;
    let text = format!("{} {stopped}", slot.name());
    let Stopped { cut, left } = stopped;
    let data = Json::object([("cut", Json::number(cut)), ("left", Json::texts(left))]);
    Ok(Answer::new(text, data))
}

pub(super) fn restart(words: &Words) -> Result<Answer, String> {
    let (slot, port) = slot_and_port(words)?;
    let restarted = slot.restart(port).map_err(|e| e.to_string())?;
    let name = slot.name();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = match &restarted.stopped {
        Some(stopped) => writeln!(text, "{name} {stopped}"),
        None => writeln!(text, "{name} did not run"),
    };
    let _ = writeln!(text, "{name} runs on port {}", restarted.port);
    Ok(Answer::new(text, on_port(restarted.port)))
}
