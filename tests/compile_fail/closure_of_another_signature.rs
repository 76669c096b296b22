fn target(n: u32) -> u32 {
    n
}

fn main() {
    let _patch = unsafe {
        midair::patch_closure(target as fn(u32) -> u32, |_| |text: &'static str| text.len())
    };
}
