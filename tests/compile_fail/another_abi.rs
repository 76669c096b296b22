extern "C" fn target(n: u32) -> u32 {
    n
}

fn replacement(n: u32) -> u32 {
    n
}

fn main() {
    let _patch = unsafe { midair::patch(target as extern "C" fn(u32) -> u32, replacement) };
}
