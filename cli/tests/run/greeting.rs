//! The transcript of the article on changing a program that runs from Clojure's socket
//! REPL, command for command: look at the value, redefine it, redefine the function,
//! load the file again. Typed into `nc -U`, where it is installed.

use crate::program::{self, PATIENCE, Program};
use crate::workspace::Workspace;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;

const FILE: &str = "src/greeting.rs";

/// What a person has.
struct Terminal {
    keyboard: Box<dyn Write>,
    screen: Receiver<String>,
    nc: Option<Child>,
}

impl Terminal {
    fn connect(socket: &Path) -> Self {
        let mut nc = Command::new("nc");
        nc.arg("-U").arg(socket);
        let nc = nc.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let (keyboard, screen, nc): (Box<dyn Write>, Box<dyn Read + Send>, _) = match nc {
            Ok(mut nc) => {
                let (input, output) = (nc.stdin.take().unwrap(), nc.stdout.take().unwrap());
                (Box::new(input), Box::new(output), Some(nc))
            }
            Err(error) => {
                eprintln!("without nc: {error}");
                let stream = UnixStream::connect(socket).unwrap();
                (
                    Box::new(stream.try_clone().unwrap()),
                    Box::new(stream),
                    None,
                )
            }
        };
        Self {
            keyboard,
            screen: program::lines(screen),
            nc,
        }
    }

    /// The first line of the answer to a line.
    fn ask(&mut self, line: &str) -> String {
        writeln!(self.keyboard, "{line}").unwrap();
        self.line()
    }

    fn line(&mut self) -> String {
        self.screen.recv_timeout(PATIENCE).unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(nc) = &mut self.nc {
            // It may have ended with the program.
            let _ = nc.kill();
            let _ = nc.wait();
        }
    }
}

fn start() -> (Program, Terminal) {
    let program = Program::with(Workspace::with_midair("examples/greeting", "greeting"), &[]);
    let mut client = Terminal::connect(&program.socket());
    program.wait_until_watched();
    assert_eq!(client.ask("set PAUSE 5"), "greeting::greeting::PAUSE = 5");
    (program, client)
}

#[test]
fn a_value_a_function_and_a_file_as_in_clojure() {
    let (program, mut client) = start();
    program.prints_only("hello world");

    // greeting=> message
    let answer = client.ask("get MESSAGE");
    assert_eq!(answer, "greeting::greeting::MESSAGE = hello world");
    // greeting=> (def message "goodbye world")
    client.ask("set MESSAGE \"goodbye world\"");
    program.prints_only("goodbye world");

    // greeting=> (defn print-message [] (println "jenny:" message))
    let before = program.workspace.read(FILE);
    let answer =
        client.ask(r#"eval fn greeting::print_message() { println!("jenny: {}", MESSAGE) }"#);
    assert!(answer.starts_with("1 function live"), "{answer}");
    assert!(
        answer.contains("greeting::greeting::print_message"),
        "{answer}"
    );
    let until = client.line();
    assert!(until.starts_with("src/greeting.rs is as it was"), "{until}");
    program.prints_only("jenny: goodbye world");
    assert_eq!(program.workspace.read(FILE), before);

    // The file is edited and not looked at yet is what Clojure knows; here it is looked
    // at when it is saved, so what is loaded again is the file as it always was.
    // greeting=> (load-file "src/greeting.clj")
    let answer = client.ask("reload src/greeting.rs");
    assert!(answer.starts_with("1 function live"), "{answer}");
    program.prints_only("goodbye world");
    assert_eq!(
        client.ask("reload"),
        "nothing has changed; what runs is what the files say"
    );
    assert_eq!(program.terminate(), 128 + 15);
}
