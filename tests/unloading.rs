//! Libraries that are unloaded with patches on them.
//!
//! What is mapped afterwards where the library was belongs to somebody else:
//! nothing of midair's may be written there.
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "pass-throughs, and replacements of the type of their targets"
)]

use libloading::Library;
use midair::Error;
use midair_libraries::fixtures;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

type Pair = extern "C" fn(u64, u64) -> u64;

/// Functions whose entries are written in different ways, and what they give
/// for 6 and 3.
#[cfg(target_arch = "x86_64")]
const SHAPES: [&str; 5] = [
    "shape_push_call",
    "shape_push_all",
    "shape_at_8_boundary",
    "shape_loope_to_itself",
    "shape_nop_first",
];
/// The same on aarch64.
#[cfg(target_arch = "aarch64")]
const SHAPES: [&str; 5] = [
    "shape_bti_frame",
    "shape_paciasp",
    "shape_adrp",
    "shape_loop_to_entry",
    "shape_nop",
];

/// CI emulates aarch64.
const ROUNDS: usize = if cfg!(target_arch = "aarch64") { 6 } else { 20 };

static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

/// A file of its own, so that no other test has it loaded.
struct Copy {
    folder: PathBuf,
    file: PathBuf,
}

impl Copy {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("midair-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("lib{name}.so"));
        std::fs::copy(fixtures(), &file).unwrap();
        Self { folder, file }
    }

    fn load(&self) -> Library {
        unsafe { Library::new(&self.file) }.unwrap()
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn address(library: &Library, name: &str) -> usize {
    let function = unsafe { library.get::<Pair>(name.as_bytes()) }.unwrap();
    *function as usize
}

fn call(at: usize) -> u64 {
    let function = unsafe { std::mem::transmute::<usize, Pair>(at) };
    function(6, 3)
}

/// Whether a jump or a breakpoint stands there, behind a landing pad at most.
fn is_patched(at: usize) -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        let first = unsafe { (at as *const u8).read_volatile() };
        matches!(first, 0xe9 | 0xeb | 0xcc)
    }
    #[cfg(target_arch = "aarch64")]
    {
        // b; brk.
        let words = unsafe { (at as *const [u32; 2]).read_volatile() };
        let is_jump = |word: u32| word >> 26 == 5 || word & 0xffe0_001f == 0xd420_0000;
        words.into_iter().any(is_jump)
    }
}

fn pass_through(at: usize) -> midair::RawPatch {
    unsafe { midair::patch_raw(at as *const (), |original| original) }.unwrap()
}

/// Pages that are mapped over `at`, all of one byte, and read back later.
struct Squatter {
    start: usize,
}

const PAGES: usize = 4 * 4096;

impl Squatter {
    fn over(at: usize) -> Self {
        let start = at & !4095;
        let got = unsafe {
            let rights = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
            libc::mmap(start as *mut _, PAGES, rights, flags, -1, 0)
        };
        assert_eq!(got as usize, start, "something is mapped there");
        unsafe { std::ptr::write_bytes(start as *mut u8, 0x90, PAGES) };
        Self { start }
    }

    fn assert_untouched(&self) {
        let bytes = unsafe { std::slice::from_raw_parts(self.start as *const u8, PAGES) };
        let at = bytes.iter().position(|b| *b != 0x90);
        assert_eq!(at, None, "somebody else's memory was written to");
    }
}

impl Drop for Squatter {
    fn drop(&mut self) {
        unsafe { libc::munmap(self.start as *mut _, PAGES) };
    }
}

#[inline(never)]
fn hammered(a: u64, b: u64) -> u64 {
    let mut sum = std::hint::black_box(a);
    for i in 0..std::hint::black_box(b & 3) {
        sum = std::hint::black_box(sum ^ i).rotate_left(7);
    }
    sum
}

/// The calling thread gets what the patching thread leaves: CI emulates aarch64 on one
/// core.
fn yield_to_the_patcher() {
    let lowered = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
    assert_eq!(lowered, 0, "a thread may always lower its own priority");
}

