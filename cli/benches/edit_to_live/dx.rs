//! The example under `dx serve --hot-patch` (dioxus), if `MIDAIR_DX` names a `dx`.
//!
//! It patches what is called below its call sites, so the example is given one, and a line
//! that connects it. Only the program is edited: libraries dx does not patch. It needs
//! `ld.lld` in the path.

use super::{Copy, Edit, client::Client, milliseconds, wait_for};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(900);

pub(crate) struct Dx {
    copy: Copy,
    child: Child,
    client: Client,
}

/// What has to be different for dx.
pub(crate) fn adapted(file: &str, text: &str) -> String {
    let pairs: &[(&str, &str)] = match file {
        "src/main.rs" => &[
            (
                "    let mut args = std",
                "    dioxus_devtools::connect_subsecond();\n    let mut args = std",
            ),
            (
                "Ok(notes.iter().map(|note| line(note)).collect())",
                "Ok(dx(&notes))",
            ),
            // In an `async fn` it has no effect.
            (
                "/// A note as it is shown.\n",
                "fn dx(notes: &[String]) -> String {\n    \
                 dioxus_devtools::subsecond::call(|| all(notes))\n}\n\n\
                 fn all(notes: &[String]) -> String {\n    \
                 notes.iter().map(|note| line(note)).collect()\n}\n\n\
                 /// A note as it is shown.\n",
            ),
        ],
        // Without a feature of this name it asks for one of dioxus.
        "Cargo.toml" => &[(
            "[dependencies]\n",
            "[features]\nserver = []\n\n[dependencies]\ndioxus-devtools = \"0.7.1\"\n",
        )],
        _ => &[],
    };
    pairs.iter().fold(text.to_owned(), |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "{from} in {file}");
        text.replace(from, to)
    })
}

impl Dx {
    pub(crate) fn start(dx: &str, copy: Copy) -> Self {
        let [program, server] = [free_port(), free_port()];
        let mut command = Command::new(dx);
        super::restart::is_started_by_hand(&mut command);
        let arguments = format!("notes.db {program}");
        command.args(["serve", "--hot-patch", "--platform", "server"]);
        command.args(["--interactive", "false", "--open", "false"]);
        command.args(["--addr", "127.0.0.1", "--port", &server.to_string()]);
        command.args(["--args", &arguments]);
        command.current_dir(&copy.root).stdin(Stdio::null());
        let log = std::fs::File::create(copy.root.join("dx.log")).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = command.spawn().unwrap();
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", program)).is_err() {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "see dx.log");
            std::thread::sleep(Duration::from_millis(100));
        }
        let mut client = Client::new(&format!("127.0.0.1:{program}"));
        assert_eq!(client.post("/notes", "note"), (200, "1".to_owned()));
        // It connects to dx meanwhile.
        std::thread::sleep(Duration::from_secs(2));
        Self {
            copy,
            child,
            client,
        }
    }

    pub(crate) fn edit(&mut self, edit: Edit) -> Option<f64> {
        if edit.file != "src/main.rs" {
            return None;
        }
        let begun = Instant::now();
        let answer = self.copy.edit(edit);
        wait_for(&mut self.client, &answer);
        let seen = milliseconds(begun.elapsed());
        // As long as midair has for what it does in the background.
        std::thread::sleep(Duration::from_millis(500));
        Some(seen)
    }
}

impl Drop for Dx {
    fn drop(&mut self) {
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-INT", &id]).status();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
