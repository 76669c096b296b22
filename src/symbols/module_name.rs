//! What a module may be called in a query.

/// Whether `name` means the module whose file is called `file`: the whole file
/// name, or it without version, `.so`, hash and `lib`.
pub(super) fn matches(file: &str, name: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    if file == name {
        return true;
    }
    // `libz.so` for `libz.so.1`.
    let rest = file.strip_prefix(name);
    if name.contains(".so") && rest.is_some_and(|rest| rest.starts_with('.')) {
        return true;
    }
    let stem = stem(file);
    let short = stem.strip_prefix("lib").unwrap_or(stem);
    // `librustc_driver-0123.so`, `libc-2.31.so`, and `demo-0123` of cargo.
    let without_hash = |stem: &str| {
        let at = stem.rfind('-')?;
        let cut = stem.get(at + 1..)?;
        let is_hash = cut.chars().all(|c| c.is_ascii_hexdigit() || c == '.');
        stem.get(..at).filter(|_| is_hash).map(str::to_owned)
    };
    [stem, short]
        .into_iter()
        .any(|stem| stem == name || without_hash(stem).as_deref() == Some(name))
}

/// The file name without `.so` and what follows.
fn stem(file: &str) -> &str {
    let is_end = |at: usize| {
        let after = file.get(at + 3..).unwrap_or_default();
        after.is_empty() || after.starts_with('.')
    };
    let ends = file.match_indices(".so").map(|(at, _)| at);
    let end = ends.filter(|at| is_end(*at)).find(|at| *at > 0);
    end.and_then(|end| file.get(..end)).unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_module_answers_to_its_short_names() {
        for (file, name) in [
            ("libz.so.1", "libz.so.1"),
            ("libz.so.1", "libz.so"),
            ("libz.so.1", "libz"),
            ("libz.so.1", "z"),
            ("libc-2.31.so", "libc"),
            ("librustc_driver-0f1e2d3c.so", "rustc_driver"),
            ("demo-0123456789abcdef", "demo"),
            ("demo", "demo"),
            ("ld-linux-x86-64.so.2", "ld-linux-x86-64"),
        ] {
            assert!(matches(file, name), "{file} {name}");
        }
        for (file, name) in [
            ("libz.so.1", "lib"),
            ("libz.so.1", ""),
            ("libz.so.1", "libz.so.2"),
            ("cargo-midair", "cargo"),
            ("libsonic.so", "libsonic.s"),
        ] {
            assert!(!matches(file, name), "{file} {name}");
        }
    }
}
