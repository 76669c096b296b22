//! Edits that change how what lives is used, and of which neither the machine code nor the
//! types of the functions that use it tell.

use crate::program::Program;
use crate::workspace::Workspace;

const MAIN: &str = "src/main.rs";

/// What is there, and what comes in its place.
type Change<'a> = (&'a str, &'a str);

const BEFORE: &str = "both 1 101, area 3, named 7 8, twice 42, limit 5, chain 1034, two 1 2, blocks [1, 2], pointer 2";

/// Writes an edit and asks.
fn after(program: &mut Program, places: &[Change]) -> (serde_json::Value, String) {
    let mut text = program.workspace.read(MAIN);
    for (from, to) in places {
        assert!(text.contains(from), "{from:?}");
        text = text.replace(from, to);
    }
    program.workspace.write(MAIN, &text);
    let report = program.report();
    assert_eq!(program.ask("passed"), "passed 5 5", "{report:#}");
    (report, program.ask("all"))
}

fn start() -> Program {
    let program = Program::with(Workspace::of("cli/tests/fixtures/unseen", "unseen"), &[]);
    program.wait_until_watched();
    program
}

#[test]
fn what_would_be_used_in_another_way_than_it_was_made_for_is_refused_or_kept() {
    let mut program = start();
    let refused: [(&[Change], &str); 10] = [
        (
            &[("First + Second", "Second + First")],
            "is `<unseen::Disc as unseen::Second>::number`, and was `<unseen::Disc as unseen::First>::number`",
        ),
        (
            &[("area(&self)", "surface(&self)"), (".area()", ".surface()")],
            "is `surface`, and was `area`",
        ),
        (
            &[
                ("area(&self) -> u32", "area(&self) -> u128"),
                ("self.0 * 3", "7"),
            ],
            "leads callers to the old `area`: it returns `u128`, and returned `u32`",
        ),
        (
            &[
                ("area(&self)", "area(&self, n: f64)"),
                (".area()", ".area(1.0)"),
            ],
            "leads callers to the old `area`: it takes 2 parameters, and took 1",
        ),
        (
            &[(
                "    fn other(&self) -> u32 {\n",
                "    fn name(&self) -> u32 {\n        9\n    }\n\n    fn other(&self) -> u32 {\n",
            )],
            "is `<unseen::Disc as unseen::Named>::name`, and was `unseen::Named::name`",
        ),
        (
            &[(
                "#[derive(Clone, Copy)]\n",
                "#[derive(Clone, Copy)]\n#[repr(C)]\n",
            )],
            "type `Pair` of ",
        ),
        (
            &[("fn total", "extern \"C\" fn total")],
            "function `total` of ",
        ),
        (
            &[
                ("static LIMIT", "static mut LIMIT"),
                (
                    "    LIMIT\n",
                    "    unsafe {\n        LIMIT += 1;\n        LIMIT\n    }\n",
                ),
            ],
            "static `unseen::LIMIT` is written to now, and the one that lives cannot be",
        ),
        (
            &[(
                "fn second_of_two() -> u32 {\n    2\n",
                "fn second_of_two() -> u32 {\n    3\n",
            )],
            "unseen::first_of_two, unseen::second_of_two changed, and cannot be told apart",
        ),
        (
            &[(
                "fn first_of_two() -> u32 {\n    1\n",
                "fn first_of_two() -> u32 {\n    3\n",
            )],
            "unseen::first_of_two, unseen::second_of_two changed, and cannot be told apart",
        ),
    ];
    for (places, words) in refused {
        let text = program.workspace.read(MAIN);
        let (report, answer) = after(&mut program, places);
        let why = report["refused"].to_string();
        assert!(why.contains(words), "{words}: {report:#}");
        assert_eq!(answer, BEFORE, "{report:#}");
        program.workspace.write(MAIN, &text);
        let report = program.report();
        assert_eq!(report["refused"].to_string(), "[]", "{report:#}");
    }
    // Two versions: who has one of them keeps it.
    let block = "    // blocks\n    {\n        fn number() -> u32 {\n            0\n        }\n        \
                 number();\n    }\n";
    let (report, answer) = after(&mut program, &[("    // blocks\n", block)]);
    let why = report["versioned"].to_string();
    assert!(why.contains("there are 3 now and were 2"), "{report:#}");
    assert_eq!(answer, BEFORE, "{report:#}");
    assert_eq!(program.end(), 0);
}

#[test]
fn what_is_hard_to_know_again_is_live() {
    let mut program = start();
    let plain = |attribute: &str, by: u32| {
        format!("{attribute}extern \"C\" fn plainly_named(n: u32) -> u32 {{\n    n + {by}\n")
    };
    let other = "// impls\nimpl Amount<String> {\n    fn length(&self) -> usize {\n        \
                 self.0.len()\n    }\n}\n";
    let live: [(&[Change], Change); 4] = [
        (
            &[("chain!(1000;", "chain!(2000;")],
            ("chain 1034", "chain 2034"),
        ),
        (
            &[(&plain("#[unsafe(no_mangle)]\n", 1), &plain("", 2))],
            ("pointer 2", "pointer 3"),
        ),
        (
            &[(
                &plain("", 2),
                &plain("#[unsafe(export_name = \"other\")]\n", 3),
            )],
            ("pointer 3", "pointer 4"),
        ),
        // All instances of what is below get other names.
        (
            &[("// impls\n", other), ("amount * 2", "amount * 3")],
            ("twice 42", "twice 63"),
        ),
    ];
    let mut expected = BEFORE.to_owned();
    for (places, (was, is)) in live {
        let (report, answer) = after(&mut program, places);
        expected = expected.replace(was, is);
        assert_eq!(answer, expected, "{report:#}");
    }
    assert_eq!(program.end(), 0);
}
