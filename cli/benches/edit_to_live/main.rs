//! From an edit to the first answer of the new code, as a client of HTTP sees it:
//! `cargo midair run` against `cargo build` and a restart, on `examples/notes`.
//!
//! ```sh
//! cargo bench -p cargo-midair --bench edit_to_live
//! ```
//!
//! Each round edits each of two copies of the example once in each way: in the program
//! and in its library, with text of the same length and with a line more. Both take turns,
//! so that they share the machine's moods; before each edit midair may end what it does
//! in the background, as it would while a person types. Medians of `MIDAIR_ROUNDS`, else 9.
//! With `MIDAIR_DX`, a path, `dx serve --hot-patch` takes turns, too.

#[path = "../../tests/run/client.rs"]
mod client;
mod dx;
mod midair;
mod restart;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A way to edit the example: where, and how many lines come with each edit.
#[derive(Clone, Copy)]
struct Edit {
    name: &'static str,
    file: &'static str,
    is_longer: bool,
}

const EDITS: [Edit; 4] = [
    edit("program, same length", "src/main.rs", false),
    edit("program, a line more", "src/main.rs", true),
    edit("library, same length", "store/src/lib.rs", false),
    edit("library, a line more", "store/src/lib.rs", true),
];

const fn edit(name: &'static str, file: &'static str, is_longer: bool) -> Edit {
    Edit {
        name,
        file,
        is_longer,
    }
}

/// What is edited in each file, less the number that is in the answer then.
const PLACES: [(&str, &str, &str); 2] = [
    ("src/main.rs", "format!(\"- {note}", "format!(\"N {note}"),
    (
        "store/src/lib.rs",
        "\"SELECT text FROM",
        "\"SELECT 'N' || text FROM",
    ),
];

/// A copy of the example.
struct Copy {
    root: PathBuf,
    /// How often each file was edited, and how many lines that has added.
    edits: [(usize, usize); 2],
    /// What a file of this name says otherwise.
    adapt: fn(&str, &str) -> String,
}

impl Copy {
    fn new(name: &str, adapt: fn(&str, &str) -> String) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/notes");
        for file in [
            "Cargo.toml",
            "Cargo.lock",
            "store/Cargo.toml",
            "src/main.rs",
            "store/src/lib.rs",
        ] {
            let to = root.join(file);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            let text = std::fs::read_to_string(example.join(file)).unwrap();
            std::fs::write(to, adapt(file, &text)).unwrap();
        }
        let _ = std::fs::remove_file(root.join("notes.db"));
        let edits = [(0, 0); 2];
        let copy = Self { root, edits, adapt };
        (0..2).for_each(|n| copy.write(n));
        copy
    }

    /// Edits a file; the beginning of the answer to come.
    fn edit(&mut self, edit: Edit) -> String {
        let n = PLACES
            .iter()
            .position(|(file, ..)| *file == edit.file)
            .unwrap();
        self.edits[n].0 += 1;
        self.edits[n].1 += usize::from(edit.is_longer);
        self.write(n);
        self.answer()
    }

    fn write(&self, n: usize) {
        let (file, from, to) = PLACES[n];
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/notes");
        let text = std::fs::read_to_string(example.join(file)).unwrap();
        let (number, lines) = self.edits[n];
        let to = to.replace('N', &digit(number));
        let to = format!("{}{to}", "// Another line.\n".repeat(lines));
        assert_eq!(text.matches(from).count(), 1);
        let text = (self.adapt)(file, &text.replace(from, &to));
        std::fs::write(self.root.join(file), text).unwrap();
    }

    fn answer(&self) -> String {
        let [program, library] = self.edits.map(|(number, _)| digit(number));
        format!("{program} {library}")
    }
}

fn digit(number: usize) -> String {
    char::from(b'A' + (number % 26) as u8).to_string()
}

/// Asks until the answer begins like this.
fn wait_for(client: &mut client::Client, answer: &str) {
    let begun = Instant::now();
    loop {
        let (status, text) = client.ask("/notes");
        assert_eq!(status, 200, "{text}");
        if text.starts_with(answer) {
            return;
        }
        let text = text.trim();
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{text}, not {answer}"
        );
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    // `cargo test --benches` is not meant to measure.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let rounds = std::env::var("MIDAIR_ROUNDS").map_or(9, |text| text.parse().unwrap());
    let as_it_is = |_: &str, text: &str| text.to_owned();
    let mut live = midair::Live::start(Copy::new("edit-midair", as_it_is));
    let mut restarted = restart::Restarted::start(Copy::new("edit-restart", as_it_is));
    let dx = std::env::var("MIDAIR_DX").ok();
    let mut dx = dx.map(|dx| dx::Dx::start(&dx, Copy::new("edit-dx", dx::adapted)));
    let mut rows: [Vec<Round>; 4] = Default::default();
    for _ in 0..rounds {
        for (edit, row) in EDITS.into_iter().zip(&mut rows) {
            row.push(Round {
                live: live.edit(edit),
                restarted: restarted.edit(edit),
                dx: dx.as_mut().and_then(|dx| dx.edit(edit)),
            });
        }
    }
    print(&rows, rounds);
}

/// One edit, made live in each way; milliseconds.
struct Round {
    live: midair::Sample,
    restarted: f64,
    dx: Option<f64>,
}

fn print(rows: &[Vec<Round>; 4], rounds: usize) {
    println!("medians of {rounds}, milliseconds\n");
    println!(
        "| edit | midair | of that rustc | beyond rustc | cargo build + restart | ratio | dx |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (edit, row) in EDITS.iter().zip(rows) {
        let of = |value: fn(&midair::Sample) -> f64| median(row.iter().map(|r| value(&r.live)));
        let (seen, rustc) = (of(|s| s.seen), of(|s| s.part("rustc")));
        let beyond = of(|s| s.seen - s.part("rustc"));
        let restart = median(row.iter().map(|round| round.restarted));
        // Of each round, for the machine's moods.
        let ratio = median(row.iter().map(|round| round.live.seen / round.restarted));
        let dx: Vec<f64> = row.iter().filter_map(|round| round.dx).collect();
        let dx = match dx.as_slice() {
            [] => "–".to_owned(),
            some => format!("{:.0}", median(some.iter().copied())),
        };
        println!(
            "| {} | {seen:.0} | {rustc:.0} | {beyond:.1} | {restart:.0} | {ratio:.2} | {dx} |",
            edit.name,
        );
    }
    let longer = |n: usize| {
        let pairs = rows[n].iter().zip(&rows[n + 1]);
        median(pairs.map(|(same, longer)| longer.live.seen / same.live.seen))
    };
    println!(
        "\na line more / the same length: program {:.2}, library {:.2}",
        longer(0),
        longer(2)
    );
    let parts = [
        "watch", "sources", "rustc", "diff", "gate", "link", "load", "swap", "total",
    ];
    println!("\n| edit | {} |", parts.join(" | "));
    println!("|---{}|", "|---".repeat(parts.len()));
    for (edit, row) in EDITS.iter().zip(rows) {
        let parts = parts.map(|part| {
            let value = median(row.iter().map(|round| round.live.part(part)));
            format!("{value:.1}")
        });
        println!("| {} | {} |", edit.name, parts.join(" | "));
    }
}
