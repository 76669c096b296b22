//! The page that people read.

use super::report::{Line, Obstacle, Report};
use crate::output::{BAD, CHANGED, FAINT, GOOD, STRONG, styled};
use std::fmt::Write as _;

pub(super) fn page(report: &Report) -> String {
    let mut text = String::new();
    let name = report.name.as_deref().unwrap_or("(no name)");
    line(
        &mut text,
        &format!("{} in {}", styled(STRONG, name), report.file),
    );
    if let Some(raw) = report.raw_name.as_ref().filter(|raw| *raw != name) {
        line(&mut text, &format!("  raw name   {raw}"));
    }
    let size = match report.size {
        Some(1) => "1 byte".to_owned(),
        Some(size) => format!("{size} bytes"),
        None => "size unknown".to_owned(),
    };
    let end = report.end_known_from;
    line(
        &mut text,
        &format!(
            "  address    {}, {size} (end known from {end})",
            report.address
        ),
    );
    let strategy = match report.strategy {
        Some(strategy) => styled(GOOD, strategy),
        None => styled(BAD, "refused"),
    };
    line(&mut text, &format!("  strategy   {strategy}"));
    let loaded_at = match report.loaded_at.as_str() {
        "0x0" => "its own addresses".to_owned(),
        example => format!("{example} (an example)"),
    };
    line(&mut text, &format!("  loaded at  {loaded_at}"));
    if let Some(refusal) = &report.refusal {
        line(&mut text, &format!("  {}", styled(BAD, obstacle(refusal))));
        line(&mut text, &format!("  {}", refusal.remedy));
    }
    section(&mut text, "before", &report.before);
    section(&mut text, "after", &report.after);
    if let Some(gate) = &report.gate {
        line(
            &mut text,
            &format!(
                "\n{} at {gate}: jumps to the replacement",
                styled(STRONG, "gate")
            ),
        );
    }
    section(&mut text, "copy", &report.copy);
    if !report.passed_over.is_empty() {
        line(&mut text, &format!("\n{}", styled(STRONG, "passed over")));
    }
    for rung in &report.passed_over {
        line(
            &mut text,
            &format!("  {}: {}", rung.strategy, obstacle(&rung.obstacle)),
        );
    }
    if !report.notes.is_empty() {
        line(&mut text, &format!("\n{}", styled(STRONG, "notes")));
    }
    for note in &report.notes {
        line(&mut text, &format!("  {note}"));
    }
    text
}

fn line(text: &mut String, content: &str) {
    let _ = writeln!(text, "{content}");
}

/// Instructions; those displaced or new are marked.
fn section(text: &mut String, title: &str, lines: &[Line]) {
    if lines.is_empty() {
        return;
    }
    line(text, &format!("\n{}", styled(STRONG, title)));
    for instruction in lines {
        let Line {
            address,
            bytes,
            text: code,
            changed,
        } = instruction;
        let address = address.trim_start_matches("0x");
        let (mark, style) = if *changed {
            ('>', CHANGED)
        } else {
            (' ', FAINT)
        };
        let content = format!("{mark} {address:>12}  {bytes:<30} {code}");
        line(text, &styled(style, content));
    }
}

fn obstacle(obstacle: &Obstacle) -> String {
    match &obstacle.instruction {
        Some(text) => format!("{} (`{text}` at {:+})", obstacle.reason, obstacle.offset),
        None => obstacle.reason.clone(),
    }
}
