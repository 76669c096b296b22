fn target() {}
fn replacement() {}

fn main() {
    let _patch = midair::patch(target as fn(), replacement);
}
