#![deny(unused_must_use)]

fn target(n: u32) -> u32 {
    n
}

fn main() {
    midair::mock!(target).returns(1);
    midair::mock!(target);
}
