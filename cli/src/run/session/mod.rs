//! One edit after the other, until the program ends.
//!
//! - [`state`]: what is known of the program that runs.
//! - [`events`]: what a session waits for. [`keys`]: what is typed.
//!   [`asked`]: what the program's socket asks.
//! - [`stale`]: crates that were edited are built anew. [`configure`]: cargo has to be
//!   asked.
//! - [`reload`]: what was built is compared with what runs, and made live.
//! - [`settle`]: what was built of shadows is built of files.
//! - [`relink`]: the executable is linked anew meanwhile.
//! - [`afterwards`]: what is asked once an edit is live.
//! - [`undo`]: the last reload is taken back.
//! - [`folder`]: where the files of a session are.

mod afterwards;
mod asked;
mod configure;
mod events;
mod folder;
mod keys;
mod relink;
mod reload;
mod settle;
mod stale;
mod state;
mod undo;

use super::build::{self, Build};
use super::{agent_file, process, replay, report};
use crate::args::Run;
use crate::control;
use asked::Asked;
use events::{Event, Events};
use folder::Folder;
use keys::{Key, Keys};
use relink::Relink;
use report::Report;
use stale::NotLive;
use state::Session;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

/// How long a program may take to end when it is asked to, before it is killed.
const GRACE: Duration = Duration::from_secs(3);

/// How it goes on when a program is no longer served.
enum Next {
    End(ExitCode),
    Restart(Build),
}

pub(crate) fn run(args: &Run) -> Result<ExitCode, String> {
    let folder = build::folder(&args.program)?;
    let Some(mut build) = build::build(&args.program, &folder)? else {
        return Ok(ExitCode::FAILURE);
    };
    let mut own = Folder::new(&folder)?;
    let program = build.captures.last().ok_or("cargo has built nothing")?;
    let agent = agent_file::find(args, program.target(), own.path(), &folder)?;
    let mut events = Events::new();
    let _keys = args.interactive.then(|| Keys::listen(events.tell.clone()));
    let mut relink = Relink::new(events.tell.clone());
    if args.interactive {
        report::say(args.json(), keys::HELP);
    }
    loop {
        let folder = own.next()?;
        let started = Started::new(args, build, &agent, folder, &mut events, &mut relink)?;
        match started.serve()? {
            Next::End(code) => return Ok(code),
            Next::Restart(newer) => build = newer,
        }
    }
}

/// A program that was started.
struct Started<'a> {
    args: &'a Run,
    build: Build,
    events: &'a mut Events,
    relink: &'a mut Relink,
    folder: PathBuf,
    /// Its number.
    id: u32,
    /// What it has ended with.
    ended: Option<ExitStatus>,
    session: Result<Session, String>,
}

impl<'a> Started<'a> {
    fn new(
        args: &'a Run,
        build: Build,
        agent: &Path,
        folder: PathBuf,
        events: &'a mut Events,
        relink: &'a mut Relink,
    ) -> Result<Self, String> {
        let name = build.executable.file_name().unwrap_or_default();
        // cargo will link anew over the executable.
        let copy = folder.join(name);
        std::fs::copy(&build.linked, &copy).map_err(|e| format!("{}: {e}", copy.display()))?;
        let program = build.captures.last().ok_or("cargo has built nothing")?;
        let started = process::start(&copy, &build.executable, program, agent, args)?;
        let (mut child, socket) = (started.child, started.agent);
        asked::listen(started.questions, events.tell.clone());
        let id = child.id();
        let ended = events.tell.clone();
        std::thread::spawn(move || {
            let status = child.wait();
            process::has_ended(id);
            ended.send(Event::Ended(id, status))
        });
        let touched = events.tell.clone();
        let session = Session::new(args, &build, &copy, socket, folder.clone(), move |files| {
            // Nobody listens any more once the program has ended.
            let _ = touched.send(Event::Touched(files));
        });
        let session = session.map_err(|why| {
            let why = format!("edits will not become live: {why}");
            // Of one that has ended nobody expects it.
            if !process::runs_no_more() {
                report::say(args.json(), &why);
            }
            why
        });
        Ok(Self {
            args,
            build,
            events,
            relink,
            folder,
            id,
            ended: None,
            session,
        })
    }

