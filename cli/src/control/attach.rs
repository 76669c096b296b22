//! `attach`: what `nc -U` does, and finds the socket; or one command.

use super::choose::choose;
use super::talk::Connection;
use crate::args::Attach;
use crate::error::Error;
use crate::output;
use midair::control::{Socket, sockets};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

pub(crate) fn run(args: &Attach) -> Result<ExitCode, Error> {
    if args.list {
        let there = sockets().map_err(Error::Sockets)?;
        let lines = there
            .iter()
            .map(|socket| format!("{} {} {}\n", socket.pid, socket.name, socket.path.display()));
        output::print(&lines.collect::<String>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let socket = choose(args.program.as_deref())?;
    if args.command.is_empty() {
        return bridge(&socket);
    }
    match Connection::open(&socket.path)?.words(&args.command)? {
        Ok(said) => {
            output::print(&with_end(said.text))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => {
            anstream::eprintln!("{}: {why}", output::styled(output::BAD, "error"));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Text that ends with a line.
pub(super) fn with_end(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Until the program closes the connection, which it does when stdin has ended and all is
/// answered.
fn bridge(socket: &Socket) -> Result<ExitCode, Error> {
    let talk = |source| Error::Talk {
        path: socket.path.clone(),
        source,
    };
    let mut stream = UnixStream::connect(&socket.path).map_err(talk)?;
    let mut to = stream.try_clone().map_err(talk)?;
    std::thread::spawn(move || {
        // If the program is gone, the other direction says so.
        let _ = io::copy(&mut io::stdin().lock(), &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let mut out = io::stdout().lock();
    let mut bytes = [0; 4096];
    loop {
        let read = match stream.read(&mut bytes) {
            Ok(0) => return Ok(ExitCode::SUCCESS),
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(talk(source)),
        };
        out.write_all(&bytes[..read])?;
        out.flush()?;
    }
}
