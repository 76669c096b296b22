//! Whatever is passed for a function: a clear error, and nothing is written.
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "every replacement has the type of its target, and nobody relies on that"
)]

use midair::{Error, Reason};
use midair_libraries::zlib;
use std::hint::black_box;
use std::path::Path;

#[inline(never)]
fn victim(n: u32) -> u32 {
    black_box(black_box(n) + 1)
}

fn other(n: u32) -> u32 {
    n + 2
}

type Number = fn(u32) -> u32;

/// Refused by the patch and by the dry run alike.
fn reason(target: *const ()) -> Reason {
    // SAFETY: a pass-through, of what is no function.
    let refusal = match unsafe { midair::patch_raw(target, |original| original) } {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("{target:p}: {other:?}"),
    };
    let planned = midair::can_patch(target).expect_err("the dry run agrees");
    assert_eq!(planned.reason, refusal.reason);
    let text = refusal.to_string();
    assert!(
        text.starts_with("cannot patch") && text.contains("; "),
        "{text}"
    );
    refusal.reason
}

#[test]
fn null_and_unmapped_addresses_are_refused() {
    assert_eq!(reason(std::ptr::null()), Reason::NotMapped);
    assert_eq!(reason(8 as *const ()), Reason::NotMapped);
    assert_eq!(reason(0x7000_dead_0000 as *const ()), Reason::NotMapped);
    assert_eq!(reason(usize::MAX as *const ()), Reason::NotMapped);
}

#[test]
fn data_stack_and_heap_are_refused() {
    static DATA: [u64; 4] = [0; 4];
    let local = 0_u64;
    let boxed = Box::new(0_u64);
    for data in [DATA.as_ptr(), &raw const local, &raw const *boxed] {
        assert_eq!(reason(data.cast()), Reason::NotCode);
    }
}

