//! Closures that count, before the functions that midair itself needs most.

use midair::RawPatch;
use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

/// How often any of them was called.
pub(crate) static SEEN: AtomicU64 = AtomicU64::new(0);

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

/// Puts them on.
pub(crate) fn closures(found: &BTreeMap<String, *const ()>) -> Vec<RawPatch> {
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
