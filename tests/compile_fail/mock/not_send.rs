use std::rc::Rc;

fn target(n: u32) -> u32 {
    n
}

fn main() {
    let shared = Rc::new(7);
    let _mock = midair::mock!(target => move |_| *shared);
}
