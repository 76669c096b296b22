//! An example as a running program, and a client of its socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A program that runs until this is dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) runtime: PathBuf,
    lines: Receiver<String>,
    errors: Receiver<String>,
}

/// A folder that nothing is in, of this user only.
pub(crate) fn folder(test: &str) -> PathBuf {
    // Short: the path of a socket has at most 107 bytes.
    let folder = PathBuf::from(format!("/tmp/mc-{}-{test}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .unwrap();
    folder
}

/// Another target, for which programs and libraries are built instead, and what runs them:
/// `ci/aarch64.sh` says so.
struct Other {
    target: String,
    rustc: String,
    linker: String,
    runner: String,
    /// The target folder.
    folder: PathBuf,
}

fn other() -> Option<Other> {
    let said = |name: &str| std::env::var(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    let target = std::env::var("MIDAIR_RUN_TARGET").ok()?;
    let cargo = target.replace('-', "_").to_uppercase();
    Some(Other {
        rustc: said("MIDAIR_RUN_RUSTC"),
        linker: said(&format!("CARGO_TARGET_{cargo}_LINKER")),
        runner: said(&format!("CARGO_TARGET_{cargo}_RUNNER")),
        folder: said("MIDAIR_RUN_FOLDER").into(),
        target,
    })
}

fn executable(example: &str) -> Command {
    // `cargo test` builds examples only if it builds everything.
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "-p", "midair", "--example", example]);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    let other = other();
    let folder = match &other {
        Some(other) => {
            cargo.args(["--target", &other.target]);
            cargo.env("RUSTC", &other.rustc);
            cargo.env("CARGO_TARGET_DIR", &other.folder);
            other.folder.join(&other.target).join("debug")
        }
        None => {
            let mut path = std::env::current_exe().unwrap();
            path.pop();
            path.pop();
            path
        }
    };
    assert!(cargo.status().unwrap().success());
    let program = folder.join("examples").join(example);
    match other {
        Some(other) => {
            let mut command = Command::new(other.runner);
            command.arg(program);
            command
        }
        None => Command::new(program),
    }
}

fn read_lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

impl Program {
    pub(crate) fn start(example: &str, test: &str, more: impl FnOnce(&mut Command)) -> Self {
        let runtime = folder(test);
        let mut command = executable(example);
        command
            .env("XDG_RUNTIME_DIR", &runtime)
            .env_remove("PORT")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        more(&mut command);
        let mut child = command.spawn().unwrap();
        Self {
            lines: read_lines(child.stdout.take().unwrap()),
            errors: read_lines(child.stderr.take().unwrap()),
            child,
            runtime,
        }
    }

    /// The next line on stderr.
    pub(crate) fn error(&self) -> String {
        self.errors.recv_timeout(LONG).unwrap()
    }

    /// Where the socket is, as the program shows it.
    pub(crate) fn socket(&self) -> PathBuf {
        let line = self.error();
        let path = line.strip_prefix("midair: control socket ").expect(&line);
        PathBuf::from(path.split(';').next().unwrap())
    }

    /// Waits until the program prints a line that is as wanted.
    pub(crate) fn wait_for(&self, wanted: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + LONG;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).expect("never printed");
            if wanted(&line) {
                return line;
            }
        }
    }

    /// All lines from now on are this one, for a while.
    pub(crate) fn prints_only(&self, text: &str) {
        self.wait_for(|line| line == text);
        for _ in 0..20 {
            assert_eq!(self.lines.recv_timeout(LONG).unwrap(), text);
        }
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.runtime);
    }
}

/// A connection.
pub(crate) struct Client {
    reader: BufReader<UnixStream>,
}

impl Client {
    pub(crate) fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        Self {
            reader: BufReader::new(stream),
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).unwrap();
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Sends a line and returns the first line of the answer.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\n").as_bytes());
        self.line()
    }
}

/// What a person sees who pipes lines through `nc -U` and reads to the end.
pub(crate) fn transcript(socket: &Path, lines: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(lines.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// `GET`, as far as it comes.
pub(crate) fn get(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(LONG))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The body of a page that is there.
pub(crate) fn page(port: u16, path: &str) -> String {
    let answer = get(port, path).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect(&answer);
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    body.trim_end().to_owned()
}

/// A shared library of one source file.
pub(crate) fn library(folder: &Path, name: &str, source: &str) -> PathBuf {
    let file = folder.join(format!("{name}.rs"));
    std::fs::write(&file, source).unwrap();
    let library = folder.join(format!("lib{name}.so"));
    let own = || std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut rustc = Command::new(other().map_or_else(own, |other| other.rustc.into()));
    if let Some(other) = other() {
        rustc.args(["--target", &other.target]);
        rustc.arg(format!("-Clinker={}", other.linker));
    }
    let built = rustc
        .args(["-g", "--edition", "2024", "--crate-type", "cdylib", "-o"])
        .args([&library, &file])
        .status()
        .unwrap();
    assert!(built.success());
    library
}
