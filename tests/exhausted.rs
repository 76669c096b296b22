//! No memory to be had near the function.
#![cfg(target_arch = "x86_64")]

use midair::Strategy;
use std::ptr;

const CODE: usize = 0x1000_0000_0000;
const REACH: usize = 0x9000_0000;

fn map(at: usize, len: usize, rights: i32) {
    let flags =
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: replaces nothing.
    let got = unsafe { libc::mmap(at as *mut _, len, rights, flags, -1, 0) };
    assert_eq!(got as usize, at, "{}", std::io::Error::last_os_error());
}

#[test]
fn where_no_memory_is_in_reach_the_function_is_left_by_a_breakpoint() {
    map(
        CODE,
        4096,
        libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
    );
    map(CODE - REACH, REACH, libc::PROT_NONE);
    map(CODE + 4096, REACH, libc::PROT_NONE);
    // lea rax,[rdi+rdi*2]; add rax,[rip+8]; ret; nops; 100
    let code = [
        0x48, 0x8d, 0x04, 0x7f, 0x48, 0x03, 0x05, 0x05, 0, 0, 0, 0xc3, 0x90, 0x90, 0x90, 0x90, 100,
        0, 0, 0, 0, 0, 0, 0,
    ];
    // SAFETY: the page was mapped just now.
    unsafe { ptr::copy_nonoverlapping(code.as_ptr(), CODE as *mut u8, code.len()) };
    // SAFETY: the code takes a number and returns one.
    let call = unsafe { std::mem::transmute::<usize, extern "C" fn(u64) -> u64>(CODE) };
    assert_eq!(call(5), 115);

    let plan = midair::can_patch(CODE as *const ()).unwrap();
    assert_eq!(plan.strategy, Strategy::Breakpoint);
    let why = plan
        .passed_over
        .iter()
        .find(|(strategy, _)| *strategy == Strategy::Jump);
    let (_, refusal) = why.expect("a jump would fit but for the memory");
    assert_eq!(refusal.reason, midair::Reason::NoMemoryInReach);

    extern "C" fn minus(n: u64) -> u64 {
        n - 1
    }
    // SAFETY: one number in, one out.
    let patch = unsafe { midair::patch(call, minus as extern "C" fn(u64) -> u64) }.unwrap();
    assert_eq!(call(5), 4);
    assert_eq!(patch.original()(5), 115);
    patch.disable().unwrap();
    assert_eq!(call(5), 115);
    drop(patch);
    assert_eq!(call(5), 115);
}
