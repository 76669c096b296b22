//! Tests that run at the same time and mock the same functions differently.
//!
//! 64 of them, each a hundred times over; libtest starts as many as it has
//! threads, so here each round starts the 64 by itself.

use midair::mock;
use std::hint::black_box;

#[inline(never)]
fn price(of: &str) -> u64 {
    black_box(black_box(of).len() as u64)
}

#[inline(never)]
fn stock(of: &str, shop: u64) -> u64 {
    black_box(black_box(shop) * 100 + black_box(of).len() as u64)
}

#[inline(never)]
fn discount(total: u64) -> u64 {
    black_box(black_box(total) / 10)
}

/// What is tested: it knows of no mock.
fn bill(of: &str, shop: u64) -> u64 {
    let total = price(of) * stock(of, shop);
    total - discount(total)
}

fn test(number: u64) {
    let sold = std::thread::spawn(move || bill("tea", number));
    let prices = mock!(price => move |of| number + of.len() as u64);
    let stocks = mock!(stock)
        .when(move |&(_, shop)| shop == number)
        .returns(number + 1);
    let discounts = mock!(discount => move |total| if number.is_multiple_of(2) { number } else { call_original!(total) });
    for n in 0..20_u64 {
        let total = (number + 3) * (number + 1);
        let expected = if number.is_multiple_of(2) {
            total - number
        } else {
            total - total / 10
        };
        assert_eq!(bill("tea", number), expected, "test {number}, call {n}");
        // The condition does not hold.
        assert_eq!(stock("tea", number + 1), (number + 1) * 100 + 3);
    }
    let in_thread = std::thread::spawn(move || bill("coffee", number))
        .join()
        .unwrap();
    assert_ne!(in_thread, 0);
    assert_eq!(
        (prices.count(), stocks.count(), discounts.count()),
        (21, 21, 21)
    );
    assert!(
        prices.calls()[..20]
            .iter()
            .all(|call| call.arguments == ["\"tea\""])
    );
    // In whatever order.
    match number % 3 {
        0 => drop((prices, stocks, discounts)),
        1 => drop((stocks, discounts, prices)),
        _ => drop((discounts, prices, stocks)),
    }
    assert_eq!(bill("tea", number), original(number));
    assert_eq!(sold.join().unwrap(), original(number));
}

fn original(number: u64) -> u64 {
    let total = 3 * (number * 100 + 3);
    total - total / 10
}

/// `MIDAIR_CYCLES` makes it fewer times: on aarch64 the threads that run are held for
/// each of the 19,200 mocks, and emulated that takes its time.
#[test]
fn sixty_four_tests_mock_three_functions_differently_a_hundred_times() {
    let rounds = std::env::var("MIDAIR_CYCLES").map_or(100, |n| n.parse().unwrap());
    for _ in 0..rounds {
        std::thread::scope(|scope| {
            for number in 0..64 {
                scope.spawn(move || test(number));
            }
        });
    }
}

macro_rules! each {
    ($($name:ident $number:literal)*) => {
        $(#[test]
        fn $name() {
            for _ in 0..100 {
                test($number);
            }
        })*
    };
}

// For those who run each test in a process of its own, or as libtest likes.
each! { on_its_own_1 101 on_its_own_2 102 on_its_own_3 103 on_its_own_4 104 }
