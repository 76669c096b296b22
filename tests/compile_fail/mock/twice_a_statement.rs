fn target(n: u32) -> u32 {
    n
}

fn main() {
    let builder = midair::mock!(target);
    let _mock = builder.returns(1);
}
