use midair_macros::mockable;

#[mockable]
pub struct Till;

#[mockable(Self)]
impl Till {}

fn main() {}
