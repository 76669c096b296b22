//! What the programs are asked.

use std::path::Path;
use syn::visit::{self, Visit};

/// The Markdown of the crate's own tests, all of its specifications among it.
pub(crate) fn markdown(newest: &Path) -> Vec<Vec<u8>> {
    struct Originals(Vec<Vec<u8>>);
    impl<'a> Visit<'a> for Originals {
        fn visit_local(&mut self, local: &'a syn::Local) {
            if let syn::Pat::Ident(name) = &local.pat
                && name.ident == "original"
                && let Some(init) = &local.init
                && let syn::Expr::Lit(literal) = &*init.expr
                && let syn::Lit::Str(text) = &literal.lit
            {
                self.0.push(text.value().into_bytes());
            }
            visit::visit_local(self, local);
        }
    }
    let mut originals = Originals(Vec::new());
    let folder = newest.join("tests/suite");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        originals.visit_file(&syn::parse_file(&text).unwrap());
    }
    // With this one version never comes to an end.
    originals.0.retain(|text| text != b" ---\n--\n---\n");
    assert!(originals.0.len() > 1000, "{}", originals.0.len());
    originals.0
}

/// Numbers of all magnitudes, in all languages and ways. (With `NaN` one version never
/// comes to an end.)
pub(crate) fn numbers(_: &Path) -> Vec<Vec<u8>> {
    let mut numbers: Vec<String> = (0..=30).map(|n| n.to_string()).collect();
    let large = [
        42, 77, 80, 81, 99, 100, 101, 199, 200, 999, 1000, 1001, 1066, 1900, 1901, 1999, 2000,
        2024, 10_000,
    ];
    let larger = [
        123_456,
        1_000_000,
        1_000_001,
        987_654_321,
        10_000_000_000,
        i64::MAX,
    ];
    for number in large.into_iter().chain(larger) {
        numbers.extend([number.to_string(), format!("-{number}")]);
    }
    for number in [
        "0.5", "1.01", "-3.1415", "100.10", "2.999", "1e21", "1e300", "inf", "-inf",
    ] {
        numbers.push(number.to_owned());
    }
    let mut questions = Vec::new();
    for language in ["en", "fr", "fr_BE", "fr_CH", "uk", "xx"] {
        for output in [
            "cardinal",
            "ordinal",
            "ordinal_num",
            "year",
            "dollars",
            "euros",
            "nil",
        ] {
            for number in &numbers {
                questions.push(format!("{language} {output} {number}").into_bytes());
            }
        }
    }
    questions
}

/// Bytes of all kinds, and repetitions; each with all ways to print them.
pub(crate) fn bytes(_: &Path) -> Vec<Vec<u8>> {
    let all: Vec<u8> = (0..=255).collect();
    let texts: [&[u8]; 6] = [b"", b"a", b"Hello, world!\n", &all, &[0; 100], &[b'x'; 37]];
    let mut inputs: Vec<Vec<u8>> = texts.map(<[u8]>::to_vec).into();
    inputs.push([&[7; 64][..], b"between", &[7; 64]].concat());
    let mut state = 1_u32;
    let random = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    inputs.push(random.take(201).collect());
    let mut questions = Vec::new();
    for how in all {
        questions.extend(inputs.iter().map(|input| [&[how][..], input].concat()));
    }
    questions
}
