fn first<'a>(a: &'a str, _b: &str) -> &'a str {
    a
}

fn main() {
    let _mock = midair::mock!(first: for<'a> fn(&'a str, &str) -> &'a str => |_, b| b);
}
