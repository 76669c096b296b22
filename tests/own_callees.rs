//! midair's own callees, all patched at once, while midair works.
//!
//! Every C function that this program imports (midair, `std` and the crates
//! below them call nothing else) and every symbol of `std`, `core` and `alloc`
//! that it links leads to a stub that counts; those of a simple signature lead
//! to a closure on top of that. Eight threads call them and check what comes
//! back, while patches of other functions come and go, errors are made, and
//! children are forked. A deadlock ends by an alarm.
#![cfg(target_arch = "x86_64")]

use midair::{Consistency, Patches, RawPatch, Transaction};
use midair_libraries::shapes::{Caution, Fixtures, SHAPES, Shape};
use std::cell::UnsafeCell;
use std::collections::BTreeMap;
use std::ffi::{CString, c_int, c_void};
use std::hint::black_box;
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

const THREADS: u64 = 8;

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

/// Stubs that count (roughly: threads may meet at a count).
struct Stubs {
    at: *mut u8,
    room: usize,
    used: usize,
}

// SAFETY: memory that is never unmapped; only its owner adds to it.
unsafe impl Send for Stubs {}
// SAFETY: as above.
unsafe impl Sync for Stubs {}

const STUB: usize = 64;

impl Stubs {
    fn new(room: usize) -> Self {
        // SAFETY: fresh memory, wherever the kernel puts it.
        let at = unsafe {
            let rights = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            libc::mmap(ptr::null_mut(), room * STUB, rights, flags, -1, 0)
        };
        assert_ne!(at, libc::MAP_FAILED);
        Self {
            at: at.cast(),
            room,
            used: 0,
        }
    }

    fn make(&mut self, original: *const ()) -> *const () {
        assert!(self.used < self.room);
        let at = self.at.wrapping_add(self.used * STUB);
        self.used += 1;
        let mut code = vec![0x48, 0xff, 0x05, 32 - 7, 0, 0, 0]; // inc qword [at + 32]
        code.extend([0xff, 0x25, 16 - 13, 0, 0, 0]); // jmp [at + 16]
        code.resize(16, 0xcc);
        code.extend((original as u64).to_le_bytes());
        // SAFETY: a place of its own in the stubs' memory.
        unsafe { ptr::copy_nonoverlapping(code.as_ptr(), at, code.len()) };
        at.cast()
    }

    fn count(&self, n: usize) -> u64 {
        assert!(n < self.used);
        // SAFETY: written by the stubs only; aligned.
        unsafe { self.at.add(n * STUB + 32).cast::<u64>().read_volatile() }
    }
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

#[inline(never)]
fn hammered(a: u64, b: u64) -> u64 {
    let mut sum = black_box(a);
    for i in 0..black_box(b & 3) {
        sum = black_box(sum ^ i).rotate_left(7);
    }
    sum.wrapping_add(black_box(b))
}

type Pair = fn(u64, u64) -> u64;

fn model(a: u64, b: u64) -> u64 {
    (0..b & 3)
        .fold(a, |sum, i| (sum ^ i).rotate_left(7))
        .wrapping_add(b)
}

fn inverted(a: u64, b: u64) -> u64 {
    !model(a, b)
}

struct CMutex(UnsafeCell<libc::pthread_mutex_t>);
// SAFETY: it is for threads.
unsafe impl Sync for CMutex {}
static C_MUTEX: CMutex = CMutex(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));
struct Counted(UnsafeCell<u64>);
// SAFETY: used under C_MUTEX only.
unsafe impl Sync for Counted {}
static COUNTED: Counted = Counted(UnsafeCell::new(0));
static ADDED: AtomicU64 = AtomicU64::new(0);

