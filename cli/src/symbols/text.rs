//! The table of functions.

use super::find::Found;
use crate::output::{FAINT, STRONG, styled};
use std::fmt::Write as _;

pub(super) fn table(found: &Found) -> String {
    let widest = |of: fn(&super::find::Row) -> usize, least: &str| {
        found
            .symbols
            .iter()
            .map(of)
            .max()
            .unwrap_or(0)
            .max(least.len())
    };
    let address = widest(|row| row.address.len(), "address");
    let size = widest(|row| row.size.to_string().len(), "size");
    let module = widest(|row| row.module.chars().count(), "module");
    let kind = widest(|row| row.kind.len(), "kind");
    let binding = widest(|row| row.binding.len(), "binding");
    let heading = format!(
        "{:>address$}  {:>size$}  {:<kind$}  {:<binding$}  {:<module$}  name",
        "address", "size", "kind", "binding", "module"
    );
    let mut text = format!("{}\n", styled(STRONG, heading));
    for row in &found.symbols {
        let _ = write!(
            text,
            "{:>address$}  {:>size$}  {:<kind$}  {:<binding$}  {:<module$}  {}",
            row.address, row.size, row.kind, row.binding, row.module, row.name
        );
        if !row.aliases.is_empty() {
            let aliases = format!("also {}", row.aliases.join(", "));
            let _ = write!(text, "  {}", styled(FAINT, aliases));
        }
        text.push('\n');
    }
    for why in &found.not_searched {
        let _ = writeln!(text, "not searched: {why}");
    }
    text
}