    /// Reloads until the program ends, or until a key says so.
    fn serve(mut self) -> Result<Next, String> {
        loop {
            if self.relink.is_due() {
                self.relink();
            }
            let Some(event) = self.events.next(self.relink.wait()) else {
                if let Some(status) = self.ended.filter(|_| process::is_asked_to_end()) {
                    return Ok(end(status));
                }
                continue;
            };
            match event {
                Event::Touched(mut touched) => {
                    let begun = Instant::now();
                    self.events.settle(&mut touched);
                    self.edited(&touched.paths, begun);
                }
                Event::Ended(id, _) if id != self.id => {}
                Event::Ended(_, status) => {
                    let status = status.map_err(|e| format!("the program: {e}"))?;
                    if !self.args.interactive || process::is_asked_to_end() {
                        return Ok(end(status));
                    }
                    self.ended = Some(status);
                    let how = "r restarts it, q quits";
                    self.say(&format!("the program has ended ({status}); {how}"));
                }
                Event::Asked(asked) => self.asked(asked),
                Event::Key(Key::Help) => self.say(keys::HELP),
                Event::Key(Key::Quit) => {
                    self.stop()?;
                    return Ok(Next::End(ExitCode::SUCCESS));
                }
                Event::Key(Key::Undo) => self.undo(),
                Event::Key(Key::RestartSlots) => self.restart_slots(),
                Event::Key(Key::Restart) => {
                    if let Some(build) = self.newest() {
                        self.stop()?;
                        self.say("restarted with the newest code");
                        return Ok(Next::Restart(build));
                    }
                }
                Event::Linked(which, begun, heard) => {
                    if let Some(is_linked) = self.relink.ended(&which, begun) {
                        self.linked(is_linked, &heard);
                    }
                }
            }
        }
    }

    fn say(&self, text: &str) {
        report::say(self.args.json(), text);
    }

    fn edited(&mut self, paths: &[PathBuf], begun: Instant) {
        let Ok(session) = &mut self.session else {
            return;
        };
        if self.ended.is_some() {
            return;
        }
        let is_configured_anew = session.is_configured_anew(paths);
        if !session.touched(paths) && !is_configured_anew {
            return;
        }
        self.relink.cancel();
        let report = match session.needs_cargo {
            true => self.configured(begun),
            false => session.renew(begun, true),
        };
        match report {
            Ok(report) => {
                report.print(self.args.into());
                self.keep_base();
                self.relink_soon();
            }
            Err(NotLive::Failed(_)) if process::runs_no_more() => {}
            Err(why) => {
                let text = format!("{why}; the old code keeps running");
                if self.args.json() || !report::again::was_said(&text) {
                    self.say(&text);
                }
            }
        }
    }

    /// Asks cargo what the program is made of now.
    fn configured(&mut self, begun: Instant) -> Result<Report, NotLive> {
        let built = match build::build(&self.args.program, &self.build.folder) {
            Ok(Some(build)) => Ok(build),
            // cargo has shown them.
            Ok(None) => Err(NotLive::Broken(String::new())),
            Err(why) => Err(NotLive::Failed(why)),
        };
        let Ok(session) = &mut self.session else {
            return Err(NotLive::Failed("no program is served".to_owned()));
        };
        let report = built.and_then(|mut build| {
            let report = session.configured(&mut build, begun)?;
            if !session.needs_cargo {
                self.build = build;
            }
            Ok(report)
        });
        session.again = report.is_err();
        report
    }

