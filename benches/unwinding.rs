//! What a panic costs, thrown and caught eight frames further out, and what a
//! backtrace costs, while midair has more and more code.
//!
//! The unwinder looks its frames up in what midair has announced to it before it
//! looks into the loaded files. `cargo bench --bench unwinding` prints a table.

use midair::symbols::modules;
use std::ffi::c_void;
use std::hint::black_box;
use std::panic::{catch_unwind, resume_unwind};
use std::time::Instant;

const FRAMES: u32 = 8;
const ROUNDS: u32 = 4_000;

unsafe extern "C" {
    fn _Unwind_Backtrace(
        trace: extern "C" fn(*mut c_void, *mut c_void) -> i32,
        argument: *mut c_void,
    ) -> i32;
}

extern "C" fn goes_on(_: *mut c_void, _: *mut c_void) -> i32 {
    0
}

#[inline(never)]
fn throws(depth: u32) -> u32 {
    if depth == 0 {
        resume_unwind(Box::new(1_u32));
    }
    black_box(throws(black_box(depth - 1))) + 1
}

#[inline(never)]
fn traces(depth: u32) -> u32 {
    if depth == 0 {
        // SAFETY: the callback does nothing.
        unsafe { _Unwind_Backtrace(goes_on, std::ptr::null_mut()) };
        return 0;
    }
    black_box(traces(black_box(depth - 1))) + 1
}

/// The median of 15 means, in nanoseconds.
fn nanoseconds(f: impl Fn()) -> u128 {
    let mut means: Vec<u128> = (0..15)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..ROUNDS / 15 {
                f();
            }
            start.elapsed().as_nanos() / u128::from(ROUNDS / 15)
        })
        .collect();
    means.sort_unstable();
    means[means.len() / 2]
}

fn measure(patches: usize) {
    let throw = nanoseconds(|| {
        let caught = catch_unwind(|| throws(FRAMES));
        assert!(black_box(caught).is_err());
    });
    let trace = nanoseconds(|| {
        black_box(traces(FRAMES));
    });
    let stats = midair::stats();
    println!(
        "{patches:>7} {:>12} {throw:>9} {trace:>9}",
        stats.bytes_mapped
    );
}

fn main() {
    let path = c"libcrypto.so.3";
    // SAFETY: a library like any other.
    let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
    println!("patches bytes mapped  throw ns  trace ns");
    measure(0);
    if library.is_null() {
        println!("NOT MEASURED with patches: there is no libcrypto.so.3");
        return;
    }
    let all = modules().unwrap();
    let crypto = all.iter().find(|m| m.file_name().contains("libcrypto"));
    let crypto = crypto.unwrap();
    let functions = crypto.image().unwrap().functions();
    let mut targets = functions
        .iter()
        .map(|extent| extent.start.at(crypto.slide()) as *const ());
    let mut patches = Vec::new();
    for count in [1, 100, 1_000, 10_000] {
        let more = targets.by_ref().filter_map(|target| {
            // SAFETY: a pass-through.
            unsafe { midair::patch_raw(target, |original| original) }.ok()
        });
        let wanted = count - patches.len();
        patches.extend(more.take(wanted));
        measure(patches.len());
    }
}
