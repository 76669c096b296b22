fn target(n: u32) -> u32 {
    n
}

fn main() {
    let _mock = midair::mock!(target => |_| "seven");
}
