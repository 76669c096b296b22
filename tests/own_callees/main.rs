//! midair's own callees, all patched at once, while midair works.
//!
//! Every C function that this program imports (midair, `std` and the crates
//! below them call nothing else) and every symbol of `std`, `core` and `alloc`
//! that it links leads to a stub that counts; those of a simple signature lead
//! to a closure on top of that. Eight threads call them and check what comes
//! back, while patches of other functions come and go, errors are made, and
//! children are forked. A deadlock ends by an alarm.
#![cfg(target_arch = "x86_64")]

mod closures;
mod load;
mod stubs;
mod work;

use closures::{SEEN, closures};
use load::{Pair, check_that_locks_lock, hammered, under_load};
use midair::Consistency;
use midair_libraries::shapes::Fixtures;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard};
use stubs::{Stubs, count_calls};
use work::{midair_at_work, quiet_shapes};

/// What a hanging test is ended by.
const SECONDS: u32 = 240;

/// One at a time: both patch what the other one runs.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    let guard = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    // SAFETY: takes no pointers.
    unsafe { libc::alarm(SECONDS) };
    guard
}

fn cycles(default: u64) -> u64 {
    std::env::var("MIDAIR_CYCLES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(default)
}

/// The C functions that this executable imports, by name.
fn imported() -> BTreeMap<String, *const ()> {
    let file = std::fs::read("/proc/self/exe").unwrap();
    let elf = goblin::elf::Elf::parse(&file).unwrap();
    let mut found = BTreeMap::new();
    for symbol in elf.dynsyms.iter().filter(|s| s.is_import()) {
        let name = elf.dynstrtab.get_at(symbol.st_name).unwrap();
        // `environ` is no function.
        if symbol.st_type() == goblin::elf::sym::STT_OBJECT {
            continue;
        }
        let text = CString::new(name).unwrap();
        // SAFETY: a C string.
        let at = unsafe { libc::dlsym(libc::RTLD_DEFAULT, text.as_ptr()) };
        if !at.is_null() {
            found.insert(name.to_owned(), at.cast_const().cast());
        }
    }
    found
}

#[test]
fn every_function_that_midair_imports_can_be_patched_while_midair_works() {
    let _alone = alone();
    let fixtures = Fixtures::load().unwrap();
    let shapes = quiet_shapes();
    let found = imported();
    let mut names: Vec<&str> = Vec::new();
    let mut targets: Vec<*const ()> = Vec::new();
    for (name, at) in &found {
        match midair::can_patch(*at) {
            Ok(_) if !targets.contains(at) => {
                names.push(name);
                targets.push(*at);
            }
            Ok(_) => {} // two names of one function
            Err(refusal) => println!("not patched: {name}: {refusal}"),
        }
    }
    let rounds = cycles(if cfg!(debug_assertions) { 8 } else { 16 });
    under_load(|| {
        // All come and go while they are used.
        for _ in 0..rounds / 8 + 1 {
            for consistency in [Consistency::Immediate, Consistency::Atomic] {
                let mut stubs = Stubs::new(targets.len());
                drop(count_calls(&targets, &mut stubs, consistency));
            }
        }
        let mut stubs = Stubs::new(targets.len());
        let mut patches = count_calls(&targets, &mut stubs, Consistency::Atomic);
        for round in 0..rounds {
            midair_at_work(&fixtures, &shapes, round);
        }
        let called = (0..names.len()).filter(|n| stubs.count(*n) > 0);
        let called: Vec<&str> = called.map(|n| names[n]).collect();
        println!("{} patched, called: {}", names.len(), called.join(" "));
        for name in [
            "malloc",
            "free",
            "realloc",
            "mprotect",
            "sigaction",
            "syscall",
            "fork",
        ] {
            assert!(called.contains(&name), "{name} was not called");
        }
        let before = SEEN.load(Ordering::SeqCst);
        patches.extend(closures(&found));
        for round in 0..rounds {
            midair_at_work(&fixtures, &shapes, round);
        }
        assert!(SEEN.load(Ordering::SeqCst) > before + 1000);
        // Those below go first.
        drop(patches);
        for _ in 0..rounds / 8 + 1 {
            drop(closures(&found));
        }
    });
    check_that_locks_lock();
}

/// Every function of the executable: midair's own, those of the crates below
/// it, of `std`, `core` and `alloc`, and of this test.
fn functions_of_this_program() -> Vec<*const ()> {
    let here = hammered as Pair as usize;
    let module = midair::symbols::modules()
        .unwrap()
        .into_iter()
        .find(|m| m.path() == std::env::current_exe().unwrap())
        .unwrap();
    let image = module.image().unwrap();
    let all = image.functions().iter();
    all.filter(|extent| !image.is_fragment(extent.start))
        .map(|extent| extent.start.at(module.slide()) as usize)
        .filter(|at| *at != here)
        .map(|at| at as *const ())
        .collect()
}

#[test]
fn every_function_of_the_program_itself_can_be_patched_while_midair_works() {
    let _alone = alone();
    let fixtures = Fixtures::load().unwrap();
    let shapes = quiet_shapes();
    let mut targets = Vec::new();
    // All at once: a function of one byte is patched into its neighbour.
    let mut patches = Vec::new();
    for at in functions_of_this_program() {
        // SAFETY: a pass-through.
        match unsafe { midair::patch_raw(at, |original| original) } {
            Ok(patch) => {
                targets.push(at);
                patches.push(patch);
            }
            Err(refusal) => println!("not patched: {refusal}"),
        }
    }
    drop(patches);
    // Unoptimised there are ten thousand of them, and all is slow: a part.
    let parts = if cfg!(debug_assertions) { 6 } else { 1 };
    let all = targets;
    under_load(|| {
        for turn in 0..cycles(2) as usize {
            let part = all.iter().skip(turn % parts).step_by(parts);
            let targets: Vec<_> = part.copied().collect();
            let mut stubs = Stubs::new(targets.len());
            let patches = count_calls(&targets, &mut stubs, Consistency::Immediate);
            for round in 0..if parts == 1 { 8 } else { 2 } {
                midair_at_work(&fixtures, &shapes, round);
            }
            drop(patches);
            let called = (0..targets.len()).filter(|n| stubs.count(*n) > 0).count();
            println!("{} functions patched, {called} called", targets.len());
            assert!(called * 20 > targets.len(), "hardly anything was called");
        }
    });
}
