fn target(n: u32) -> u32 {
    n
}

fn main() {
    let mut calls = 0;
    let _mock = midair::mock!(target => move |n| {
        calls += 1;
        n
    });
}
