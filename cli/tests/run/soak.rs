//! Memory comes back: many reloads of one program, and what holds old code.
//!
//! `MIDAIR_RELOADS` says how many; the figures are printed with `--nocapture`.

use crate::program::Program;
use crate::socket::Client;
use crate::workspace::Workspace;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

const MAIN: &str = "src/main.rs";

fn start() -> Program {
    let program = Program::with(Workspace::of("cli/tests/fixtures/soak", "soak"), &[]);
    program.wait_until_watched();
    program
}

/// What a process uses, in kB and pieces.
#[derive(Clone, Copy, Debug)]
struct Use {
    resident: u64,
    size: u64,
    threads: u64,
    descriptors: usize,
    mappings: usize,
}

impl Use {
    fn of(process: u32) -> Self {
        let folder = format!("/proc/{process}");
        let status = std::fs::read_to_string(format!("{folder}/status")).unwrap();
        let field = |name: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_ascii_whitespace()
                .nth(1)
                .unwrap()
                .parse()
                .unwrap()
        };
        let maps = std::fs::read_to_string(format!("{folder}/maps")).unwrap();
        Self {
            resident: field("VmRSS:"),
            size: field("VmSize:"),
            threads: field("Threads:"),
            descriptors: std::fs::read_dir(format!("{folder}/fd")).unwrap().count(),
            mappings: maps.lines().count(),
        }
    }
}

/// The files of edits that are left in the target folder.
fn images(root: &Path) -> usize {
    let mut count = 0;
    let mut folders = vec![root.join("target")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.starts_with("edit-") && name.ends_with(".so") {
                count += 1;
            }
        }
    }
    count
}

/// Images that something else holds than the way back.
fn held(report: &Value) -> Vec<String> {
    let held = report["images"]["held"].as_array().unwrap().iter();
    let why = held.map(|image| image["why"].as_str().unwrap().to_owned());
    why.filter(|why| !why.contains("an undo")).collect()
}

/// Edits until what is held is as wanted, or a minute is over.
fn until(
    program: &mut Program,
    edits: &mut Edits,
    wanted: impl Fn(&[String]) -> bool,
) -> Vec<String> {
    let begun = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let held = held(&edits.next(program));
        if wanted(&held) || begun.elapsed() > Duration::from_secs(60) {
            return held;
        }
    }
}

/// One edit of `answer` after the other.
struct Edits(u64);

impl Edits {
    fn next(&mut self, program: &mut Program) -> Value {
        let before = self.0;
        self.0 += 1;
        let (from, to) = (
            format!("\"answer {{}}\", {before})"),
            format!("\"answer {{}}\", {})", self.0),
        );
        let report = program.edit(MAIN, &from, &to);
        assert_eq!(
            program.ask("answer"),
            format!("answer {}", self.0),
            "{report:#}"
        );
        report
    }
}

