//! Who may connect, what is in the way of the socket, and what is sent to it.

use crate::program::{Client, Program, free_port, transcript};
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o777
}

/// Connects as another user and shows what it is told.
fn as_another_user(socket: &Path) -> Output {
    const NOBODY: u32 = 65534;
    let script = "import socket, sys\n\
                  s = socket.socket(socket.AF_UNIX)\n\
                  s.connect(sys.argv[1])\n\
                  s.shutdown(socket.SHUT_WR)\n\
                  print(s.makefile().read())\n";
    let mut python = Command::new("python3");
    python.args(["-c", script]).arg(socket);
    python.uid(NOBODY).gid(NOBODY).output().unwrap()
}

#[test]
fn another_user_cannot_connect() {
    let program = Program::start("greeting", "user", |_| {});
    let socket = program.socket();
    assert_eq!(mode(&socket), 0o600);
    assert_eq!(mode(socket.parent().unwrap()), 0o700);
    // SAFETY: takes nothing and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("SKIPPED: only root can become another user");
        return;
    }
    // The folder keeps them out.
    let output = as_another_user(&socket);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && error.contains("PermissionError"),
        "{error}"
    );
    // So does the socket's mode, if somebody opens the folders.
    for folder in socket.ancestors().skip(1).take(2) {
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let output = as_another_user(&socket);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && error.contains("PermissionError"),
        "{error}"
    );
    // And if somebody opens that too, the kernel says who it is.
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o666)).unwrap();
    let output = as_another_user(&socket);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        said.trim(),
        "error: you are user 65534, and this program is user 0's"
    );
    assert!(transcript(&socket, "get PAUSE\n").contains("= 1000"));
}

/// Runs a program whose name and number are known before it opens its socket: `sh` becomes
/// the program after it has prepared the place.
fn with_prepared(test: &str, prepare: &str) -> Program {
    Program::start("greeting", test, |command| {
        // On another machine it is its runner's argument.
        let program: Vec<OsString> = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(OsStr::to_owned)
            .collect();
        let runtime = command
            .get_envs()
            .find_map(|(name, value)| (name == "XDG_RUNTIME_DIR").then_some(value).flatten())
            .unwrap()
            .to_owned();
        let script = format!("S=$XDG_RUNTIME_DIR/midair/greeting-$$.sock; {prepare}; exec \"$@\"");
        *command = Command::new("sh");
        command.arg("-c").arg(script).arg("sh").args(program);
        command.env("XDG_RUNTIME_DIR", runtime);
        command.stdout(std::process::Stdio::piped());
        command.stderr(std::process::Stdio::piped());
    })
}

#[test]
fn a_symbolic_link_in_the_place_of_the_socket_is_not_followed() {
    let program = with_prepared(
        "link",
        "mkdir -m 700 $XDG_RUNTIME_DIR/midair; ln -s $XDG_RUNTIME_DIR/elsewhere $S",
    );
    let error = program.error();
    assert!(
        error.contains("is a symbolic link, which is not followed; remove it"),
        "{error}"
    );
    assert!(!program.runtime.join("elsewhere").exists());
}

#[test]
fn a_folder_that_is_a_link_or_open_to_others_is_not_used() {
    let program = with_prepared(
        "folder-link",
        "mkdir -m 700 $XDG_RUNTIME_DIR/real; ln -s real $XDG_RUNTIME_DIR/midair",
    );
    let error = program.error();
    assert!(error.contains("is a symbolic link or no folder"), "{error}");
    assert_eq!(program.runtime.join("real").read_dir().unwrap().count(), 0);
    let program = with_prepared("folder-open", "mkdir -m 770 $XDG_RUNTIME_DIR/midair");
    let error = program.error();
    assert!(error.contains("is open to other users"), "{error}");
}

#[test]
fn a_file_in_the_place_of_the_socket_stays() {
    let program = with_prepared(
        "file",
        "mkdir -m 700 $XDG_RUNTIME_DIR/midair; echo precious > $S; cp $S $XDG_RUNTIME_DIR/path",
    );
    let error = program.error();
    assert!(error.contains("is no socket; remove it"), "{error}");
    let folder = program.runtime.join("midair");
    let files: Vec<PathBuf> = folder
        .read_dir()
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(std::fs::read_to_string(&files[0]).unwrap(), "precious\n");
}

