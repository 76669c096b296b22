//! Ten thousand functions of five usual prologues by turns, for transactions
//! over many functions. They are assembly (`many/functions.S`), which takes a
//! fifth of a second to build; as many Rust functions take minutes.

use crate::{Result, functions};

/// How many functions there are.
pub const COUNT: usize = 10_000;

/// The type of all of them: the one at index `k` returns its argument plus `k`.
pub type Number = extern "C" fn(u64) -> u64;

/// Loads the library for good.
pub fn load() -> Result<&'static [Number]> {
    let library = functions::open(crate::many())?;
    // SAFETY: the table has `COUNT` addresses of functions of this type.
    let table: *const [Number; COUNT] = unsafe { functions::find(&library, "many_functions") }?;
    std::mem::forget(library);
    // SAFETY: it is constant, and never unloaded.
    Ok(unsafe { &*table })
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_function_adds_its_index() {
        let functions = super::load().expect("the library is built with this crate");
        for (index, function) in functions.iter().enumerate() {
            for n in [0, 1, u64::MAX] {
                assert_eq!(function(n), n.wrapping_add(index as u64), "{index}");
            }
        }
    }
}
