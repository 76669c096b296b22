use super::*;

const FILE: &str = "/work/shop/src/lib.rs";

fn texts(text: &str) -> Texts {
    Texts::from([(FILE.into(), text.as_bytes().into())])
}

fn called(name: &str) -> Called {
    let mut args = vec![name.to_owned()];
    args.extend(called::arguments(Path::new("rustc"), &args));
    Called::of(&args, &[(name.to_owned(), FILE.into())]).unwrap()
}

fn shadow(old: &str, new: &str) -> Option<Shadow> {
    let mut known = Known::default();
    of(&texts(old), &texts(new), &called("src/lib.rs"), &mut known)
}

fn is_private(old: &str, new: &str) -> bool {
    shadow(old, new).unwrap().is_private
}

const OLD: &str = "\
fn price(n: u32) -> u32 {
    let rebate = n / 10;
    n * 3 - rebate
}

fn later() { panic!() }
";

#[test]
fn nothing_behind_an_edit_moves_and_the_body_is_where_it_is() {
    let new = OLD.replace("    n * 3", "    // Less.\n\n    n * 2");
    let shadow = shadow(OLD, &new).unwrap();
    let (_, text) = &shadow.files[0];
    assert_eq!(text.len(), OLD.len());
    let breaks = |text: &str| {
        text.match_indices('\n')
            .map(|(at, _)| at)
            .collect::<Vec<_>>()
    };
    assert_eq!(breaks(text), breaks(OLD));
    let words: Vec<&str> = text.split_whitespace().collect();
    let included =
        "fn price(n: u32) -> u32 { include!( \"/~1/src/lib.rs\") } fn later() { panic!() }";
    assert_eq!(words.join(" "), included);
    let (name, body) = &shadow.named[0];
    assert_eq!(name, "/~1/src/lib.rs");
    let from = new.find('{').unwrap();
    assert_eq!(body.find('{'), Some(from));
    assert_eq!(&body[from..], &new[from..new.find("\n\nfn").unwrap() + 1]);
}

#[test]
fn a_body_without_room_keeps_its_lines() {
    let old = "fn a() -> u8 {\n    1\n}\nfn b() { 2; }\n";
    let new = old
        .replace("    1", "    // One.\n    3")
        .replace("2;", "4;");
    let shadow = shadow(old, &new).unwrap();
    let lines: Vec<&str> = shadow.files[0].1.lines().collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[2], "}");
    assert!(lines[3].starts_with("fn b() {include!("), "{lines:?}");
    assert_eq!(shadow.named[0].0, "/~1/src/lib.rs");
    assert_eq!(shadow.named[1].0, "/~2/src/lib.rs");
}

#[test]
fn there_is_no_shadow_if_anything_but_a_body_is_different() {
    let edits = [
        ("n: u32", "n: u64"),
        ("fn later", "pub fn later"),
        ("fn later", "/// Later.\nfn later"),
        ("fn later", "#[inline]\nfn later"),
        ("fn later", "struct New;\nfn later"),
    ];
    for (from, to) in edits {
        assert!(shadow(OLD, &OLD.replace(from, to)).is_none(), "{to}");
    }
    assert!(shadow(OLD, "fn price(").is_none(), "no Rust");
    assert!(shadow(OLD, &OLD.replace("3", "include!(\"3\")")).is_none());
    for outside in ["#[tokio::main]\n", "macro_rules! m { () => {\n"] {
        let end = if outside.ends_with("{\n") { "}}\n" } else { "" };
        let old = format!("{outside}{OLD}{end}");
        assert!(
            shadow(&old, &old.replace("n * 3", "n * 4")).is_none(),
            "{outside}"
        );
    }
}

#[test]
fn comments_and_blank_lines_are_no_edit() {
    let new = OLD.replace("fn later", "\n\n// Later.\nfn later");
    assert!(shadow(OLD, &new).is_none(), "nothing but moved");
    let shadow = shadow(OLD, &new.replace("n / 10", "n / 20")).unwrap();
    assert_eq!(shadow.files[0].1.len(), OLD.len());
    assert_eq!(shadow.named.len(), 1);
}

