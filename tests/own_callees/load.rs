//! Threads that use what midair uses, and check what comes back.

use std::cell::UnsafeCell;
use std::hint::black_box;
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const THREADS: u64 = 8;

#[inline(never)]
pub(crate) fn hammered(a: u64, b: u64) -> u64 {
    let mut sum = black_box(a);
    for i in 0..black_box(b & 3) {
        sum = black_box(sum ^ i).rotate_left(7);
    }
    sum.wrapping_add(black_box(b))
}

pub(crate) type Pair = fn(u64, u64) -> u64;

pub(crate) fn model(a: u64, b: u64) -> u64 {
    (0..b & 3)
        .fold(a, |sum, i| (sum ^ i).rotate_left(7))
        .wrapping_add(b)
}

pub(crate) fn inverted(a: u64, b: u64) -> u64 {
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
pub(crate) fn under_load<R>(work: impl FnOnce() -> R) -> R {
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

/// Call this when all threads have ended.
pub(crate) fn check_that_locks_lock() {
    // SAFETY: all threads have ended.
    let counted = unsafe { *COUNTED.0.get() };
    assert_eq!(counted, ADDED.load(Ordering::SeqCst), "a lock did not lock");
}