/// Uses what midair uses, and checks what it does.
fn use_everything(n: u64) {
    // SAFETY: memory, descriptors and locks of its own, used as their
    // documentation says.
    unsafe {
        let len = 1 + (n as usize * 37) % 3000;
        let at = libc::malloc(len).cast::<u8>();
        ptr::write_bytes(at, n as u8, black_box(len));
        let at = libc::realloc(at.cast(), len * 2).cast::<u8>();
        ptr::copy_nonoverlapping(at, at.add(len), black_box(len));
        ptr::copy(at, at.add(1), black_box(len)); // overlaps
        for offset in [0, len / 2, len - 1, len, len * 2 - 1] {
            assert_eq!(at.add(offset).read(), n as u8);
        }
        assert_eq!(libc::memcmp(at.cast(), at.add(len).cast(), len), 0);
        libc::free(at.cast());

        let zeroed = libc::calloc(len, 1).cast::<u8>();
        assert_eq!(zeroed.add(len - 1).read(), 0);
        libc::free(zeroed.cast());

        assert_eq!(libc::pthread_mutex_lock(C_MUTEX.0.get()), 0);
        *COUNTED.0.get() += 1;
        assert_eq!(libc::pthread_mutex_unlock(C_MUTEX.0.get()), 0);
        ADDED.fetch_add(1, Ordering::Relaxed);

        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let page = libc::mmap(ptr::null_mut(), 4096, rights, flags, -1, 0);
        assert_ne!(page, libc::MAP_FAILED);
        page.cast::<u64>().write(n);
        assert_eq!(libc::mprotect(page, 4096, libc::PROT_READ), 0);
        assert_eq!(page.cast::<u64>().read_volatile(), n);
        assert_eq!(libc::munmap(page, 4096), 0);

        let mut old: libc::sigaction = std::mem::zeroed();
        assert_eq!(libc::sigaction(libc::SIGUSR2, ptr::null(), &mut old), 0);
        assert_eq!(old.sa_sigaction, libc::SIG_DFL);
        let this = libc::syscall(libc::SYS_getpid);
        assert_eq!(this, i64::from(libc::getpid()));
        assert!(!libc::dlsym(libc::RTLD_DEFAULT, c"getpid".as_ptr()).is_null());
    }
    if n.is_multiple_of(4) {
        // openat, fstat, pwrite64, read, write, close, through std.
        use std::io::{Read, Write};
        use std::os::unix::fs::FileExt;
        let mut file = std::fs::File::open("/proc/self/stat").unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        let pid: i32 = text.split(' ').next().unwrap().parse().unwrap();
        // SAFETY: takes no pointers.
        assert_eq!(pid, unsafe { libc::getpid() });
        // SAFETY: a name and no flags.
        let fd = unsafe { libc::memfd_create(c"midair".as_ptr(), 0) };
        assert!(fd >= 0);
        // SAFETY: opened just now, and nobody else's.
        let mut file: std::fs::File = unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) };
        file.write_all(&n.to_le_bytes()).unwrap();
        file.write_all_at(&[7; 8], 8).unwrap();
        let mut back = [0; 16];
        file.read_exact_at(&mut back, 0).unwrap();
        assert_eq!(back[..8], n.to_le_bytes());
        assert_eq!(file.metadata().unwrap().len(), 16);
        assert!(file.as_raw_fd() >= 0);
    }
    if n.is_multiple_of(64) {
        let caught = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(n)));
        assert_eq!(*caught.unwrap_err().downcast::<u64>().unwrap(), n);
    }
    if n.is_multiple_of(256) {
        std::thread::spawn(move || assert_eq!(format!("{n:?}").parse(), Ok(n)))
            .join()
            .unwrap();
    }
    let got = black_box(hammered as Pair)(n, n >> 3);
    let expected = model(n, n >> 3);
    assert!(got == expected || got == !expected, "{got:#x} for {n:#x}");
}

/// Runs `work` while the threads use everything.
fn under_load<R>(work: impl FnOnce() -> R) -> R {
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = Stop(&done);
        for thread in 0..THREADS {
            let done = &done;
            scope.spawn(move || {
                let mut n = thread;
                while !done.load(Ordering::Relaxed) {
                    use_everything(n);
                    n += THREADS;
                }
            });
        }
        work()
    })
}

