//! One edit after the other, until the program ends.
//!
//! - [`state`]: what is known of the program that runs.
//! - [`events`]: what a session waits for. [`asked`]: what the program's socket asks.
//! - [`stale`]: crates that were edited are built anew.
//! - [`reload`]: what was built is compared with what runs, and made live.
//! - [`folder`]: where the files of a session are.

mod asked;
mod events;
mod folder;
mod reload;
mod stale;
mod state;

use super::{agent_file, build, process, report};
use crate::args::Run;
use events::Event;
use folder::Folder;
use state::Session;
use std::process::ExitCode;
use std::sync::mpsc;

pub(crate) fn run(args: &Run) -> Result<ExitCode, String> {
    let Some(build) = build::build(args)? else {
        return Ok(ExitCode::FAILURE);
    };
    let own = Folder::new(&build.folder)?;
    let name = build.executable.file_name().unwrap_or_default();
    // cargo will link anew over the executable.
    let copy = own.0.join(name);
    std::fs::copy(&build.executable, &copy).map_err(|e| format!("{}: {e}", copy.display()))?;
    let program = build.captures.last().ok_or("cargo has built nothing")?;
    let agent = agent_file::find(args, program.target(), &own.0, &build.folder)?;
    let started = process::start(&copy, &build.executable, program, &agent, &args.args)?;
    let (mut child, socket) = (started.child, started.agent);
    let (tell, events) = mpsc::channel();
    let ended = tell.clone();
    asked::listen(started.questions, tell.clone());
    std::thread::spawn(move || ended.send(Event::Ended(child.wait())));
    let session = Session::new(args, &build, &copy, socket, own.0.clone(), move |touched| {
        // Nobody listens any more once the program has ended.
        let _ = tell.send(Event::Touched(touched));
    });
    let status = match session {
        Ok(mut session) => session.serve(&events),
        Err(why) => {
            let why = format!("edits will not become live: {why}");
            report::say(args.json(), &why);
            events::wait(&events, &why)
        }
    };
    let status = status.map_err(|e| format!("the program: {e}"))?;
    Ok(ExitCode::from(process::code(status)))
}
