//! A program with one thread: what midair does differently there.
//!
//! Not run by the test harness, which has a thread of its own; so this prints
//! a harness's last line itself.

use midair::symbols::modules;
use std::hint::black_box;

type Number = extern "C" fn(u64) -> u64;

#[inline(never)]
extern "C" fn target(n: u64) -> u64 {
    black_box(black_box(n) * 3)
}

extern "C" fn replacement(n: u64) -> u64 {
    n + 1
}

/// An entry that jumps straight to its replacement is changed as any other.
fn a_straight_jump_is_turned_off_led_elsewhere_and_stacked_upon() {
    // SAFETY: all of one type, and nobody relies on the results.
    let patch = unsafe { midair::patch(target as Number, replacement as Number) }.unwrap();
    assert_eq!(target(5), 6);
    patch.disable().unwrap();
    assert_eq!(target(5), 15);
    patch.enable().unwrap();
    assert_eq!(target(5), 6);
    drop(patch);
    assert_eq!(target(5), 15);
    // SAFETY: as above.
    let below = unsafe { midair::patch(target as Number, replacement as Number) }.unwrap();
    // SAFETY: as above.
    let above =
        unsafe { midair::patch_closure(target as Number, |below| move |n| below(n) * 10) }.unwrap();
    assert_eq!(target(5), 60);
    drop(below);
    assert_eq!(target(5), 150);
    drop(above);
    assert_eq!(target(5), 15);
}

/// A patch made while there was one thread goes on when there are more.
fn a_patch_made_alone_is_removed_and_made_again_among_threads() {
    // SAFETY: as above.
    let patch = unsafe { midair::patch(target as Number, replacement as Number) }.unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    for n in 0..100 {
                        let got = black_box(target as Number)(n);
                        assert!(got == n * 3 || got == n + 1, "{got} for {n}");
                    }
                }
            });
        }
        drop(patch);
        // On aarch64 each holds the threads twice.
        let cycles = if cfg!(target_arch = "aarch64") {
            50
        } else {
            2_000
        };
        for _ in 0..cycles {
            // SAFETY: as above.
            drop(unsafe { midair::patch(target as Number, replacement as Number) }.unwrap());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(target(5), 15);
}

/// The bytes of these jumps lie across two words, so that they are taken off
/// step by step; made alone, they have no traps in them.
#[cfg(target_arch = "x86_64")]
fn a_patch_across_words_made_alone_is_removed_among_threads() {
    use midair_libraries::shapes::{Fixtures, SHAPES};
    let fixtures = Fixtures::load().unwrap();
    for name in [
        "shape_at_8_boundary",
        "shape_at_line_boundary",
        "shape_endbr_body",
    ] {
        let shape = SHAPES.iter().find(|s| s.name == name).unwrap();
        let target = fixtures.address(name).unwrap();
        for _ in 0..40 {
            // SAFETY: a pass-through.
            let patch = unsafe { midair::patch_raw(target, |original| original) }.unwrap();
            let stop = std::sync::atomic::AtomicBool::new(false);
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                            for n in 0..50 {
                                let got = fixtures.call(shape, n, 3).unwrap();
                                assert_eq!(got, (shape.expected)(n, 3), "{name}");
                            }
                        }
                    });
                }
                std::thread::sleep(std::time::Duration::from_millis(1));
                drop(patch);
                std::thread::sleep(std::time::Duration::from_micros(200));
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
            });
        }
    }
}

/// glibc's `mempcpy` jumps into the first bytes of `memcpy`, and it is not the
/// only one.
fn functions_that_others_jump_into_are_patched_all_the_same() {
    let modules = modules().unwrap();
    let libc = modules
        .iter()
        .find(|m| m.file_name().starts_with("libc.so"))
        .unwrap();
    let image = libc.image().unwrap();
    let entered = image
        .entered_from_elsewhere()
        .expect("libc is small enough");
    let functions = image.functions();
    let mut transaction = midair::Transaction::new();
    let mut starts: Vec<_> = entered
        .iter()
        .filter_map(|at| functions.containing(*at))
        .map(|f| f.start)
        .collect();
    starts.dedup();
    for start in &starts {
        transaction.patch_raw(start.at(libc.slide()) as *const (), |original| original);
    }
    // SAFETY: pass-throughs.
    let patches = unsafe { transaction.commit(midair::Consistency::Immediate) }
        .unwrap()
        .patches;
    println!(
        "{} functions of {} are entered by others",
        patches.len(),
        libc.file_name()
    );
    let copies = || {
        let from: Vec<u8> = (0..3000_u32).map(|n| n as u8).collect();
        for len in [0, 1, 2, 7, 8, 15, 16, 31, 33, 64, 100, 257, 1000, 3000] {
            let mut to = vec![0_u8; 3000];
            // SAFETY: both buffers hold `len` bytes.
            let end = unsafe {
                unsafe extern "C" {
                    fn mempcpy(
                        to: *mut libc::c_void,
                        from: *const libc::c_void,
                        len: usize,
                    ) -> *mut libc::c_void;
                }
                mempcpy(to.as_mut_ptr().cast(), from.as_ptr().cast(), len)
            };
            assert_eq!(end as usize - to.as_ptr() as usize, len);
            assert!(to[..len] == from[..len] && to[len..].iter().all(|b| *b == 0));
        }
    };
    copies();
    drop(patches);
    copies();
}

fn main() {
    let tests: &[(&str, fn())] = &[
        (
            "a_straight_jump_is_turned_off_led_elsewhere_and_stacked_upon",
            a_straight_jump_is_turned_off_led_elsewhere_and_stacked_upon,
        ),
        #[cfg(target_arch = "x86_64")]
        (
            "a_patch_across_words_made_alone_is_removed_among_threads",
            a_patch_across_words_made_alone_is_removed_among_threads,
        ),
        (
            "functions_that_others_jump_into_are_patched_all_the_same",
            functions_that_others_jump_into_are_patched_all_the_same,
        ),
        (
            "a_patch_made_alone_is_removed_and_made_again_among_threads",
            a_patch_made_alone_is_removed_and_made_again_among_threads,
        ),
    ];
    for (name, test) in tests {
        test(); // a panic ends the program with an error
        println!("test {name} ... ok");
    }
    println!("\n{} passed, 0 failed", tests.len());
}
