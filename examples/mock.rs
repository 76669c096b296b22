//! Mocks a function of this program, one of std and one of C, for one thread and
//! those that it starts.
//!
//! `cargo run --example mock`
//!
//! In a test the mocks would be made by the test, and nothing in the code below
//! `shop` would be different: see `examples/mock_tutorial.rs`.

use midair::mock;
use std::time::{Duration, Instant};

mod shop {
    use std::time::Duration;

    #[derive(Clone, Debug, PartialEq)]
    pub(crate) struct Offer {
        pub(crate) cents: u32,
        pub(crate) seller: String,
    }

    /// Asks a server far away. Its result is opaque to the optimiser, as it is in
    /// code that does more than this.
    #[inline(never)]
    pub(crate) fn offer(item: &str, seller: u32) -> Result<Offer, String> {
        std::hint::black_box(Err(format!("seller {seller} has no {item}")))
    }

    /// What is tested: the cheapest of three, tried twice each.
    pub(crate) fn cheapest(item: &str) -> Option<Offer> {
        let mut offers = Vec::new();
        for seller in 1..=3 {
            let first = offer(item, seller);
            let second = first.or_else(|_| {
                std::thread::sleep(Duration::from_secs(3600));
                offer(item, seller)
            });
            offers.extend(second);
        }
        offers.into_iter().min_by_key(|offer| offer.cents)
    }
}

fn main() {
    let start = Instant::now();

    // A function of std: nobody sleeps. It has to be called three times, or this
    // program ends with the list of calls.
    let sleep = mock!(std::thread::sleep).returns(()).times(3);

    // A function of this program, by a closure with captures.
    let best = 2;
    let offers = mock!(shop::offer => move |item, seller| match seller {
        1 => call_original!(item, seller),
        _ => Ok(shop::Offer {
            cents: if seller == best { 80 } else { 120 },
            seller: format!("seller {seller} of {item}"),
        }),
    });
    // Only for some arguments, only for some time: newer mocks come first.
    let busy = mock!(shop::offer)
        .when(|&(_, seller)| seller != 1)
        .returns_in_order([Err("busy".to_owned()), Err("busy".to_owned())]);
    // Two calls for sellers 2 and 3 fail; a third would be a panic, so it goes.
    let first = std::thread::spawn(|| (shop::offer("tea", 2), shop::offer("tea", 3)));
    println!(
        "by another thread: {:?}",
        first.join().expect("it is in the scope")
    );
    drop(busy);

    let offer = shop::cheapest("tea").expect("there are two");
    println!("the cheapest is of {}", offer.seller);
    assert_eq!(offer.cents, 80);
    assert!(start.elapsed() < Duration::from_secs(3600));
    for call in offers.calls() {
        println!("  called: {call} by `{}`", call.thread);
    }
    // Seller 1 was asked twice and has none, so once somebody slept.
    println!("somebody would have slept {:?}", sleep.calls());
    let unmet = sleep.verify().expect_err("it was once, not three times");
    println!("{unmet}");
    let sleep = sleep.once();

    // C: what time it is.
    let time = mock!(libc::time as unsafe extern "C" fn(_) -> _ => |_| 0);
    // SAFETY: null is allowed.
    println!("it is {}", unsafe { libc::time(std::ptr::null_mut()) });
    drop(time);

    // What is dropped is over, and the rest by one call.
    drop(offers);
    println!("{}", shop::offer("tea", 2).expect_err("nobody is mocked"));
    midair::mock::reset_all();
    drop(sleep);
}