#[test]
fn the_middle_of_a_function_is_refused_and_its_start_is_named() {
    let start = victim as Number as usize;
    for offset in [1, 2, 3] {
        match reason((start + offset) as *const ()) {
            Reason::InsideFunction { start: told } => assert_eq!(told.get(), start as u64),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_replacement_that_is_null_or_the_target_itself_is_refused() {
    let target = victim as Number as *const ();
    for replacement in [std::ptr::null(), target] {
        let error = unsafe { midair::patch_raw(target, |_| replacement) }.unwrap_err();
        assert!(matches!(error, Error::BadReplacement { .. }), "{error}");
        assert_eq!(victim(1), 2);
    }
    let patch = unsafe { midair::patch(victim as Number, other) }.unwrap();
    let error = patch.retarget(victim).unwrap_err();
    assert!(matches!(error, Error::BadReplacement { .. }), "{error}");
    assert_eq!(victim(1), 3);
}

#[test]
fn a_missing_symbol_is_answered_with_the_nearest_names() {
    let error = unsafe { midair::patch_symbol("bad_input::victm", other as Number) }.unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, Error::Symbol(midair::SymbolError::NotFound { .. })),
        "{text}"
    );
    assert!(text.contains("bad_input::victm"), "{text}");
}

#[test]
fn an_ambiguous_symbol_is_answered_with_the_candidates() {
    #[inline(never)]
    fn twice<T: Copy + Into<u64>>(n: T) -> u64 {
        black_box(n).into() * 2
    }
    assert_eq!(black_box(twice(2_u8) + twice(3_u16)), 10);
    let name = "bad_input::an_ambiguous_symbol_is_answered_with_the_candidates::twice";
    match midair::symbol(name) {
        Err(midair::SymbolError::Ambiguous { candidates, .. }) => {
            assert_eq!(candidates.len(), 2);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_module_that_was_unloaded_takes_its_patches_with_it() {
    // A copy of its own, so that no other test has it loaded.
    let folder = std::env::temp_dir().join(format!("midair-unload-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let copy = folder.join("libunloaded.so");
    std::fs::copy(zlib(), &copy).unwrap();
    // SAFETY: zlib runs nothing when it is loaded and unloaded.
    let library = unsafe { libloading::Library::new(&copy) }.unwrap();
    let symbol = midair::symbol("libunloaded.so::adler32").unwrap();
    // SAFETY: a pass-through.
    let patch = unsafe { midair::patch_raw(symbol.address, |original| original) }.unwrap();
    library.close().unwrap();
    assert!(!is_loaded(&copy));
    let error = patch.enable().unwrap_err();
    assert!(matches!(error, Error::Unloaded { .. }), "{error}");
    assert!(!patch.is_enabled());
    drop(patch); // writes nothing to what is unmapped
    assert_eq!(reason(symbol.address), Reason::NotMapped);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_module_loaded_anew_at_its_old_address_is_patched_anew() {
    let folder = std::env::temp_dir().join(format!("midair-reload-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let copy = folder.join("libreloaded.so");
    std::fs::copy(zlib(), &copy).unwrap();
    type Adler = unsafe extern "C" fn(u64, *const u8, u32) -> u64;
    unsafe extern "C" fn nine(_: u64, _: *const u8, _: u32) -> u64 {
        9
    }
    for round in 0..5 {
        // SAFETY: zlib runs nothing when it is loaded and unloaded.
        let library = unsafe { libloading::Library::new(&copy) }.unwrap();
        // SAFETY: the signature is zlib's.
        let adler = unsafe { *library.get::<Adler>(b"adler32\0").unwrap() };
        assert_eq!(
            unsafe { adler(1, b"a".as_ptr(), 1) },
            0x62_0062,
            "round {round}"
        );
        let patch = unsafe { midair::patch(adler, nine as Adler) }.unwrap();
        assert_eq!(unsafe { adler(1, b"a".as_ptr(), 1) }, 9, "round {round}");
        // Unloaded with its patch on; then loaded again, mostly where it was.
        library.close().unwrap();
        drop(patch);
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

fn is_loaded(path: &Path) -> bool {
    let modules = midair::symbols::modules().unwrap();
    modules.iter().any(|module| module.path() == path)
}

#[cfg(target_arch = "x86_64")] // the other engine knows no other machine
#[test]
fn code_that_someone_else_has_changed_is_refused() {
    #[inline(never)]
    fn foreign(n: u32) -> u32 {
        black_box(black_box(n) * 5)
    }
    let target = foreign as Number as *const ();
    let hook = unsafe { detour::RawDetour::new(target, other as Number as *const ()) }.unwrap();
    unsafe { hook.enable() }.unwrap();
    assert!(matches!(reason(target), Reason::Modified { .. }));
    unsafe { hook.disable() }.unwrap();
    assert!(midair::can_patch(target).is_ok());
}

#[cfg(target_arch = "x86_64")] // its bytes are of that machine
#[test]
fn a_breakpoint_of_a_debugger_is_refused() {
    let code = code_page(&[0xcc, 0x48, 0x89, 0xf8, 0xc3]); // int3; mov rax,rdi; ret
    assert_eq!(reason(code), Reason::ForeignBreakpoint);
}

#[cfg(target_arch = "x86_64")] // its bytes are of that machine
#[test]
fn bytes_that_are_no_code_are_refused() {
    assert_eq!(
        reason(code_page(&[0x06, 0x06, 0x06])),
        Reason::InvalidInstruction
    );
}

#[cfg(target_arch = "x86_64")] // its bytes are of that machine
#[test]
fn the_last_bytes_of_a_mapping_are_not_overrun() {
    // `mov eax, 7; ret` in the last six bytes, `xor eax,eax; ret` in the last three.
    for (code, result) in [
        (&[0xb8, 7, 0, 0, 0, 0xc3][..], 7),
        (&[0x31, 0xc0, 0xc3][..], 0),
    ] {
        let at = code_at_end_of_page(code);
        // SAFETY: the code takes nothing and returns a number.
        let call = unsafe { std::mem::transmute::<*const (), extern "C" fn() -> u32>(at) };
        assert_eq!(call(), result);
        // SAFETY: a pass-through.
        let patch = unsafe { midair::patch_raw(at, |original| original) }.unwrap();
        assert_eq!(call(), result);
        drop(patch);
        assert_eq!(call(), result);
    }
    assert_eq!(
        reason(code_at_end_of_page(&[0x48, 0x89])),
        Reason::Truncated
    );
}

/// Fresh executable memory with `code` at its start.
#[cfg(target_arch = "x86_64")]
fn code_page(code: &[u8]) -> *const () {
    place(code, 0)
}

#[cfg(target_arch = "x86_64")]
fn code_at_end_of_page(code: &[u8]) -> *const () {
    place(code, 4096 - code.len())
}

#[cfg(target_arch = "x86_64")]
fn place(code: &[u8], offset: usize) -> *const () {
    // SAFETY: two fresh pages, of which the second is taken away again.
    unsafe {
        let rights = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let at = libc::mmap(std::ptr::null_mut(), 8192, rights, flags, -1, 0);
        assert_ne!(at, libc::MAP_FAILED);
        libc::mprotect(at.byte_add(4096), 4096, libc::PROT_NONE);
        let start = at.cast::<u8>().add(offset);
        std::ptr::copy_nonoverlapping(code.as_ptr(), start, code.len());
        start.cast_const().cast()
    }
}

#[cfg(target_arch = "x86_64")] // the compiler does not run on the emulated machine
#[test]
fn a_replacement_of_another_type_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