#[test]
fn a_socket_of_somebody_else_stays() {
    let prepare = |more: &str| {
        format!(
            "mkdir -m 700 $XDG_RUNTIME_DIR/midair; \
             python3 -c \"import socket, sys; s = socket.socket(socket.AF_UNIX); \
             s.bind(sys.argv[1]); s.listen(); open(sys.argv[1] + '.made', 'w'); {more}\""
        )
    };
    // Another copy of midair in this process would listen like this.
    let wait = "s.settimeout(5); s.accept(); s.accept(); s.accept()";
    let listens = format!(
        "{} $S 2>/dev/null & while [ ! -e $S.made ]; do sleep 0.02; done",
        prepare(wait)
    );
    let program = with_prepared("listens", &listens);
    let error = program.error();
    assert!(
        error.contains("is a socket that somebody listens to"),
        "{error}"
    );
    // SAFETY: takes nothing and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("SKIPPED: only root can make a socket another user's");
        return;
    }
    let foreign = format!("{} $S; chown 65534 $S", prepare("pass"));
    let program = with_prepared("foreign", &foreign);
    let error = program.error();
    assert!(error.contains("is a socket of another user"), "{error}");
}

#[test]
fn a_stale_socket_is_replaced_and_those_of_the_dead_are_swept() {
    let script = "import os, socket, sys; os.chdir(os.environ['XDG_RUNTIME_DIR'] + '/midair'); \
                  [socket.socket(socket.AF_UNIX).bind(n) for n in sys.argv[1:]]; \
                  open('shop-1.1.lib.so', 'w'); open('shop-12.token', 'w')";
    let program = with_prepared(
        "stale",
        &format!(
            "mkdir -m 700 $XDG_RUNTIME_DIR/midair; \
             python3 -c \"{script}\" greeting-$$.sock shop-1.sock"
        ),
    );
    let socket = program.socket();
    assert!(socket.symlink_metadata().unwrap().file_type().is_socket());
    assert_eq!(mode(&socket), 0o600);
    assert!(transcript(&socket, "get PAUSE\n").contains("= 1000"));
    let folder = socket.parent().unwrap();
    let mut names: Vec<String> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let own = socket.file_name().unwrap().to_str().unwrap();
    assert_eq!(
        names,
        [own, "shop-12.token"],
        "what is not of the dead stays"
    );
}

