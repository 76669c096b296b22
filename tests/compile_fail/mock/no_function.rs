fn main() {
    let _mock = midair::mock!(7).returns(1);
}
