fn target(n: u32) -> u32 {
    n
}

fn main() {
    let local = 7;
    let _mock = midair::mock!(target => |_| local);
}
