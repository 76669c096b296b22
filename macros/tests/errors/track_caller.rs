use midair_macros::mockable;

#[mockable]
#[track_caller]
pub fn price(of: u32) -> u32 {
    of + 1
}

fn main() {}
