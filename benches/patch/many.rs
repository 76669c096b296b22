//! A thousand functions of a usual shape.

/// How many there are.
pub(crate) const COUNT: usize = 1000;

/// The type of all functions here.
pub(crate) type Number = extern "C" fn(u64) -> u64;

#[inline(never)]
extern "C" fn work<const N: u64>(n: u64) -> u64 {
    let mut sum = N;
    for i in 0..n & 7 {
        sum = sum.rotate_left(5) ^ i.wrapping_mul(n | N);
    }
    sum
}

macro_rules! ten {
    ($all:ident, $from:expr) => {
        $all.extend([
            work::<{ $from }> as Number,
            work::<{ $from + 1 }>,
            work::<{ $from + 2 }>,
            work::<{ $from + 3 }>,
            work::<{ $from + 4 }>,
            work::<{ $from + 5 }>,
            work::<{ $from + 6 }>,
            work::<{ $from + 7 }>,
            work::<{ $from + 8 }>,
            work::<{ $from + 9 }>,
        ]);
    };
}

macro_rules! hundred {
    ($all:ident, $from:expr) => {
        ten!($all, $from);
        ten!($all, $from + 10);
        ten!($all, $from + 20);
        ten!($all, $from + 30);
        ten!($all, $from + 40);
        ten!($all, $from + 50);
        ten!($all, $from + 60);
        ten!($all, $from + 70);
        ten!($all, $from + 80);
        ten!($all, $from + 90);
    };
}

/// All of them.
pub(crate) fn functions() -> Vec<Number> {
    let mut all = Vec::with_capacity(COUNT);
    hundred!(all, 0);
    hundred!(all, 100);
    hundred!(all, 200);
    hundred!(all, 300);
    hundred!(all, 400);
    hundred!(all, 500);
    hundred!(all, 600);
    hundred!(all, 700);
    hundred!(all, 800);
    hundred!(all, 900);
    all
}
