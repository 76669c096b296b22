//! `--partial`: of an edit that is refused, what can be applied alone is.

use crate::program::{Program, redirected};
use crate::workspace::Workspace;

const CODE: &str = "app/src/code.rs";

/// The short names of what was left out.
fn left_out(report: &serde_json::Value) -> Vec<&str> {
    let names = report["left_out"].as_array().unwrap().iter();
    names.map(|name| name.as_str().unwrap()).collect()
}

#[test]
fn what_does_not_touch_the_refused_type_is_live_and_all_else_is_as_it_was() {
    let workspace = Workspace::fresh();
    let text = workspace.replaced(CODE, "struct Guest;", "struct Guest;\n\nstatic LAST: std::sync::Mutex<Option<Point>> = std::sync::Mutex::new(None);\n\npub struct Point {\n    x: u32,\n}\n");
    let text = text.replace(
        "    String::new()\n}\n",
        "    let mut last = LAST.lock().unwrap();\n    \
             let x = last.as_ref().map_or(1, |last| last.x + 1);\n    \
             *last = Some(Point { x });\n    x.to_string()\n}\n\n\
         fn fresh() -> u32 {\n    Square(2).area()\n}\n\n\
         fn measured(square: &Square) -> u32 {\n    square.area()\n}\n\n\
         fn gives() -> u32 {\n    measured(&Square(4))\n}\n",
    );
    let text = text.replace(
        "constant() -> u32 {\n",
        "constant() -> u32 {\n    let _ = fresh() + gives();\n",
    );
    workspace.write(CODE, &text);
    let mut program = Program::with(workspace, &["--partial"]);
    program.wait_until_watched();
    assert_eq!(program.ask("added"), "1");
    assert_eq!(program.ask("constant"), "20");

    // A type that an old box has; a function that makes one; one that gives one to a
    // function that has not changed; and two that have no part in it.
    let to_large = |text: &str| {
        text.replace("struct Square(u32)", "struct Square(u64)")
            .replace("self.0 * self.0", "(self.0 * self.0) as u32 + 1")
            .replace("Square(2).area()", "Square(3).area() + 100")
            .replace("&Square(4)", "&Square(5)")
    };
    let edited = to_large(&text)
        .replace("    n + 1\n", "    n + 7\n")
        .replace("\"first\"", "\"second\"")
        .replace("LIMIT * 2", "LIMIT * 3 + fresh()");
    program.workspace.write(CODE, &edited);
    let report = program.report();
    assert!(
        report["refused"].to_string().contains("app::code::Square"),
        "{report:#}"
    );
    assert_eq!(report["is_partial"], true);
    assert_eq!(redirected(&report), ["literal", "private"], "{report:#}");
    let out = left_out(&report);
    for name in [
        "app::code::fresh",
        "app::code::gives",
        "app::code::constant",
        "<app::code::Square as app::code::Shape>::area",
    ] {
        assert!(out.contains(&name), "{name}: {report:#}");
    }
    assert_eq!(program.ask("private"), "8");
    assert_eq!(program.ask("literal"), "second");
    assert_eq!(program.ask("dyn"), "9");
    assert_eq!(program.ask("default"), "area 9");
    assert_eq!(program.ask("constant"), "20");

    // What is live is taken back in the file, and so it is in the program.
    let back = edited.replace("    n + 7\n", "    n + 1\n");
    program.workspace.write(CODE, &back);
    let report = program.report();
    assert_eq!(program.ask("private"), "2", "{report:#}");
    assert_eq!(program.ask("dyn"), "9");

    // Without what was refused it is an edit as any other.
    let text = text.replace("LIMIT * 2", "LIMIT * 4");
    program.workspace.write(CODE, &text);
    let report = program.report();
    assert_eq!(report["refused"], serde_json::json!([]), "{report:#}");
    assert_eq!(program.ask("literal"), "first", "{report:#}");
    assert_eq!(program.ask("constant"), "40");
    assert_eq!(program.ask("private"), "2");
    let report = program.edit(CODE, "LIMIT * 4", "LIMIT * 5");
    assert_eq!(redirected(&report), ["constant"], "{report:#}");

    // A static has such values, and any code may meet it: nothing is applied.
    let text = program
        .workspace
        .read(CODE)
        .replace("    x: u32,\n", "    x: u32,\n    y: u64,\n");
    let text = text
        .replace("Point { x }", "Point { x, y: 1 }")
        .replace("    n + 1\n", "    n + 8\n");
    program.workspace.write(CODE, &text);
    let report = program.report();
    let why = report["refused"].to_string();
    for words in [
        "app::code::Point",
        "static `app::code::LAST` has values of that type",
    ] {
        assert!(why.contains(words), "{words}: {report:#}");
    }
    assert_eq!(report["is_partial"], false);
    assert_eq!(program.ask("private"), "2");
    assert_eq!(program.ask("added"), "2");

    // So may any code call a method of a trait object.
    let text = text
        .replace("    y: u64,\n", "")
        .replace("Point { x, y: 1 }", "Point { x }");
    let text = text.replace(
        "    fn area(&self) -> u32;\n",
        "    fn first(&self) -> u32 {\n        self.area()\n    }\n\n    fn area(&self) -> u32;\n",
    );
    program.workspace.write(CODE, &text);
    let report = program.report();
    assert!(
        report["refused"]
            .to_string()
            .contains("any code may meet that"),
        "{report:#}"
    );
    assert_eq!(program.ask("private"), "2");
    assert_eq!(program.ask("dyn"), "9");
    assert_eq!(program.end(), 0);
}