#[test]
fn what_others_compile_themselves_is_not_private() {
    assert!(is_private(OLD, &OLD.replace("n * 3", "n * 4")));
    let seen = [
        "#[inline] fn f() -> u8 { 1 }",
        "#[inline(always)] fn f() -> u8 { 1 }",
        "const fn f() -> u8 { 1 }",
        "async fn f() -> u8 { 1 }",
        "fn f<T>() -> u8 { 1 }",
        "fn f<const N: usize>() -> u8 { 1 }",
        "fn f(_: impl Clone) -> u8 { 1 }",
        "fn f() -> impl Sized { 1 }",
        "fn f() -> Box<u8> where u8: Sized, { impl X for Y { const Z: u8 = 1; } }",
        "struct S<T>(T); impl<T> S<T> { fn f() -> u8 { 1 } }",
        "trait T { fn f() -> u8 { 1 } }",
        "fn f() { static X: u8 = 1; }",
        "fn f() { fn inner() -> u8 { 1 } }",
        "fn f() { define!(1) }",
        "fn f() { log::info!(\"1\") }",
        "macro_rules! println { () => {} } fn f() { println!(\"1\") }",
        "use other::format; fn f() { format!(\"1\"); }",
        "use other::*; fn f() { format!(\"1\"); }",
        "#[macro_use] extern crate other; fn f() { format!(\"1\"); }",
    ];
    for text in seen {
        let at = text.rfind('1').unwrap();
        let new = format!("{}2{}", &text[..at], &text[at + 1..]);
        assert!(!is_private(text, &new), "{text}");
    }
    let own = [
        "fn f() -> u8 { 1 }",
        "#[must_use] pub fn f<'a>(x: &'a u8) -> &'a u8 { let _ = 1; x }",
        "struct S; impl S { pub fn f(&self) -> u8 { 1 } }",
        "impl Drop for S { fn drop(&mut self) { println!(\"{}\", 1) } }",
        "mod inner { pub fn f() { vec![0; 1].iter().map(|x| x + 1); } }",
        "use std::fmt::Write as _; use super::*; use Kind::*; fn f() { format!(\"1\"); }",
    ];
    for text in own {
        let at = text.rfind('1').unwrap();
        let new = format!("{}2{}", &text[..at], &text[at + 1..]);
        assert!(is_private(text, &new), "{text}");
    }
}

#[test]
fn a_file_that_is_called_by_its_whole_path_keeps_that_name() {
    let called = called("/work/far/src/lib.rs");
    assert_eq!(
        called.name(Path::new(FILE), 15).unwrap(),
        "/~f~/work/far/src/lib.rs"
    );
    assert_eq!(called.name(Path::new(FILE), 16), None);
    assert_eq!(called.name(Path::new("/work/shop/src/other.rs"), 1), None);
}

#[test]
fn there_are_no_names_beside_those_that_were_given_to_rustc() {
    let args = |more: &str| vec!["src/lib.rs".to_owned(), more.to_owned()];
    let added = |more| called::arguments(Path::new("rustc"), &args(more));
    assert!(!added("-g").is_empty());
    assert!(added("--remap-path-prefix=/work=").is_empty());
    assert!(added("@more").is_empty());
    assert!(called::arguments(Path::new("true"), &args("-g")).is_empty());
    // Built without them.
    let read = [("src/lib.rs".to_owned(), FILE.into())];
    assert!(Called::of(&args("-g"), &read).is_none());
    // One file, two names: which of them is in panics?
    let mut both = args("-g");
    both.extend(added("-g"));
    let read = [
        read[0].clone(),
        ("src/../src/lib.rs".to_owned(), FILE.into()),
    ];
    let called = Called::of(&both, &read).unwrap();
    assert_eq!(called.name(Path::new(FILE), 1), None);
}

#[test]
fn what_follows_a_body_on_its_line_stays_in_its_column() {
    let old = "fn a() { 1; } fn b() { panic!() }\n";
    assert!(shadow(old, &old.replace('1', "2")).is_none(), "no room");
    let room = "fn a() { 1;                           } fn b() { panic!() }\n";
    let text = &shadow(room, &room.replace('1', "2")).unwrap().files[0].1;
    assert_eq!(text.find("fn b"), room.find("fn b"));
    let wide = room.replace('1', "\"\u{e4}\"");
    assert!(
        shadow(&wide, &wide.replace("\u{e4}", "a")).is_none(),
        "columns are characters, and some are wide"
    );
}