#[test]
fn a_program_that_ends_takes_its_socket_along() {
    let folder = crate::program::folder("end");
    let here = folder.join("midair");
    // This process is the program.
    // SAFETY: no other test of this process reads or writes this variable.
    unsafe { std::env::set_var("XDG_RUNTIME_DIR", &folder) };
    // SAFETY: the child does nothing but open its socket and end.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let served = midair::control::Options::new().quiet().serve();
        let is_there = served.is_ok_and(|served| served.path.exists());
        // SAFETY: ends the child, with what is to be done at its end.
        unsafe { libc::exit(if is_there { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: `status` has room for the answer.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0);
    assert_eq!(here.read_dir().unwrap().count(), 0);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_line_of_ten_megabytes_and_garbage_are_answered_and_the_program_lives() {
    let mut program = Program::start("greeting", "garbage", |_| {});
    let socket = program.socket();
    let mut client = Client::connect(&socket);
    let mut long = vec![b'a'; 10_000_000];
    long.push(b'\n');
    client.send(&long);
    assert_eq!(client.line(), "error: a line has more than 1048576 bytes");
    assert_eq!(client.ask("get PAUSE"), "greeting::PAUSE = 1000");
    // As JSON, and without an end.
    long.pop();
    long[0] = b'{';
    let said = transcript(&socket, &String::from_utf8(long).unwrap());
    assert_eq!(said, "error: a line has more than 1048576 bytes\n");
    // Bytes that are no text.
    client.send(&[0xff, 0xfe, 0, b'\n']);
    assert_eq!(client.line(), "error: a line is not UTF-8");
    let said = client.ask("\0\u{1b}[31m");
    assert!(said.starts_with("error: no command is called"), "{said}");
    let deep = format!("{{\"a\":{}", "[".repeat(500_000));
    let said = client.ask(&deep);
    assert!(said.contains("not JSON: more than 32 levels"), "{said}");
    // Clients that go away in the middle, and one that never reads.
    for _ in 0..100 {
        let mut stream = UnixStream::connect(&socket).unwrap();
        let _ = stream.write_all(b"symbols *\nsymbols *\nhel");
    }
    assert!(program.is_alive());
    let begun = std::time::Instant::now();
    // Those that are one too many are told so and closed.
    let is_served = || {
        let mut stream = UnixStream::connect(&socket).unwrap();
        let mut said = String::new();
        let asked = stream.write_all(b"get PAUSE\n");
        let _ = stream.shutdown(std::net::Shutdown::Write);
        asked.is_ok() && stream.read_to_string(&mut said).is_ok() && said.contains("= 1000")
    };
    while !is_served() {
        assert!(
            begun.elapsed() < crate::program::LONG,
            "connections are not given back"
        );
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn who_is_one_too_many_is_told_so_until_somebody_goes() {
    const MOST: usize = 16;
    let program = Program::start("greeting", "many", |_| {});
    let socket = program.socket();
    let served = |_| {
        let mut client = Client::connect(&socket);
        assert_eq!(client.ask("get PAUSE"), "greeting::PAUSE = 1000");
        client
    };
    let mut clients: Vec<Client> = (0..MOST).map(served).collect();
    let mut more = Client::connect(&socket);
    assert_eq!(more.line(), "error: 16 connections are open already");
    // The others are served as before.
    for client in &mut clients {
        assert_eq!(client.ask("get PAUSE"), "greeting::PAUSE = 1000");
    }
    clients.pop();
    let begun = std::time::Instant::now();
    while !transcript(&socket, "").is_empty() {
        assert!(begun.elapsed() < crate::program::LONG, "no room again");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_second_program_leaves_the_socket_of_the_first_alone() {
    let first = Program::start("greeting", "first", |_| {});
    let socket = first.socket();
    let second = Program::start("greeting", "second", |command| {
        command.env("XDG_RUNTIME_DIR", &first.runtime);
    });
    let other = second.socket();
    assert_eq!(other.parent(), socket.parent());
    for socket in [socket, other] {
        assert!(transcript(&socket, "get PAUSE\n").contains("= 1000"));
    }
}

#[test]
fn tcp_is_only_for_who_has_the_token() {
    let folder = crate::program::folder("tcp");
    let port = free_port();
    // A process of its own has its own socket: this test's executable again.
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "security::serves_over_tcp_for_another_test",
            "--ignored",
        ])
        .env("XDG_RUNTIME_DIR", &folder)
        .env("MIDAIR_TEST_PORT", port.to_string())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let begun = std::time::Instant::now();
    let connect = || loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(stream) => return stream,
            Err(error) => assert!(begun.elapsed() < crate::program::LONG, "{error}"),
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let talk = |text: &str| {
        let mut stream = connect();
        stream.write_all(text.as_bytes()).unwrap();
        // Who was refused may be cut off by now.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut said = String::new();
        // What was sent too much makes the kernel reset the connection.
        let mut reader = BufReader::new(stream);
        let _ = reader.read_line(&mut said);
        let _ = reader.read_to_string(&mut said);
        said
    };
    // What was sent behind the first line makes the kernel reset the connection, and that
    // may overtake the answer.
    let refused = "error: the first line must be `token` and the right one\n";
    let is_refused = |said: String| said == refused || said.is_empty();
    let zeros = "0".repeat(32);
    assert_eq!(talk(&format!("token {zeros}\n")), refused);
    assert_eq!(talk("token \n"), refused);
    assert!(is_refused(talk(
        "POST / HTTP/1.1\r\nHost: localhost\r\n\r\nstats\n"
    )));
    assert!(is_refused(talk(&format!("token {zeros}\nget WORD\n"))));
    assert!(is_refused(talk(&"a".repeat(1000))));
    let files = folder.join("midair").read_dir().unwrap();
    let token = files
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "token"))
        .unwrap();
    assert_eq!(mode(&token), 0o600);
    let token = std::fs::read_to_string(token).unwrap();
    assert_eq!(token.trim().len(), 32);
    let said = talk(&format!("token {}\nget WORD\n", token.trim()));
    assert_eq!(said, "ok\ncontrol::security::WORD = a word\n");
    // Nowhere but on the loopback.
    let listening = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let listens = format!(":{port:04X} 00000000:0000 0A");
    let at: Vec<&str> = listening
        .lines()
        .filter(|line| line.contains(&listens))
        .collect();
    assert!(at.len() == 1 && at[0].contains("0100007F:"), "{at:?}");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    std::fs::remove_dir_all(folder).unwrap();
}

midair::var! { static WORD: String = "a word" }

#[test]
#[ignore = "the other process of the test above"]
fn serves_over_tcp_for_another_test() {
    let Ok(port) = std::env::var("MIDAIR_TEST_PORT") else {
        return;
    };
    let options = midair::control::Options::new().loopback(port.parse().unwrap());
    let served = options.serve().unwrap();
    assert_eq!(options.serve().unwrap(), served);
    // Until the other side of the pipe is gone.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
