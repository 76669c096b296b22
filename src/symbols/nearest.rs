//! Names that resemble one that was not found.
//!
//! First names whose last part is the same (`parse` of another module), then
//! names whose last part is a few edits away or contains what was asked for. The work is bounded: a process
//! with a million names gets an answer from the first hundred thousands.

use super::image::Image;
use super::index::Named;
use super::pattern::Pattern;

/// How many names are given.
const GIVEN: usize = 5;
/// How many names are looked at.
const LOOKED_AT: usize = 400_000;
/// How many names are demangled; each takes about a microsecond.
const DEMANGLED: usize = 60_000;

/// Up to five names of functions of `images` that resemble `query`.
pub(super) fn names<'a>(query: &str, images: impl IntoIterator<Item = &'a Image>) -> Vec<String> {
    let images: Vec<&Image> = images.into_iter().collect();
    let query: String = query.chars().filter(|c| !matches!(c, '*' | '?')).collect();
    let query = query.trim_matches(':');
    let wanted = last_part(query);
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut search = Search {
        query,
        wanted,
        best: Vec::new(),
        demangled: 0,
    };
    for image in &images {
        let pattern = Pattern::new(&format!("*{wanted}*"));
        for (named, _) in image.names().find(image, &pattern) {
            search.look_at(&named);
        }
    }
    let all = images.iter().flat_map(|image| image.names().iter(image));
    for named in all.take(LOOKED_AT) {
        search.look_at(&named);
    }
    search.best.into_iter().map(|(_, name)| name).collect()
}

struct Search<'a> {
    query: &'a str,
    wanted: &'a str,
    /// Sorted by how far away they are.
    best: Vec<((usize, usize), String)>,
    demangled: usize,
}

impl Search<'_> {
    fn look_at(&mut self, named: &Named<'_>) {
        let base = &named.name.base;
        if base.starts_with('_') {
            if self.demangled >= DEMANGLED {
                return;
            }
            self.demangled += 1;
        } else if base.len().abs_diff(self.wanted.len()) > self.wanted.len() / 3 + 1
            && !base.contains(self.wanted)
        {
            return;
        }
        let name = named.name.display();
        let last = last_part(&name);
        // A third of the letters may be wrong.
        let allowed = self.wanted.len() / 3 + usize::from(self.wanted.len() > 3);
        // A name that was begun, or is part of a longer one, is as near as one
        // wrong letter.
        let part_of = self.wanted.len() > 3 && last.contains(self.wanted);
        let edits = match distance(self.wanted, last, allowed) {
            Some(edits) if part_of => edits.min(1),
            Some(edits) => edits,
            None if part_of => 1,
            None => return,
        };
        // Parts of the path that are missing weigh as much as wrong letters.
        let parts = self.query.split("::").filter(|part| !name.contains(part));
        let missing = parts.filter(|part| *part != self.wanted).count();
        let longer = name.len().abs_diff(self.query.len());
        let entry = ((edits + missing, longer), name);
        let Err(place) = self.best.binary_search(&entry) else {
            return;
        };
        self.best.insert(place, entry);
        self.best.truncate(GIVEN);
    }
}

/// The last part of a path that is a name: `c` of `a::b::c` and of
/// `a::<b>::c::{closure#0}`.
fn last_part(name: &str) -> &str {
    let plain = name.split("::{").next().unwrap_or(name);
    let plain = plain
        .split("::<")
        .next()
        .filter(|s| !s.is_empty())
        .unwrap_or(plain);
    plain.rsplit("::").next().unwrap_or(plain)
}

/// The edit distance of `a` and `b`, if it is at most `most`.
fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len().abs_diff(b.len()) > most || a.len() > 200 || b.len() > 200 {
        return None;
    }
    // Three rows of the table: two letters swapped count as one edit, and that
    // looks back two rows.
    let mut older: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last = None;
    for (index, letter) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(index + 1);
        for (column, other) in b.iter().enumerate() {
            let change = above.get(column)? + usize::from(letter != other);
            let gone = above.get(column + 1)? + 1;
            let added = row.last()? + 1;
            let swapped = column
                .checked_sub(1)
                .filter(|before| last == Some(other) && b.get(*before) == Some(letter))
                .and_then(|before| older.get(before));
            let swapped = swapped.map_or(usize::MAX, |edits| edits + 1);
            row.push(change.min(gone).min(added).min(swapped));
        }
        if row.iter().min() > Some(&most) {
            return None;
        }
        last = Some(letter);
        older = std::mem::replace(&mut above, row);
    }
    above.last().copied().filter(|edits| *edits <= most)
}

#[cfg(test)]
mod tests {
    use super::{distance, last_part};

    #[test]
    fn edits_are_counted_up_to_the_limit() {
        assert_eq!(distance("parse", "parse", 2), Some(0));
        assert_eq!(distance("parse", "prase", 2), Some(1));
        assert_eq!(distance("parse", "parser", 2), Some(1));
        assert_eq!(distance("parse", "xyz", 2), None);
        assert_eq!(distance("abcd", "acbd", 1), Some(1));
        assert_eq!(distance("", "", 0), Some(0));
    }

    #[test]
    fn the_last_part_of_a_path_is_its_own_name() {
        assert_eq!(last_part("a::b::c"), "c");
        assert_eq!(last_part("a::c::<u8>"), "c");
        assert_eq!(last_part("a::c::{closure#0}"), "c");
        assert_eq!(last_part("<a::B as c::D>::e"), "e");
    }
}
