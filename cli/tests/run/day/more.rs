// What is edited on another day.

const MORE: &[Edit] = &[
    Edit {
        what: "a table of functions",
        places: &[(OTHER, "[(\"one\", one), (\"two\", two)]", "[(\"zwei\", two), (\"eins\", one)]")],
        expected: Live,
    },
    Edit {
        what: "a longer table of functions",
        places: &[
            (OTHER, "2] = [(\"zwei\", two)", "3] = [(\"drei\", three), (\"zwei\", two)"),
            (OTHER, "fn two() -> u32 {", "fn three() -> u32 {\n    3\n}\n\nfn two() -> u32 {"),
        ],
        expected: Live,
    },
    Edit {
        what: "a static behind a static",
        places: &[(OTHER, "text: \"last\"", "text: \"the very last\"")],
        expected: Live,
    },
    Edit {
        what: "a static that is another one's end",
        places: &[(OTHER, "text: \"inner\", next: Some(&LAST)", "text: \"alone\", next: None")],
        expected: Live,
    },
    Edit {
        what: "a closure in a constant",
        places: &[(OTHER, "|n| n + 1;", "|n| n * 50;")],
        expected: Live,
    },
    Edit {
        what: "a floating-point constant",
        places: &[(OTHER, "n * 0.5 + 1e-3", "n * 0.125 - 2.5")],
        expected: Live,
    },
    Edit {
        what: "a large constant",
        places: &[(OTHER, "340_282_366_920_938_463_463;", "340_282_366_920_938_463_464;")],
        expected: Live,
    },
    Edit {
        what: "another collection",
        places: &[
            (OTHER, "BTreeMap<usize, Vec<&str>> = BTreeMap::new();\n", "BTreeMap<std::cmp::Reverse<usize>, std::collections::VecDeque<&str>> = BTreeMap::new();\n"),
            (OTHER, "groups.entry(word.len()).or_default().push(word);", "groups.entry(std::cmp::Reverse(word.len())).or_default().push_front(word);"),
        ],
        expected: Live,
    },
    Edit {
        what: "labels and ranges",
        places: &[(OTHER, "0 => continue 'rows,", "0 if x > 5 => break 'rows,"), (OTHER, "5.. => return", "6..=8 | 100.. => return")],
        expected: Same,
    },
    Edit {
        what: "let-else and if-let chains",
        places: &[(OTHER, "if key == \"n\" { value.parse().unwrap_or(1) } else { 2 }", "if key == \"n\" && let Ok(n) = value.parse::<u32>() { n * 2 } else { 2 }")],
        expected: Live,
    },
    Edit {
        what: "a method of a generic type",
        places: &[(OTHER, "self.items.last().cloned()", "self.items.first().cloned()")],
        expected: Live,
    },
    Edit {
        what: "a blanket impl",
        places: &[(OTHER, "self.to_string().repeat(2)", "format!(\"{0} {0}\", self.to_string())")],
        expected: Live,
    },
    Edit {
        what: "an impl that is less general",
        places: &[(OTHER, "impl<T: ToString> Twice for T {", "impl Twice for i32 {"), (OTHER, "format!(\"{0} {0}\"", "format!(\"{0}, {0}\"")],
        expected: Live,
    },
    Edit {
        what: "an async recursion",
        places: &[(OTHER, "1 + Box::pin(down(n - 1)).await", "let deeper = Box::pin(down(n - 1)).await;\n        deeper * 2 + 1")],
        expected: Live,
    },
    Edit {
        what: "a function with a C name",
        places: &[(OTHER, "    n + 7\n", "    n * 70\n")],
        expected: Live,
    },
    Edit {
        what: "lines above",
        places: &[(OTHER, "fn here() -> u32 {", "\n// One more.\nfn here() -> u32 {")],
        expected: Live,
    },
    Edit {
        what: "a panic that moves",
        places: &[(OTHER, "    assert!(n > 100, \"small\");", "    let n = n + 1;\n    assert!(n > 100, \"small\");")],
        expected: Live,
    },
    Edit {
        what: "the first value of a static",
        places: &[(OTHER, "Mutex<Vec<&str>> = Mutex::new(Vec::new())", "Mutex<Vec<&'static str>> = Mutex::new(Vec::new())")],
        expected: Same,
    },
    Edit {
        what: "what was computed once",
        places: &[(OTHER, "names.push(\"first\");", "names.push(\"the first\");")],
        expected: Kept,
    },
    Edit {
        what: "the loop of a future that is suspended",
        places: &[(OTHER, "TICKS.set(1);", "TICKS.set(25);")],
        expected: Live,
    },
    Edit {
        what: "a new implementation beside old objects",
        places: &[
            (OTHER, "fn plugins() -> Vec", "struct Fancy(String);\n\nimpl Plugin for Fancy {\n    fn name(&self) -> String {\n        format!(\"fancy {}\", self.0)\n    }\n}\n\nfn fancy() -> Box<dyn Plugin> {\n    Box::new(Fancy(\"one\".to_owned()))\n}\n\nfn plugins() -> Vec"),
            (OTHER, "self.plugins.iter().map(|one| one.name()).collect::<String>()", "self.plugins.iter().map(|one| one.name()).chain([fancy().name()]).collect::<String>()"),
        ],
        expected: Live,
    },
    Edit {
        what: "a drop of what old objects are",
        places: &[(OTHER, "impl Plugin for Plain {", "impl Drop for Plain {\n    fn drop(&mut self) {\n        DROPPED.fetch_add(1, Ordering::Relaxed);\n    }\n}\n\nimpl Plugin for Plain {")],
        expected: Refused("that a drop does nothing"),
    },
    Edit {
        what: "a drop that goes",
        places: &[(OTHER, "impl Drop for Loud {\n    fn drop(&mut self) {\n        DROPPED.fetch_add(1, Ordering::Relaxed);\n    }\n}\n", "// It has none.\n")],
        expected: Refused("does something"),
    },
    Edit {
        what: "a method that a trait gets",
        places: &[(OTHER, "    fn name(&self) -> String;\n}", "    fn name(&self) -> String;\n\n    fn longer(&self) -> String {\n        self.name() + \"!\"\n    }\n}")],
        expected: Refused("Plugin"),
    },
    Edit {
        what: "a trait's method that is gone",
        places: &[(OTHER, "trait Plugin {", "trait Plugin: Any {")],
        expected: Refused("Plugin"),
    },
    Edit {
        what: "where a caller is",
        places: &[(OTHER, "fn fail(n: u32) {", "#[track_caller]\nfn fail(n: u32) {")],
        expected: Refused("is `#[track_caller]` now"),
    },
    Edit {
        what: "a constant of a library of a library",
        places: &[(BASE, "UNIT: &str = \"kg\"", "UNIT: &str = \"pounds\"")],
        expected: Live,
    },
    Edit {
        what: "a macro of a library of a library",
        places: &[(BASE, "format!(\"{}{}\", $value, $crate::UNIT)", "format!(\"{} {}\", $crate::UNIT, $value)")],
        expected: Live,
    },
    Edit {
        what: "an inline function of a library of a library",
        places: &[(BASE, "(value * 10.0).round() / 10.0", "(value * 100.0).round() / 100.0")],
        expected: Live,
    },
    Edit {
        what: "a private function of a library of a library",
        places: &[(BASE, "value + 0.25", "value + 0.75")],
        expected: Live,
    },
    Edit {
        what: "a generic of a library of a library",
        places: &[(BASE, "parts.join(\"+\")", "parts.concat()")],
        expected: Live,
    },
    Edit {
        what: "a number of a const generic",
        places: &[(SHOP, "base::joined([\"a\", \"b\"])", "base::joined([\"a\", \"b\", \"c\"])")],
        expected: Live,
    },
    Edit {
        what: "a field of a type that no one keeps",
        places: &[(BASE, "    pub factor: f64,\n}", "    pub factor: f64,\n    pub offset: f64,\n}"), (SHOP, "Scale { factor: 2.0 }", "Scale { factor: 2.0, offset: 1.0 }"), (BASE, "private(value) * self.factor", "private(value) * self.factor + self.offset")],
        expected: Refused("Scale"),
    },
    Edit {
        what: "a re-export",
        places: &[(SHOP, "//! A library.\n", "//! A library.\n\npub use base::Scale;\n"), (OTHER, "shop::scaled(1.0)", "shop::Scale { factor: 8.0 }.of(1.0)")],
        expected: Live,
    },
    Edit {
        what: "what a build script reads",
        places: &[("app/rules.txt", "mouse=mice\n", "mouse=mice\ncow=kine\n")],
        expected: Live,
    },
    Edit {
        what: "a build script",
        places: &[("app/build.rs", "_ => \\\"?\\\"", "_ => \\\"!\\\"")],
        expected: Same,
    },
    Edit {
        what: "a procedural macro",
        places: &[("naming/src/lib.rs", "the {name}", "an {name}")],
        expected: Live,
    },
    Edit {
        what: "a feature",
        places: &[("app/Cargo.toml", "[features]\n", "[features]\ndefault = [\"loud\"]\n")],
        expected: Live,
    },
    Edit {
        what: "a version",
        places: &[("app/Cargo.toml", "version = \"0.1.0\"", "version = \"0.2.0\"")],
        expected: Live,
    },
];
