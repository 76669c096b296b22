//! What is said, and how.

midair::var! { pub static MESSAGE: String = "hello world" }
midair::var! {
    /// In milliseconds.
    pub static PAUSE: u64 = 1000
}

pub fn print_message() {
    println!("{MESSAGE}");
}