/// Runs `work` while threads run another patched function, whose patch comes
/// and goes.
fn under_load(work: impl FnOnce()) {
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = Stop(&done);
        for _ in 0..4 {
            scope.spawn(|| {
                yield_to_the_patcher();
                let function = std::hint::black_box(hammered as fn(u64, u64) -> u64);
                let expected = function(6, 3);
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(function(6, 3), expected);
                }
            });
        }
        scope.spawn(|| {
            yield_to_the_patcher();
            let target = hammered as fn(u64, u64) -> u64 as *const ();
            while !done.load(Ordering::Relaxed) {
                match unsafe { midair::patch_raw(target, |original| original) } {
                    // `unpatch_all` came between, which takes off these, too.
                    Ok(_) | Err(Error::Removed { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
        work();
    });
}

#[test]
fn nothing_is_written_where_an_unloaded_library_was() {
    let _alone = alone();
    let file = Copy::new("gone");
    under_load(|| {
        for round in 0..ROUNDS {
            let library = file.load();
            let at: Vec<usize> = SHAPES.iter().map(|n| address(&library, n)).collect();
            let before: Vec<u64> = at.iter().map(|at| call(*at)).collect();
            let mut patches: Vec<_> = at.iter().map(|at| pass_through(*at)).collect();
            let after: Vec<u64> = at.iter().map(|at| call(*at)).collect();
            assert_eq!(before, after);
            library.close().unwrap();
            let squatters = Squatter::over(at[0]);
            // In turn: dropped, removed, changed, taken off with all others.
            match round % 4 {
                0 => drop(patches),
                1 => {
                    for patch in patches {
                        let _ = patch.remove();
                    }
                }
                2 => {
                    for patch in &patches {
                        for error in [patch.disable().unwrap_err(), patch.enable().unwrap_err()] {
                            assert!(matches!(error, Error::Unloaded { .. }), "{error}");
                        }
                    }
                    drop(patches);
                }
                _ => {
                    let last = patches.pop().unwrap();
                    let mut transaction = midair::Transaction::new();
                    transaction.disable(&last);
                    let error =
                        unsafe { transaction.commit(midair::Consistency::Immediate) }.unwrap_err();
                    assert!(matches!(error, Error::Unloaded { .. }), "{error}");
                    midair::unpatch_all().unwrap();
                    drop(patches);
                }
            }
            squatters.assert_untouched();
        }
    });
}

#[test]
fn a_library_that_comes_back_is_patched_anew_wherever_it_is() {
    let _alone = alone();
    let file = Copy::new("back");
    let mut places = std::collections::BTreeSet::new();
    under_load(|| {
        let mut old = Vec::new();
        let mut squatter = None;
        for round in 0..ROUNDS {
            let library = file.load();
            let at: Vec<usize> = SHAPES.iter().map(|n| address(&library, n)).collect();
            places.insert(at[0]);
            let before: Vec<u64> = at.iter().map(|at| call(*at)).collect();
            // Patches of the library as it was touch nothing, whether they go
            // before or after the new ones come.
            if round % 4 < 2 {
                old.clear();
            }
            let patches: Vec<_> = at.iter().map(|at| pass_through(*at)).collect();
            old.clear();
            for (at, before) in at.iter().zip(&before) {
                assert!(is_patched(*at), "round {round}: {at:#x}");
                assert_eq!(call(*at), *before, "round {round}");
            }
            drop(squatter.take());
            old = patches;
            library.close().unwrap();
            if round % 2 == 0 {
                // Its place is taken: it must be loaded elsewhere.
                squatter = Some(Squatter::over(at[0]));
            }
        }
        if let Some(squatter) = &squatter {
            drop(old);
            squatter.assert_untouched();
        }
    });
    assert!(places.len() > 1, "it was always loaded at the same address");
}

#[test]
fn closures_on_an_unloaded_library_are_dropped_with_their_patch() {
    struct Flag(Arc<AtomicUsize>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let _alone = alone();
    let file = Copy::new("closed");
    let dropped = Arc::new(AtomicUsize::new(0));
    for round in 0..4 {
        let library = file.load();
        let target = *unsafe { library.get::<Pair>(SHAPES[0].as_bytes()) }.unwrap();
        let expected = target(6, 3);
        let make = |n: u64, flag: Flag| {
            move |original: Pair| {
                move |a, b| {
                    let _kept = &flag;
                    original(a, b) + n
                }
            }
        };
        let flag = |n| make(n, Flag(Arc::clone(&dropped)));
        let below = unsafe { midair::patch_closure(target, flag(100)) }.unwrap();
        let above = unsafe { midair::patch_closure(target, flag(1000)) }.unwrap();
        assert_eq!(target(6, 3), expected + 1100);
        library.close().unwrap();
        let squatter = Squatter::over(target as usize);
        let (first, second) = if round % 2 == 0 {
            (below, above)
        } else {
            (above, below)
        };
        drop(first);
        assert_eq!(dropped.load(Ordering::SeqCst), round * 2 + 1);
        let error = second.retarget(target_of_none as Pair).unwrap_err();
        assert!(matches!(error, Error::Unloaded { .. }), "{error}");
        drop(second);
        assert_eq!(dropped.load(Ordering::SeqCst), round * 2 + 2);
        squatter.assert_untouched();
    }
}

extern "C" fn target_of_none(_: u64, _: u64) -> u64 {
    0
}
