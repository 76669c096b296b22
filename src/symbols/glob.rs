//! Globs over names: `*` is any run of characters, `?` any one.
//!
//! There are no classes and no alternatives: `[`, `{` and `<` are part of Rust
//! names and stand for themselves.

/// Whether `pattern` has a character that makes it a glob.
pub(super) fn is_glob(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

/// Whether all of `name` matches `pattern`.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (mut rest, mut name) = (pattern, name);
    // Where to go on if what follows the last `*` does not fit: the star takes
    // one character more. Earlier stars never need to be reconsidered.
    let mut retry: Option<(&str, &str)> = None;
    loop {
        let mut pattern_chars = rest.chars();
        let mut name_chars = name.chars();
        match (pattern_chars.next(), name_chars.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                rest = pattern_chars.as_str();
                retry = Some((rest, name));
                continue;
            }
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                rest = pattern_chars.as_str();
                name = name_chars.as_str();
                continue;
            }
            _ => {}
        }
        let Some((after_star, from)) = retry else {
            return false;
        };
        let mut skipped = from.chars();
        if skipped.next().is_none() {
            return false;
        }
        rest = after_star;
        name = skipped.as_str();
        retry = Some((after_star, name));
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_take_any_run_and_question_marks_one_character() {
        for (pattern, name) in [
            ("", ""),
            ("*", ""),
            ("*", "anything::at<all>"),
            ("a*c", "abc"),
            ("a*c", "ac"),
            ("a*c", "abcbc"),
            ("*b*b*", "abab"),
            ("a?c", "aöc"),
            ("foo::{closure#?}", "foo::{closure#3}"),
            ("[*]", "[u8]"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("", "a"),
            ("?", ""),
            ("a*c", "abcd"),
            ("*bb*", "abab"),
            ("a", "A"),
            ("[ab]", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        let pattern = "*a".repeat(50) + "b";
        assert!(!matches(&pattern, &"a".repeat(5000)));
    }
}
