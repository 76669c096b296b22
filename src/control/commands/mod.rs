//! What can be asked for over the control socket.
//!
//! - [`functions`]: `symbols`, `inspect`, `stats`.
//! - [`patches`]: `patch`, `unpatch`, `patches`; [`library`]: from a file;
//!   [`types`]: only by what has the same type.
//! - [`values`]: `vars`, `get`, `set`; [`components`]: `slots`, `start`, `stop`,
//!   `restart`.
//! - [`complete`]: how a line could go on.
//!
//! `reload`, `undo`, `generations` and `eval` belong to layers above:
//! `control::offer`. Nothing here writes memory by itself: code is changed by the
//! engine, with its checks, and values by their types.

mod complete;
mod components;
mod functions;
mod library;
mod patches;
mod types;
mod values;
mod words;

pub(super) use words::Words;

use super::offer;
use super::socket::json::Json;
use std::fmt::Write as _;

/// What is said to a command.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) data: Json,
}

impl Answer {
    fn new(text: impl Into<String>, data: Json) -> Self {
        let text = text.into();
        Self { text, data }
    }

    fn text(text: impl Into<String>) -> Self {
        Self::new(text, Json::Null)
    }
}

/// What the words of a command are, for completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    Commands,
    Symbols,
    Vars,
    Slots,
}

struct Command {
    name: &'static str,
    usage: &'static str,
    about: &'static str,
    takes: Takes,
    run: fn(&Words) -> Result<Answer, String>,
}

#[rustfmt::skip]
const COMMANDS: &[Command] = &[
    Command { name: "complete", usage: "complete TEXT", about: "how a line could go on, for editors", takes: Takes::Nothing, run: complete::complete },
    Command { name: "get", usage: "get VAR", about: "the value of a Var", takes: Takes::Vars, run: values::get },
    Command { name: "help", usage: "help [COMMAND]", about: "this", takes: Takes::Commands, run: help },
    Command { name: "inspect", usage: "inspect SYMBOL", about: "a function: its type, its patches, how it would be patched", takes: Takes::Symbols, run: functions::inspect },
    Command { name: "patch", usage: "patch [--unchecked] A B | patch [--unchecked] A from FILE [as B]", about: "calls of A go to B, or to the function B (or A) of a library", takes: Takes::Symbols, run: patches::patch },
    Command { name: "patches", usage: "patches", about: "all patched functions", takes: Takes::Nothing, run: patches::patches },
    Command { name: "restart", usage: "restart SLOT [PORT]", about: "stops a component, starts it again", takes: Takes::Slots, run: components::restart },
    Command { name: "set", usage: "set VAR VALUE", about: "redefines a Var for all its readers", takes: Takes::Vars, run: values::set },
    Command { name: "slots", usage: "slots", about: "all Slots and what they do", takes: Takes::Nothing, run: components::slots },
    Command { name: "start", usage: "start SLOT [PORT]", about: "starts a component, on PORT, else $PORT, else 8888", takes: Takes::Slots, run: components::start },
    Command { name: "stats", usage: "stats", about: "what midair has in this process", takes: Takes::Nothing, run: functions::stats },
    Command { name: "stop", usage: "stop SLOT", about: "stops a component: gracefully for 100 ms, then hard", takes: Takes::Slots, run: components::stop },
    Command { name: "symbols", usage: "symbols GLOB", about: "functions by name", takes: Takes::Symbols, run: functions::symbols },
    Command { name: "unpatch", usage: "unpatch A | unpatch all", about: "takes off patches that were made here", takes: Takes::Symbols, run: patches::unpatch },
    Command { name: "vars", usage: "vars", about: "all Vars and their values", takes: Takes::Nothing, run: values::vars },
];

/// Does what a line says.
pub(super) fn run(words: &Words) -> Result<Answer, String> {
    let name = words.first();
    if let Some(command) = COMMANDS.iter().find(|command| command.name == name) {
        return (command.run)(words);
    }
    if offer::NAMES.iter().any(|(offered, ..)| *offered == name) {
        return offer::run(name, words.rest(1)).map(Answer::text);
    }
    Err(format!("no command is called `{name}`; `help` lists them"))
}

fn names() -> impl Iterator<Item = &'static str> {
    let own = COMMANDS.iter().map(|command| command.name);
    own.chain(offer::NAMES.iter().map(|(name, ..)| *name))
}

/// How a command is to be used; for one that is used wrongly.
fn usage(words: &Words) -> String {
    let of = COMMANDS.iter().find(|c| c.name == words.first());
    format!("usage: {}", of.map_or("help", |command| command.usage))
}

fn help(words: &Words) -> Result<Answer, String> {
    let wanted = words.get(1);
    let own = COMMANDS.iter().map(|c| (c.name, c.usage, c.about));
    let mut all: Vec<_> = own.chain(offer::NAMES).collect();
    all.sort_unstable();
    all.retain(|(name, ..)| wanted.is_none_or(|wanted| wanted == *name));
    if let (Some(wanted), true) = (wanted, all.is_empty()) {
        return Err(format!(
            "no command is called `{wanted}`; `help` lists them"
        ));
    }
    let mut text = String::new();
    for (_, usage, about) in &all {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{usage}\n    {about}");
    }
    if wanted.is_none() {
        text.push_str("A word with spaces is written \"like this\".\n");
    }
    let data = all.iter().map(|(name, usage, about)| {
        Json::object([
            ("name", Json::text(*name)),
            ("usage", Json::text(*usage)),
            ("about", Json::text(*about)),
        ])
    });
    Ok(Answer::new(text, Json::List(data.collect())))
}
