//! What whoever patches the function should keep in mind.

use super::choose::Subject;
use super::report::Report;
use midair::Strategy;
use midair::symbols::{FileSymbolKind, SymbolBinding};

pub(super) fn of(report: &Report, subject: &Subject) -> Vec<String> {
    let mut notes = Vec::new();
    if report
        .before
        .first()
        .is_some_and(|line| line.text == "endbr64" && !line.changed)
    {
        notes.push("`endbr64` stays first; the jump goes behind it".to_owned());
    }
    if report.strategy == Some(Strategy::Breakpoint.name()) {
        notes.push("each call traps: some thousand cycles instead of two".to_owned());
    }
    match report.branches_to_entry {
        None | Some(0) => {}
        Some(1) => notes.push(
            "1 branch of the function leads back to its entry and passes through the patch \
             like a call"
                .to_owned(),
        ),
        Some(count) => notes.push(format!(
            "{count} branches of the function lead back to its entry and pass through the patch \
             like calls"
        )),
    }
    match report.analysis_complete {
        Some(true) => notes.push("every branch into the prologue is known".to_owned()),
        Some(false) => notes.push("not every branch into the prologue can be known".to_owned()),
        None => {}
    }
    if !report.traps.is_empty() {
        let offsets: Vec<String> = report.traps.iter().map(|n| format!("+{n}")).collect();
        let when = match report.analysis_complete {
            Some(true) => " while other threads run",
            _ => "",
        };
        let (bytes, are) = match offsets.len() {
            1 => ("byte", "is a trap"),
            _ => ("bytes", "are traps"),
        };
        notes.push(format!(
            "the {bytes} at {} {are}{when}: there an instruction of the old code begins, and a \
             thread that wakes up at it goes on in the copy",
            offsets.join(", ")
        ));
    }
    let symbol = subject.symbol.as_ref();
    if symbol.is_some_and(|symbol| symbol.kind == FileSymbolKind::IndirectFunction) {
        notes.push(
            "it is an IFUNC: this is its resolver, which runs once; patch what it resolves to"
                .to_owned(),
        );
    }
    if symbol.is_some_and(|symbol| symbol.binding == SymbolBinding::Local) {
        notes.push(
            "its symbol is local: a C compiler may let callers rely on registers that it leaves \
             alone"
                .to_owned(),
        );
    }
    if !report.aliases.is_empty() {
        notes.push(format!(
            "a patch reaches its other names too: {}",
            report.aliases.join(", ")
        ));
    }
    notes
}
