use midair_macros::mockable;

#[mockable]
pub const fn price(of: u32) -> u32 {
    of + 1
}

pub struct Till;

#[mockable]
impl Till {
    pub const fn sum(&self) -> u32 {
        1
    }
}

fn main() {}