fn in_child(child: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child runs `child` and leaves at once.
    unsafe {
        match libc::fork() {
            0 => {
                libc::alarm(20); // a deadlock ends as a failure
                libc::_exit(i32::from(!child()))
            }
            pid => {
                assert!(pid > 0, "{}", std::io::Error::last_os_error());
                let mut status = 0;
                assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
                assert_eq!(status, 0, "the child's status");
                true
            }
        }
    }
}

/// What midair does, all of it: patches, errors, forks.
fn midair_at_work(fixtures: &Fixtures, shapes: &[&Shape], round: u64) {
    // SAFETY: of the same type; who calls it reckons with both results.
    let patch = unsafe { midair::patch(hammered as Pair, inverted) }.unwrap();
    patch.disable().unwrap();
    patch.enable().unwrap();
    drop(patch);
    let make = |original: Pair| move |a, b| !original(a, b);
    // SAFETY: as above.
    drop(unsafe { midair::patch_closure(hammered as Pair, make) }.unwrap());
    for n in 0..8 {
        let shape = shapes[(round * 8 + n) as usize % shapes.len()];
        let target = fixtures.address(shape.name).unwrap();
        // SAFETY: a pass-through.
        let patch = unsafe { midair::patch_raw(target, |original| original) }.unwrap();
        let got = fixtures.call(shape, round, 3).unwrap();
        assert_eq!(got, (shape.expected)(round, 3), "{}", shape.name);
        drop(patch);
    }
    let unknown = midair::symbol("libc.so.6::mallok").unwrap_err();
    assert!(unknown.to_string().contains("malloc"), "{unknown}");
    let refused = midair::can_patch((&raw const round).cast()).unwrap_err();
    assert_eq!(refused.reason, midair::Reason::NotCode);
    // SAFETY: nothing is replaced by null.
    let null = unsafe { midair::patch_raw(hammered as Pair as *const (), |_| ptr::null()) };
    assert!(null.unwrap_err().to_string().contains("is null"));
    if round.is_multiple_of(4) {
        let looked = midair::reclaim(Duration::from_millis(50)).unwrap();
        // Eight threads on few processors are not always seen in time.
        println!(
            "{} bytes reclaimed, {} pieces held",
            looked.bytes, looked.held
        );
    }
    if round.is_multiple_of(10) {
        assert!(in_child(|| {
            // SAFETY: as above.
            let patch = unsafe { midair::patch(hammered as Pair, inverted) };
            let patched = patch.is_ok() && hammered(9, 2) == !model(9, 2);
            drop(patch);
            let error = midair::symbol("libc.so.6::mallok").is_err();
            patched && error && hammered(9, 2) == model(9, 2)
        }));
    }
}

fn quiet_shapes() -> Vec<&'static Shape> {
    let all = SHAPES.iter();
    all.filter(|s| {
        s.caution == Caution::None && s.needs == midair_libraries::shapes::Needs::Nothing
    })
    .collect()
}

/// Patches all of `targets` by counting stubs, in one transaction.
fn count_calls(targets: &[*const ()], stubs: &mut Stubs, consistency: Consistency) -> Patches {
    let stubs = std::cell::RefCell::new(stubs);
    let mut transaction = Transaction::new();
    for &target in targets {
        transaction.patch_raw(target, |original| stubs.borrow_mut().make(original));
    }
    // SAFETY: every stub goes on to the original and changes flags only, which
    // no function takes for an argument.
    unsafe { transaction.commit(consistency) }.unwrap().patches
}

static SEEN: AtomicU64 = AtomicU64::new(0);

macro_rules! closures {
    ($patches:ident, $found:ident: $($name:ident($($arg:ident: $type:ty),*) -> $ret:ty;)*) => {$({
        type Function = unsafe extern "C" fn($($type),*) -> $ret;
        type Safe = extern "C" fn($($type),*) -> $ret;
        let at = $found[stringify!($name)];
        // SAFETY: the address and the type are that of the C function.
        let (target, _) = unsafe {
            (std::mem::transmute::<*const (), Safe>(at), libc::$name as Function)
        };
        let make = |original: Safe| move |$($arg: $type),*| {
            SEEN.fetch_add(1, Ordering::Relaxed);
            original($($arg),*)
        };
        // SAFETY: the closure calls the original.
        $patches.push(unsafe { midair::patch_closure(target, make) }.unwrap().into_raw());
    })*};
}