#[test]
fn many_reloads_leave_nothing_behind() {
    let count: u64 = std::env::var("MIDAIR_RELOADS").map_or(40, |n| n.parse().unwrap());
    let mut program = Program::with(Workspace::of("cli/tests/fixtures/soak", "soak"), &[]);
    let socket = program.socket();
    program.wait_until_watched();
    let ids = [program.ask("pid").parse().unwrap(), program.id()];
    let mut edits = Edits(0);
    let mut early = None;
    let mut most = 0;
    for n in 1..=count {
        let report = edits.next(&mut program);
        most = most.max(report["images"]["loaded"].as_u64().unwrap());
        if n % (count / 10).max(1) == 0 {
            let uses = ids.map(Use::of);
            let files = images(program.workspace.root());
            println!("{n}: {files} files, {} {:?}", report["images"], uses);
            // By now all that is done once is done.
            if n >= count / 2 && early.is_none() {
                early = Some(uses);
            }
        }
    }
    let left = until(&mut program, &mut edits, <[String]>::is_empty);
    assert_eq!(left, Vec::<String>::new());
    let early = early.unwrap();
    let late = ids.map(Use::of);
    println!("{late:?}");
    // cargo midair run has pipes while it waits for cargo or rustc, which it
    // starts by itself after an edit.
    let none_more = |id, early: &Use| {
        let late = Use::of(id);
        late.threads <= early.threads && late.descriptors <= early.descriptors
    };
    for (id, early) in ids.into_iter().zip(&early) {
        let waited = Instant::now();
        while !none_more(id, early) {
            let late = Use::of(id);
            assert!(waited.elapsed().as_secs() < 60, "{early:?} {late:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    for (early, late) in early.into_iter().zip(late) {
        // 4 kB a reload would be more than this when they are many.
        let more = late.resident.saturating_sub(early.resident);
        assert!(more < 2048 + count, "{early:?} {late:?}");
        // malloc takes 64 MB of address space for a thread that needs it.
        let more = late.size.saturating_sub(early.size);
        assert!(more < 4 * (64 << 10), "{early:?} {late:?}");
        assert!(late.mappings < early.mappings + 40, "{early:?} {late:?}");
    }
    assert!(most < 40, "{most} images were loaded at one time");
    assert!(images(program.workspace.root()) < 40);
    // The way back is as long as is said, here as in the program.
    let mut client = Client::connect(&socket);
    let undone = (0..).take_while(|_| client.command(&["undo"])["ok"] == true);
    assert_eq!(undone.count(), 16);
    assert_eq!(program.ask("answer"), format!("answer {}", edits.0 - 16));
    assert_eq!(program.end(), 0);
}

#[test]
fn a_function_that_a_thread_never_leaves_is_named_with_thread_and_line() {
    let mut program = start();
    let text = program.workspace.read(MAIN);
    let place = |line: &str| text.lines().position(|l| l == line).unwrap() + 1;
    let call = place("        thread::sleep(Duration::from_millis(20));");
    let report = program.edit(MAIN, "from_millis(20)", "from_millis(21)");
    let active = report["active"].as_array().unwrap();
    let [active] = active.as_slice() else {
        panic!("{report:#}");
    };
    assert_eq!(active["what"], "soak::work");
    assert_eq!(active["name"], "worker");
    assert!(active["file"].as_str().unwrap().ends_with(MAIN), "{active}");
    // It sleeps, or calls the function in the line before.
    let line = active["line"].as_u64().unwrap() as usize;
    assert!(line == call || line == call - 1, "{active}");
    // Whom nobody is in is not named.
    let report = Edits(0).next(&mut program);
    assert_eq!(report["active"], Value::Array(Vec::new()));
    assert_eq!(program.end(), 0);
}

/// Edits until no undo leads back to what was there.
fn bury(program: &mut Program, edits: &mut Edits) {
    for _ in 0..20 {
        edits.next(program);
    }
}

#[test]
fn a_text_that_is_kept_holds_its_image_until_it_is_let_go() {
    let mut program = start();
    let mut edits = Edits(0);
    program.edit(MAIN, "\"kept 0\"", "\"kept by somebody\"");
    assert_eq!(program.ask("keep"), "kept by somebody");
    program.edit(MAIN, "\"kept by somebody\"", "\"kept 2\"");
    bury(&mut program, &mut edits);
    let held = until(
        &mut program,
        &mut edits,
        |held| matches!(held, [only] if only.contains("a word at")),
    );
    assert!(held[0].contains("a word at"), "{held:?}");
    assert_eq!(program.ask("forget"), "kept by somebody");
    assert_eq!(
        until(&mut program, &mut edits, <[String]>::is_empty),
        [""; 0]
    );
    assert_eq!(program.end(), 0);
}

#[test]
fn a_thread_that_is_in_old_code_holds_its_image_until_it_comes_back() {
    let mut program = start();
    let mut edits = Edits(0);
    program.edit(MAIN, "from_millis(5)", "from_millis(6)");
    program.ask("block");
    let report = program.edit(MAIN, "from_millis(6)", "from_millis(7)");
    let active = report["active"].as_array().unwrap();
    assert!(
        active
            .iter()
            .any(|active| active["name"] == "blocked" && active["line"].is_number()),
        "{report:#}"
    );
    bury(&mut program, &mut edits);
    let held = until(
        &mut program,
        &mut edits,
        |held| matches!(held, [only] if only.contains("(blocked) has")),
    );
    assert!(held[0].contains("(blocked) has"), "{held:?}");
    program.ask("let go");
    assert_eq!(
        until(&mut program, &mut edits, <[String]>::is_empty),
        [""; 0]
    );
    assert_eq!(program.end(), 0);
}
