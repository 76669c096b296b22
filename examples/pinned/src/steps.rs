//! What a request does, one after the other.

/// Three steps, which belong together.
pub fn all(separator: &str) -> String {
    [first(), second(), third()]
        .map(|n| n.to_string())
        .join(separator)
}

pub fn first() -> u32 {
    1
}

pub fn second() -> u32 {
    1
}

pub fn third() -> u32 {
    1
}