    fn asked(&mut self, asked: Asked) {
        match &mut self.session {
            Ok(session) => {
                self.relink.cancel();
                let told = session.asked(&asked.question);
                asked.answer(&told);
                session.keep_base();
                self.relink_soon();
            }
            Err(why) => asked.refuse(why),
        }
    }

    /// Not if what runs is not what the files say.
    fn relink_soon(&mut self) {
        if self.session.as_ref().is_ok_and(Session::is_as_written) {
            self.relink.soon();
        }
    }

    fn keep_base(&self) {
        if let Ok(session) = &self.session {
            session.keep_base();
        }
    }

    /// Has the executable linked, and what runs of shadows built of files.
    fn relink(&mut self) {
        let Ok(session) = &mut self.session else {
            return;
        };
        match session.begin_settling() {
            Ok(calls) => self.relink.begin(calls),
            Err(why) => {
                self.relink.cancel();
                self.say(&format!("the executable is not linked anew: {why}"));
            }
        }
    }

    /// What was built of files in the background is what runs from now on.
    fn linked(&mut self, is_linked: bool, heard: &[String]) {
        let Ok(session) = &mut self.session else {
            return;
        };
        heard.iter().for_each(|line| replay::show(line));
        if !is_linked {
            if session.has_failed_to_settle() {
                self.say("lines are those of before the edit: it does not compile as it is");
            }
            return;
        }
        match session.settle() {
            Ok(Some(report)) => {
                report.print_settled(self.args.into());
                self.keep_base();
            }
            Ok(None) => {}
            Err(_) if process::runs_no_more() => {}
            Err(why) => self.say(&format!("lines are those of before the edit: {why}")),
        }
        report::event(self.args.json(), "linked", "a restart need not build");
    }

    /// The program's components stop and start; what they keep is theirs to say.
    fn restart_slots(&self) {
        let control = self.session.as_ref().map(|session| session.control());
        let (Ok(Some(socket)), None) = (control, self.ended) else {
            return;
        };
        // It takes as long as they take.
        let json = self.args.json();
        std::thread::spawn(move || match control::restart_slots(&socket) {
            Ok(text) => report::say(json, &text),
            Err(error) => report::say(json, &error.to_string()),
        });
    }

    fn undo(&mut self) {
        let Some(session) = self.session.as_mut().ok().filter(|_| self.ended.is_none()) else {
            return;
        };
        self.relink.cancel();
        match session.undo() {
            Ok(undone) => {
                self.say(&undo::text(&undone));
                self.keep_base();
            }
            Err(why) => self.say(&why),
        }
    }

    /// The newest code as an executable; none if it cannot be built, which was said.
    fn newest(&mut self) -> Option<Build> {
        if let Some(begun) = self.relink.take()
            && let Some(program) = self.build.captures.last()
        {
            let linked = program.executable();
            return Some(Build {
                begun,
                linked,
                ..self.build.clone()
            });
        }
        self.relink.cancel();
        let why = match build::build(&self.args.program, &self.build.folder) {
            Ok(Some(build)) => return Some(build),
            Ok(None) => "it does not compile".to_owned(),
            Err(why) => why,
        };
        let state = if self.ended.is_some() {
            "r tries again"
        } else {
            "the old code keeps running"
        };
        self.say(&format!("no restart: {why}; {state}"));
        None
    }

    /// Ends the program.
    fn stop(&mut self) -> Result<(), String> {
        if self.ended.is_some() {
            return Ok(());
        }
        for (signal, patience) in [(libc::SIGTERM, GRACE), (libc::SIGKILL, Duration::MAX)] {
            process::signal(signal);
            if let Some(status) = self.events.end_of(self.id, patience) {
                self.ended = Some(status.map_err(|e| format!("the program: {e}"))?);
                break;
            }
        }
        Ok(())
    }
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        // Several restarts would fill the disk; the rest goes with the session.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// This program ends as that one has.
fn end(status: ExitStatus) -> Next {
    Next::End(ExitCode::from(process::code(status)))
}