#[test]
fn what_is_before_a_body_on_its_line_is_as_wide_as_it_was() {
    let old = "impl S {\n\tfn a() {\n\t\tpanic!(\"1\");                  \n\t}\n}\n";
    let found = shadow(old, &old.replace('1', "2")).unwrap();
    assert!(found.named[0].1.contains("\n\t       {\n\t\tpanic!(\"2\")"));
    assert!(found.files[0].1.contains("{\n\t\tinclude!("));
    let wide = old.replace("fn a", "/*\u{4e2d}*/ fn a");
    assert!(shadow(&wide, &wide.replace('1', "2")).is_none());
}

#[test]
fn carriage_returns_stay_where_they_are() {
    let old = OLD.replace('\n', "\r\n");
    let shadow = shadow(&old, &old.replace("n * 3", "n * 4 - 0")).unwrap();
    let breaks = |text: &str| {
        text.match_indices(['\r', '\n'])
            .map(|(at, _)| at)
            .collect::<Vec<_>>()
    };
    assert_eq!(breaks(&shadow.files[0].1), breaks(&old));
}

#[test]
fn where_places_are_counted_otherwise_there_is_no_shadow() {
    for start in ["\u{feff}", "#!/usr/bin/env rust\n"] {
        let old = format!("{start}{OLD}");
        assert!(
            shadow(&old, &old.replace("n * 3", "n * 4")).is_none(),
            "{start}"
        );
    }
    let old = format!("#![allow(unused)]\n{OLD}");
    assert!(shadow(&old, &old.replace("n * 3", "n * 4")).is_some());
}

#[test]
fn code_that_asks_for_lines_does_not_move() {
    for asks in ["line!()", "column!()", "std::panic::Location::caller()"] {
        let old = OLD.replace("panic!()", asks);
        let longer = old.replace("    n * 3", "    // Less.\n    n * 2");
        assert!(shadow(&old, &longer).is_none(), "{asks}");
        assert!(
            shadow(&old, &old.replace("n * 3", "n * 4 - 2 + 1")).is_some(),
            "{asks}: on a line of its own"
        );
        let behind = old.replace(asks, &format!("{asks};\n    1;"));
        assert!(shadow(&old, &behind).is_none(), "{asks}: itself");
    }
}

#[test]
fn a_macro_called_include_is_not_asked() {
    let text = |own: &str| {
        let old = format!("{own}\n{OLD}");
        shadow(&old, &old.replace("n * 3", "n * 4"))
            .unwrap()
            .files
            .remove(0)
            .1
    };
    assert!(!text("").contains("core"));
    for own in [
        "macro_rules! include { ($e:expr) => { 0 } }",
        "use other::include;",
        "use other::*;",
        "#[macro_use] extern crate other;",
    ] {
        let text: String = text(own).split_whitespace().collect();
        assert!(text.contains("{::core::include!(\"/~1"), "{own}");
    }
}

#[test]
fn more_files_than_the_library_takes_are_no_shadow() {
    let many = |count: usize, price: &str| -> (Texts, Vec<(String, PathBuf)>) {
        let name = |n: usize| format!("src/m{n}.rs");
        let text: Arc<[u8]> = OLD.replace("n * 3", price).as_bytes().into();
        let texts = (0..count).map(|n| (Path::new("/work").join(name(n)), Arc::clone(&text)));
        let read = (0..count).map(|n| (name(n), Path::new("/work").join(name(n))));
        (texts.collect(), read.collect())
    };
    let mut args = vec!["src/lib.rs".to_owned()];
    args.extend(called::arguments(Path::new("rustc"), &args));
    for count in [32, 33, 65] {
        let ((built, read), (now, _)) = (many(count, "n * 3"), many(count, "n * 4"));
        let called = Called::of(&args, &read).unwrap();
        let shadow = of(&built, &now, &called, &mut Known::default());
        // Each is two: the file, and the body.
        assert_eq!(shadow.is_some(), count == 32);
    }
    let bodies = |count: usize, price: &str| {
        (0..count)
            .map(|n| format!("fn f{n}() {{\n    {price};        \n}}\n"))
            .collect::<String>()
    };
    assert!(shadow(&bodies(15, "1"), &bodies(15, "2")).is_some());
    assert!(shadow(&bodies(16, "1"), &bodies(16, "2")).is_none());
}
