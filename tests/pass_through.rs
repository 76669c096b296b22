//! Every function of a real library patched at once, and a real workload.
//!
//! Each function leads to a stub that notes the call and goes on to the
//! original, so the workload's results must be those of the unpatched library.
//! The libraries are built from source (`tests/libraries`); Debian's copies are
//! tried as well where they are installed.

use midair::symbols::{Module, modules};
use midair::{Consistency, Transaction};
use midair_libraries::workload::{crypto::Crypto, sqlite::Sqlite, zlib::Zlib};
use midair_libraries::{Digest, installed, sqlite, zlib};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// One library at a time: they share libc and the processor.
static ALONE: Mutex<()> = Mutex::new(());

const STUB: usize = 48;

/// Rows of the database: CI emulates aarch64.
const ROWS: u32 = if cfg!(target_arch = "aarch64") {
    20_000
} else {
    100_000
};

/// Executable memory for stubs. They change no flag and no register that a
/// function may read ([`stub`]).
struct Stubs {
    code: *mut u8,
    seen: *mut u8,
    count: usize,
    used: usize,
}

impl Stubs {
    fn new(count: usize) -> Self {
        let bytes = (count * (STUB + 1)).next_multiple_of(4096) + 4096;
        // SAFETY: fresh memory, wherever the kernel puts it.
        let at = unsafe {
            let rights = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            libc::mmap(std::ptr::null_mut(), bytes, rights, flags, -1, 0)
        };
        assert_ne!(at, libc::MAP_FAILED);
        let code = at.cast::<u8>();
        Self {
            code,
            seen: code.wrapping_add((count * STUB).next_multiple_of(4096)),
            count,
            used: 0,
        }
    }

    /// A stub that notes the call and goes on to `original`.
    fn make(&mut self, original: *const ()) -> *const () {
        assert!(self.used < self.count);
        let at = self.code.wrapping_add(self.used * STUB);
        let seen = self.seen.wrapping_add(self.used);
        self.used += 1;
        let code = stub(at as i64, seen as i64, original as u64);
        assert!(code.len() <= STUB);
        // SAFETY: a place of its own in the stubs' memory.
        unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), at, code.len()) };
        clear_cache(at, code.len());
        at.cast()
    }

    fn called(&self) -> usize {
        // SAFETY: one byte for each stub.
        (0..self.used)
            .filter(|n| unsafe { self.seen.add(*n).read_volatile() } == 1)
            .count()
    }

    fn forget(&self) {
        // SAFETY: one byte for each stub.
        unsafe { std::ptr::write_bytes(self.seen, 0, self.used) };
    }
}

/// `mov byte [rip+…], 1; jmp [rip+…]`.
#[cfg(target_arch = "x86_64")]
fn stub(at: i64, seen: i64, original: u64) -> Vec<u8> {
    let mut code = vec![0xc6, 0x05];
    code.extend((seen - (at + 7)).to_le_bytes()[..4].iter());
    code.push(1);
    code.extend([0xff, 0x25, 0, 0, 0, 0]);
    code.extend(original.to_le_bytes());
    code
}

/// With x16 and x17, which are nobody's between a call and its target.
#[cfg(target_arch = "aarch64")]
fn stub(_: i64, seen: i64, original: u64) -> Vec<u8> {
    let words: [u32; 6] = [
        0x5800_00d0, // ldr x16, seen
        0x5280_0031, // mov w17, #1
        0x3900_0211, // strb w17, [x16]
        0x5800_00b0, // ldr x16, original
        0xd61f_0200, // br x16
        0xd503_201f, // nop
    ];
    let words = words.iter().flat_map(|word| word.to_le_bytes());
    let data = [seen as u64, original].map(u64::to_le_bytes).concat();
    words.chain(data).collect()
}

