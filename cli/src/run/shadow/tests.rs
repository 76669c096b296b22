use super::*;

fn texts(text: &str) -> Texts {
    let path = PathBuf::from("/work/shop/src/lib.rs");
    Texts::from([(path, text.as_bytes().into())])
}

fn shadow(old: &str, new: &str) -> Option<Shadow> {
    of(&texts(old), &texts(new))
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
        "fn price(n: u32) -> u32 { include!(\"../src/lib.rs\" ) } fn later() { panic!() }";
    assert_eq!(words.join(" "), included);
    let (name, body) = &shadow.named[0];
    assert_eq!(name, "../src/lib.rs");
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
    // The longest name first.
    assert_eq!(shadow.named[0].0, "../src/../src/lib.rs");
    assert_eq!(shadow.named[1].0, "../src/lib.rs");
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
    assert!(shadow(OLD, &OLD.replace("3", "file!().len()")).is_none());
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
