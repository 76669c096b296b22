fn target(n: u32) -> u32 {
    n
}

fn main() {
    let local = 1;
    let _patch = unsafe {
        midair::patch_closure(target as fn(u32) -> u32, |_| |n: u32| n + local)
    };
}