/// Code was written.
fn clear_cache(_at: *mut u8, _len: usize) {
    #[cfg(target_arch = "aarch64")]
    {
        unsafe extern "C" {
            fn __clear_cache(from: *mut libc::c_void, to: *mut libc::c_void);
        }
        // SAFETY: libgcc's; the range is mapped.
        unsafe { __clear_cache(_at.cast(), _at.wrapping_add(_len).cast()) };
    }
}

fn module_of(path: &Path) -> Arc<Module> {
    let path = path.canonicalize().unwrap();
    let same = |m: &Arc<Module>| m.path().canonicalize().is_ok_and(|p| p == path);
    modules()
        .unwrap()
        .into_iter()
        .find(same)
        .expect("it is loaded")
}

/// Every function of the module but fragments of others, whatever it is called.
fn functions(module: &Module) -> Vec<*const ()> {
    let image = module.image().unwrap();
    let all = image
        .functions()
        .iter()
        .filter(|extent| !image.is_fragment(extent.start));
    all.map(|extent| extent.start.at(module.slide()) as *const ())
        .collect()
}

/// Patches everything in the library at `path` and compares the runs.
fn compare(path: &Path, run: impl Fn() -> Digest) {
    let unpatched = run();
    let targets = functions(&module_of(path));
    let mut stubs = Stubs::new(targets.len());
    let mut refused = Vec::new();
    let start = Instant::now();
    let cell = std::cell::RefCell::new(&mut stubs);
    let mut transaction = Transaction::new();
    for &target in &targets {
        match midair::can_patch(target) {
            Ok(_) => {
                transaction.patch_raw(target, |original| cell.borrow_mut().make(original));
            }
            Err(refusal) => refused.push(refusal),
        }
    }
    let planned = start.elapsed();
    // SAFETY: every stub goes on to the original.
    let patches = unsafe { transaction.commit(Consistency::Immediate) }
        .unwrap()
        .patches;
    let patched_in = start.elapsed() - planned;
    drop(transaction);
    let start = Instant::now();
    let patched = run();
    let slow = start.elapsed();
    let called = stubs.called();
    assert_eq!(patched, unpatched, "{}: patched", path.display());
    stubs.forget();
    let hooked = patches.len();
    drop(patches);
    assert_eq!(run(), unpatched, "{}: restored", path.display());
    assert_eq!(stubs.called(), 0, "a patch was left behind");
    println!(
        "{}: {} functions, {hooked} hooked ({} refused), {called} called by the workload; \
         planned in {planned:.1?}, patched in {patched_in:.1?}, workload {slow:.1?}",
        path.display(),
        targets.len(),
        refused.len(),
    );
    for refusal in &refused {
        println!("  {refusal}");
    }
    assert!(
        refused.len() * 100 <= targets.len(),
        "more than a hundredth is refused"
    );
    assert!(
        called * 10 >= hooked,
        "the workload calls hardly anything: {called} of {hooked}"
    );
}

fn one_at_a_time() -> std::sync::MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

#[test]
fn zlib_compresses_and_decompresses_with_every_function_patched() {
    let _alone = one_at_a_time();
    for path in [Some(zlib().to_path_buf()), installed("libz.so.1")]
        .into_iter()
        .flatten()
    {
        let library = Zlib::load(&path).unwrap();
        compare(&path, || library.round_trip(1, 1 << 18).unwrap());
    }
}

#[test]
fn sqlite_answers_queries_with_every_function_patched() {
    let _alone = one_at_a_time();
    for path in [Some(sqlite().to_path_buf()), installed("libsqlite3.so.0")]
        .into_iter()
        .flatten()
    {
        let library = Sqlite::load(&path).unwrap();
        compare(&path, || library.run(ROWS).unwrap());
    }
}

#[test]
fn libcrypto_signs_and_verifies_with_every_function_patched() {
    let _alone = one_at_a_time();
    // Not built from source: it needs perl. CI has Debian's.
    let Some(path) = installed("libcrypto.so.3") else {
        println!("libcrypto.so.3 is not installed");
        return;
    };
    let library = Crypto::load(&path).unwrap();
    compare(&path, || library.run(1).unwrap());
}
