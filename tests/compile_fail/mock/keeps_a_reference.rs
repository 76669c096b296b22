use std::sync::Mutex;

static KEPT: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

fn target(name: &str) -> usize {
    name.len()
}

fn main() {
    let _mock = midair::mock!(target => |name| {
        KEPT.lock().unwrap().push(name);
        0
    });
}
