fn target(a: u32, b: u32) -> u32 {
    a + b
}

fn main() {
    let _mock = midair::mock!(target => |a| a);
}
