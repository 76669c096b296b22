fn target(n: u32) -> u32 {
    n
}

fn replacement(n: u64) -> u64 {
    n
}

fn main() {
    let _patch = unsafe { midair::patch(target as fn(u32) -> u32, replacement) };
}