/// Closures that count, for the functions that midair itself needs most.
fn closures(found: &BTreeMap<String, *const ()>) -> Vec<RawPatch> {
    let mut patches = Vec::new();
    closures! { patches, found:
        malloc(a: usize) -> *mut c_void;
        free(a: *mut c_void) -> ();
        calloc(a: usize, b: usize) -> *mut c_void;
        realloc(a: *mut c_void, b: usize) -> *mut c_void;
        memcpy(a: *mut c_void, b: *const c_void, c: usize) -> *mut c_void;
        memmove(a: *mut c_void, b: *const c_void, c: usize) -> *mut c_void;
        memset(a: *mut c_void, b: c_int, c: usize) -> *mut c_void;
        memcmp(a: *const c_void, b: *const c_void, c: usize) -> c_int;
        pthread_mutex_lock(a: *mut libc::pthread_mutex_t) -> c_int;
        pthread_mutex_unlock(a: *mut libc::pthread_mutex_t) -> c_int;
        mprotect(a: *mut c_void, b: usize, c: c_int) -> c_int;
        mmap(a: *mut c_void, b: usize, c: c_int, d: c_int, e: c_int, f: i64) -> *mut c_void;
        munmap(a: *mut c_void, b: usize) -> c_int;
        pwrite64(a: c_int, b: *const c_void, c: usize, d: i64) -> isize;
        write(a: c_int, b: *const c_void, c: usize) -> isize;
        read(a: c_int, b: *mut c_void, c: usize) -> isize;
        close(a: c_int) -> c_int;
        sigaction(a: c_int, b: *const libc::sigaction, c: *mut libc::sigaction) -> c_int;
        getpid() -> libc::pid_t;
        dlsym(a: *mut c_void, b: *const libc::c_char) -> *mut c_void;
        fork() -> libc::pid_t;
        waitpid(a: libc::pid_t, b: *mut c_int, c: c_int) -> libc::pid_t;
        pthread_join(a: libc::pthread_t, b: *mut *mut c_void) -> c_int;
        sched_yield() -> c_int;
        process_vm_readv(a: libc::pid_t, b: *const libc::iovec, c: u64, d: *const libc::iovec, e: u64, f: u64) -> isize;
    }
    // `syscall` is variadic: all of its seven places are handed on.
    type Syscall = extern "C" fn(i64, i64, i64, i64, i64, i64, i64) -> i64;
    // SAFETY: a function that takes up to seven words.
    let target = unsafe { std::mem::transmute::<*const (), Syscall>(found["syscall"]) };
    let make = |original: Syscall| {
        move |a, b, c, d, e, f, g| {
            SEEN.fetch_add(1, Ordering::Relaxed);
            original(a, b, c, d, e, f, g)
        }
    };
    // SAFETY: the closure calls the original.
    patches.push(
        unsafe { midair::patch_closure(target, make) }
            .unwrap()
            .into_raw(),
    );
    // So is `open64`, whose mode is its third argument.
    type Open = extern "C" fn(*const libc::c_char, c_int, c_int) -> c_int;
    // SAFETY: a function that takes up to three words.
    let target = unsafe { std::mem::transmute::<*const (), Open>(found["open64"]) };
    let make = |original: Open| move |path, flags, mode| original(path, flags, mode);
    // SAFETY: the closure calls the original.
    patches.push(
        unsafe { midair::patch_closure(target, make) }
            .unwrap()
            .into_raw(),
    );
    patches
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
    // SAFETY: all threads have ended.
    let counted = unsafe { *COUNTED.0.get() };
    assert_eq!(counted, ADDED.load(Ordering::SeqCst), "a lock did not lock");
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
