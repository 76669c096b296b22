fn target(n: u32) -> Result<u32, String> {
    Ok(n)
}

fn main() {
    let _mock = midair::mock!(target).returns(7);
}
