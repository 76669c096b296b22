//! A report in words, for people. Of functions of other crates, which nobody has edited,
//! there is a number; where the time went is for `--verbose`. JSON has all of it.

use super::{Latency, Report, Say, Versioned};
use crate::output::{BAD, FAINT, GOOD};
use std::fmt::Write as _;

/// How many names are printed.
const PRINTED: usize = 6;

impl Report {
    /// What a reload would do.
    pub(crate) fn would_be(&self, error: Option<&str>) -> String {
        if let Some(error) = error {
            return format!("{BAD}no{BAD:#}: {error}");
        }
        if self.is_refused() {
            let mut text = format!("{BAD}no, a restart is needed{BAD:#}:");
            self.add_refused(&mut text);
            return text;
        }
        let functions = self.redirected.len();
        let plural = plural(functions);
        let mut text = format!("{GOOD}yes{GOOD:#}: {functions} function{plural} would be live");
        for name in &self.redirected {
            let _ = write!(text, "\n  {name}");
        }
        self.add_exceptions(&mut text);
        text
    }

    pub(super) fn text(&self, say: Say) -> String {
        let mut text = format!("{FAINT}midair{FAINT:#}: ");
        if self.is_refused() {
            let _ = write!(text, "{BAD}nothing changed{BAD:#}:");
            self.add_refused(&mut text);
            let how = if say.interactive {
                "press r to restart with the new code"
            } else {
                "end the program and start `cargo midair run` again for the new code \
                 (with --interactive: press r)"
            };
            let _ = write!(text, "\n  the old code keeps running; {how}");
            return text;
        }
        text.push_str(&self.live());
        for above in &self.above {
            let _ = write!(text, "\n  {above}");
        }
        for active in &self.active {
            let _ = write!(text, "\n  {active}");
        }
        if let Some(why) = &self.active_unknown {
            let _ = write!(
                text,
                "\n  which threads are in old code is not known: {why}"
            );
        }
        for refused in &self.refused {
            let _ = write!(text, "\n  {BAD}not all{BAD:#}: {refused}");
        }
        if !self.left_out.is_empty() {
            let names = self.left_out.join(", ");
            let _ = write!(text, "\n  the old code is kept of {names}");
        }
        self.add_exceptions(&mut text);
        if say.verbose {
            self.add_figures(&mut text);
        }
        text
    }

    /// Why nothing is applied. Nobody has edited a type of another crate: it has one
    /// of the workspace in it, which is told of.
    fn add_refused(&self, text: &mut String) {
        let is_own = |why: &&String| match why.strip_prefix("type `") {
            Some(name) => is_of(name, &self.workspace),
            None => true,
        };
        let (mut told, mut others): (Vec<_>, Vec<_>) = self.refused.iter().partition(is_own);
        if !told.iter().any(|why| why.starts_with("type `")) {
            told.append(&mut others);
        }
        for refused in told.into_iter().map(|why| without_same_size(why)) {
            let _ = write!(text, "\n  {refused}");
        }
        if !others.is_empty() {
            let count = others.len();
            let (plural, have) = match count {
                1 => ("", "has"),
                _ => ("s", "have"),
            };
            let _ = write!(
                text,
                "\n  and {count} type{plural} of other crates that {have} such a type inside"
            );
        }
    }

    /// What is live, in one line.
    fn live(&self) -> String {
        let (own, others) = self.of_workspace(&self.redirected);
        let mut parts = Vec::new();
        if !own.is_empty() {
            parts.push(some(&own));
        }
        if others > 0 {
            let plural = plural(others);
            parts.push(format!(
                "{others} instance{plural} of generic functions of other crates"
            ));
        }
        let values = self.new_values();
        let seconds = self.milliseconds.total / 1e3;
        let functions = own.len() + others;
        if functions > 0 {
            let plural = plural(functions);
            let live = format!("{functions} function{plural} live");
            let mut text = format!("{GOOD}{live}{GOOD:#} in {seconds:.2} s: ");
            text.push_str(&parts.join(" and "));
            if let Some(values) = values {
                let _ = write!(text, "; {values}");
            }
            return text;
        }
        if let Some(values) = values {
            return format!("{GOOD}{values}{GOOD:#} in {seconds:.2} s");
        }
        let what = match () {
            () if !self.versioned.is_empty() => "new code is live for new callers",
            () if !self.refused.is_empty() => "nothing is live",
            () if !self.moved.is_empty() => "only lines moved",
            () => "no code is different",
        };
        what.to_owned()
    }

