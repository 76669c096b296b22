//! What is served.

/// Three parts, one after the other, and the visit.
pub fn page(visit: u64) -> String {
    let (first, second, third) = (first(), second(), third());
    format!("{first} {second} {third} {visit}\n")
}

fn first() -> u32 {
    1
}

fn second() -> u32 {
    1
}

fn third() -> u32 {
    1
}
