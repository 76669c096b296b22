//! What can be asked for over the control socket.
//!
//! - [`functions`]: `symbols`, `inspect`, `stats`.
//! - [`patches`]: `patch`, `unpatch`, `patches`; [`library`]: from a file;
//!   [`types`]: only by what has the same type.
//! - [`values`]: `vars`, `get`, `set`; [`components`]: `slots`, `start`, `stop`,
//!   `restart`.
//! - [`complete`]: how a line could go on.
//! - [`live`]: `reload`, `undo`, `eval`. [`generations`]: who runs which version.
//!
//! Nothing here writes memory by itself: code is changed by the
//! engine, with its checks, and values by their types.

mod complete;
mod components;
mod functions;
mod generations;
mod library;
mod live;
mod patches;
mod types;
mod values;
mod words;

pub(crate) use patches::keep_above;
pub(super) use words::Words;

use super::copies;
use super::socket::json::Json;
use std::fmt::Write as _;

/// What is said to a command.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) data: Json,
}

impl Answer {
    pub(super) fn new(text: impl Into<String>, data: Json) -> Self {
        let text = text.into();
        Self { text, data }
    }
}

/// What the words of a command are, for completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    Commands,
    Symbols,
    /// Functions that can be written as a definition.
    Definitions,
    Vars,
    Slots,
    Sources,
}

struct Command {
    name: &'static str,
    usage: &'static str,
    about: &'static str,
    takes: Takes,
    /// Of the copy of midair that has the program's `Var`s and `Slot`s.
    is_programs: bool,
    run: fn(&Words) -> Result<Answer, String>,
}

#[rustfmt::skip]
const COMMANDS: &[Command] = &[
    Command { name: "complete", usage: "complete TEXT", about: "how a line could go on, for editors", takes: Takes::Nothing, is_programs: false, run: complete::complete },
    Command { name: "eval", usage: "eval [--write] FUNCTION", about: "a new definition of a function, such as `fn shop::till::price() -> u32 { 3 }`; with --write it goes into its file too", takes: Takes::Definitions, is_programs: false, run: live::eval },
    Command { name: "generations", usage: "generations", about: "the versions of the code and who runs which", takes: Takes::Nothing, is_programs: false, run: generations::generations },
    Command { name: "get", usage: "get VAR", about: "the value of a Var", takes: Takes::Vars, is_programs: true, run: values::get },
    Command { name: "help", usage: "help [COMMAND]", about: "this", takes: Takes::Commands, is_programs: false, run: help },
    Command { name: "inspect", usage: "inspect SYMBOL", about: "a function: its type, its patches, how it would be patched", takes: Takes::Symbols, is_programs: false, run: functions::inspect },
    Command { name: "patch", usage: "patch [--unchecked] A B | patch [--unchecked] A from FILE [as B]", about: "calls of A go to B, or to the function B (or A) of a library", takes: Takes::Symbols, is_programs: false, run: patches::patch },
    Command { name: "patches", usage: "patches", about: "all patched functions", takes: Takes::Nothing, is_programs: false, run: patches::patches },
    Command { name: "reload", usage: "reload [FILE]", about: "makes what the files say live, or this one", takes: Takes::Sources, is_programs: false, run: live::reload },
    Command { name: "restart", usage: "restart SLOT [PORT]", about: "stops a component, starts it again", takes: Takes::Slots, is_programs: true, run: components::restart },
    Command { name: "set", usage: "set VAR VALUE", about: "redefines a Var for all its readers", takes: Takes::Vars, is_programs: true, run: values::set },
    Command { name: "slots", usage: "slots", about: "all Slots and what they do", takes: Takes::Nothing, is_programs: true, run: components::slots },
    Command { name: "start", usage: "start SLOT [PORT]", about: "starts a component, on PORT, else $PORT, else 8888", takes: Takes::Slots, is_programs: true, run: components::start },
    Command { name: "stats", usage: "stats", about: "what midair has in this process", takes: Takes::Nothing, is_programs: false, run: functions::stats },
    Command { name: "stop", usage: "stop SLOT", about: "stops a component: gracefully for 100 ms, then hard", takes: Takes::Slots, is_programs: true, run: components::stop },
    Command { name: "symbols", usage: "symbols GLOB", about: "functions by name", takes: Takes::Symbols, is_programs: false, run: functions::symbols },
    Command { name: "undo", usage: "undo", about: "goes back to the code before the last reload", takes: Takes::Nothing, is_programs: false, run: live::undo },
    Command { name: "unpatch", usage: "unpatch A | unpatch all", about: "takes off patches that were made here", takes: Takes::Symbols, is_programs: false, run: patches::unpatch },
    Command { name: "vars", usage: "vars", about: "all Vars and their values", takes: Takes::Nothing, is_programs: true, run: values::vars },
];

/// Does what a line says.
pub(super) fn run(words: &Words) -> Result<Answer, String> {
    let name = words.first();
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        return Err(format!("no command is called `{name}`; `help` lists them"));
    };
    if command.is_programs && copies::has_joined() {
        return copies::pass_on(words);
    }
    (command.run)(words)
}

fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.name)
}

/// How a command is to be used; for one that is used wrongly.
fn usage(words: &Words) -> String {
    let of = COMMANDS.iter().find(|c| c.name == words.first());
    format!("usage: {}", of.map_or("help", |command| command.usage))
}

fn help(words: &Words) -> Result<Answer, String> {
    let wanted = words.get(1);
    let all = COMMANDS.iter().map(|c| (c.name, c.usage, c.about));
    let all: Vec<_> = all
        .filter(|(name, ..)| wanted.is_none_or(|wanted| wanted == *name))
        .collect();
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
