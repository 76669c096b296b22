//! Patches a private function of this program by its Rust path.
//!
//! `cargo run --release --example patch_own_function`
//!
//! Nobody hands out the function's address: it is found by name in the
//! program's own symbol table.

mod shop {
    pub(crate) mod till {
        /// Private to this module; only its path leads to it.
        ///
        /// The optimiser knows all callers of a private function and may change
        /// its signature: without `black_box` it would pass the length alone,
        /// since nothing else of `item` is used.
        #[inline(never)]
        fn price_of(item: &str) -> u32 {
            std::hint::black_box(item).len() as u32 * 100
        }

        pub(crate) fn receipt(items: &[&str]) -> u32 {
            items.iter().map(|item| price_of(item)).sum()
        }
    }
}

/// Everything half price. The patched function's signature, for one lifetime.
fn half_price(item: &'static str) -> u32 {
    item.len() as u32 * 50
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let basket = ["apple", "pear", "fig"];
    println!("before:  {}", shop::till::receipt(&basket));
    assert_eq!(shop::till::receipt(&basket), 1200);

    for symbol in midair::symbols("*shop::till::*")? {
        println!("found:   {symbol}");
    }
    // SAFETY: the function is `fn(&str) -> u32`, as the replacement is.
    let sale = unsafe {
        midair::patch_symbol(
            "patch_own_function::shop::till::price_of",
            half_price as fn(_) -> _,
        )
    }?;
    println!("on sale: {}", shop::till::receipt(&basket));
    assert_eq!(shop::till::receipt(&basket), 600);
    println!("the original still says {}", sale.original()("fig"));

    drop(sale);
    println!("after:   {}", shop::till::receipt(&basket));
    assert_eq!(shop::till::receipt(&basket), 1200);

    // What is asked for wrongly is answered with what there is.
    let error = midair::symbol("shop::till::price")
        .err()
        .ok_or("found what is not there")?;
    println!("a typo:  {error}");
    Ok(())
}