    /// Of constants that were overwritten.
    fn new_values(&self) -> Option<String> {
        let (own, _) = self.of_workspace(&self.overwritten);
        match (own.len(), self.overwritten.len()) {
            (_, 0) => None,
            (0, 1) => Some("a constant has its new value".to_owned()),
            (0, _) => Some("constants have their new values".to_owned()),
            (1, _) => Some(format!("{} has its new value", own[0])),
            _ => Some(format!("{} have their new values", some(&own))),
        }
    }

    /// The names that are of the workspace's crates, and how many are not.
    fn of_workspace<'a>(&self, names: &'a [String]) -> (Vec<&'a str>, usize) {
        let all = names.iter().map(String::as_str);
        let own: Vec<&str> = all.filter(|name| is_of(name, &self.workspace)).collect();
        let others = names.len() - own.len();
        (own, others)
    }

    /// What does not simply become live. Functions with the same reason share a line.
    fn add_exceptions(&self, text: &mut String) {
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for Versioned { what, why } in &self.versioned {
            if !is_of(what, &self.workspace) {
                continue;
            }
            match reasons.iter_mut().find(|(reason, _)| reason == why) {
                Some((_, names)) => names.push(what),
                None => reasons.push((why, vec![what])),
            }
        }
        for (why, names) in reasons {
            let which = if names.len() == 1 { "one" } else { "ones" };
            let names = some(&names);
            let _ = write!(text, "\n  {names}: old callers keep the old {which}: {why}");
        }
        // Perhaps it is in the source, and nobody calls it now.
        let (removed, _) = self.of_workspace(&self.removed);
        if !removed.is_empty() {
            let (is, keeps) = match removed.len() {
                1 => ("is", "it keeps it"),
                _ => ("are", "them keeps them"),
            };
            let names = some(&removed);
            let _ = write!(
                text,
                "\n  {names} {is} no longer in the program; who has {keeps}"
            );
        }
        for kept in &self.kept {
            let _ = write!(
                text,
                "\n  {kept} keeps its value; its first value is for a new start"
            );
        }
    }

    fn add_figures(&self, text: &mut String) {
        let Latency {
            watch,
            sources,
            rustc,
            diff,
            gate,
            link,
            load,
            swap,
            total,
        } = self.milliseconds;
        let _ = write!(
            text,
            "\n  {FAINT}watch {watch:.2}, sources {sources:.2}, rustc {rustc:.2}, diff {diff:.2}, \
             gate {gate:.2}, link {link:.2}, load {load:.2}, swap {swap:.2}, in all {total:.2} ms; \
             {} kB, {} kB of {} edits; {} moved{FAINT:#}",
            self.bytes / 1024,
            self.images.bytes / 1024,
            self.images.loaded,
            self.moved.len()
        );
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// The first of these names.
fn some(names: &[&str]) -> String {
    let mut text = names[..names.len().min(PRINTED)].join(", ");
    if names.len() > PRINTED {
        let _ = write!(text, " and {} more", names.len() - PRINTED);
    }
    text
}

/// Without the sizes before and after if they are the same.
fn without_same_size(why: &str) -> &str {
    let sizes = why.rsplit_once("; ");
    let same = sizes.filter(|(_, sizes)| {
        let pair = sizes.split_once(", now ");
        pair.is_some_and(|(old, new)| old == new)
    });
    same.map_or(why, |(changes, _)| changes)
}

/// Whether a function is of one of these crates: by the first name of its path, and if
/// that is a type (`<T as Trait>::f`), by that of the type or of the trait.
fn is_of(name: &str, crates: &[String]) -> bool {
    let begins = |path: &str| {
        let path = path.trim_start_matches(['<', '&', '*', '(', '[']);
        let path = path.trim_start_matches("mut ").trim_start_matches("dyn ");
        let first = path.split("::").next().unwrap_or_default();
        path.len() > first.len() && crates.iter().any(|name| name == first)
    };
    begins(name) || of_trait(name).is_some_and(begins)
}

/// What is behind the ` as ` of the type that a path begins with.
fn of_trait(name: &str) -> Option<&str> {
    let mut depth = 0_usize;
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            b'<' => depth += 1,
            // Of `->`.
            b'>' if name[..at].ends_with('-') => {}
            b'>' => depth = depth.checked_sub(1)?,
            b' ' if depth == 1 && name.starts_with('<') && name[at..].starts_with(" as ") => {
                return Some(&name[at + 4..]);
            }
            _ if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUMAN: Say = Say {
        json: false,
        interactive: false,
        verbose: false,
    };

    fn all(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn report() -> Report {
        Report {
            workspace: all(&["app", "note"]),
            milliseconds: Latency {
                total: 317.4,
                ..Latency::default()
            },
            ..Report::default()
        }
    }

    #[test]
    fn functions_of_the_workspace_are_named_and_those_of_other_crates_counted() {
        let mut report = report();
        report.redirected = all(&[
            "note::print",
            "<&T as core::fmt::Debug>::fmt",
            "<note::List as core::fmt::Debug>::fmt",
            "<u32 as app::Price>::price",
            "<hashbrown::raw::RawTable<note::List>>::reserve",
            "notes::other",
        ]);
        assert_eq!(
            report.words(HUMAN),
            "6 functions live in 0.32 s: note::print, <note::List as core::fmt::Debug>::fmt, \
             <u32 as app::Price>::price and 3 instances of generic functions of other crates"
        );
    }

    #[test]
    fn an_edit_without_other_code_is_said_to_be_one() {
        let mut report = report();
        assert_eq!(report.words(HUMAN), "no code is different");
        report.moved = all(&["note::print"]);
        assert_eq!(report.words(HUMAN), "only lines moved");
        report.overwritten = all(&["note::GREETING"]);
        assert_eq!(
            report.words(HUMAN),
            "note::GREETING has its new value in 0.32 s"
        );
        report.redirected = all(&["app::main"]);
        assert_eq!(
            report.words(HUMAN),
            "1 function live in 0.32 s: app::main; note::GREETING has its new value"
        );
    }

    #[test]
    fn types_of_other_crates_that_only_follow_are_counted() {
        let mut report = report();
        report.refused = all(&["type `core::result::Result<app::S, u8>::Err` changed: size"]);
        assert!(report.words(HUMAN).contains("\n  type `core::result"));
        report
            .refused
            .push("type `app::S` changed: size".to_owned());
        let text = report.words(HUMAN);
        assert!(
            text.starts_with(
                "nothing changed:\n  type `app::S` changed: size\n  \
                 and 1 type of other crates that has such a type inside\n  the old code"
            ),
            "{text}"
        );
    }

    #[test]
    fn sizes_that_stay_are_not_told() {
        let start = "type `app::S` changed: field `label` is `title` now";
        let same = format!("{start}; 32 bytes aligned to 8, now 32 bytes aligned to 8");
        assert_eq!(without_same_size(&same), start);
        let other = format!("{start}; 32 bytes aligned to 8, now 40 bytes aligned to 8");
        assert_eq!(without_same_size(&other), other);
    }

    #[test]
    fn where_the_time_went_is_for_who_asks() {
        let mut report = report();
        report.milliseconds.load = 6.203_397;
        assert!(!report.words(HUMAN).contains("load"));
        let verbose = Say {
            verbose: true,
            ..HUMAN
        };
        let text = report.words(verbose);
        assert!(
            text.contains("load 6.20, swap 0.00, in all 317.40 ms"),
            "{text}"
        );
    }

    #[test]
    fn old_callers_are_told_of_once_for_each_reason_and_not_of_other_crates() {
        let mut report = report();
        for what in ["app::a", "core::fmt::write", "note::b"] {
            report.versioned.push(Versioned {
                what: what.to_owned(),
                why: "why".to_owned(),
            });
        }
        report.removed = all(&["app::gone", "std::io::_print"]);
        assert_eq!(
            report.words(HUMAN),
            "new code is live for new callers\n  \
             app::a, note::b: old callers keep the old ones: why\n  \
             app::gone is no longer in the program; who has it keeps it"
        );
    }
}
