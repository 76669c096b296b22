fn target(name: &str) -> usize {
    name.len()
}

fn main() {
    let _mock = midair::mock!(target: for<> fn(&'static str) -> usize => |name| name.len());
}
