//! Images with one function that answers a number, loaded, called and taken off.

use super::*;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

/// `mov eax, answer; ret`
#[cfg(target_arch = "x86_64")]
fn code(answer: u8) -> Vec<u8> {
    vec![0xb8, answer, 0, 0, 0, 0xc3]
}

/// `mov w0, #answer; ret`
#[cfg(target_arch = "aarch64")]
fn code(answer: u8) -> Vec<u8> {
    let words = [0x5280_0000 | u32::from(answer) << 5, 0xd65f_03c0];
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// How many pages an image has: what is read, code, what is written.
const PAGES: usize = 3;

/// An image for `at`, whose function is at its second page.
fn image(at: usize, answer: u8) -> Vec<u8> {
    let page = page_size();
    let mut file = vec![0; PAGES * page];
    let mut put = |place: usize, bytes: &[u8]| {
        file[place..place + bytes.len()].copy_from_slice(bytes);
    };
    let words =
        |words: &[u64]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    put(0, b"\x7fELF\x02\x01\x01");
    put(16, &3_u16.to_le_bytes()); // a shared library
    put(18, &MACHINE.to_le_bytes());
    put(20, &1_u32.to_le_bytes());
    put(32, &words(&[64])); // program headers
    for (place, value) in [(52, 64_u16), (54, 56), (56, 4)] {
        put(place, &value.to_le_bytes());
    }
    let (read, execute, write) = (PF_R, PF_R | PF_X, PF_R | PF_W);
    let dynamic = 2 * page;
    let segments = [
        (PT_LOAD, read, 0, page, page),
        (PT_LOAD, execute, page, page, page),
        (PT_LOAD, write, dynamic, page, page),
        (
            goblin::elf::program_header::PT_DYNAMIC,
            write,
            dynamic,
            96,
            8,
        ),
    ];
    for (number, (kind, rights, offset, len, align)) in segments.into_iter().enumerate() {
        let header = 64 + 56 * number;
        put(header, &kind.to_le_bytes());
        put(header + 4, &rights.to_le_bytes());
        let (offset, address, len) = (offset as u64, (at + offset) as u64, len as u64);
        let rest = [offset, address, address, len, len, align as u64];
        put(header + 8, &words(&rest));
    }
    // No symbols: a hash table of one bucket, an empty symbol, an empty name.
    let tables = 512;
    put(tables, &[1_u32, 1, 0, 0].map(u32::to_le_bytes).concat());
    let (hash, symbols, names) = (at + tables, at + tables + 16, at + tables + 40);
    let entries = [
        (4, hash),
        (6, symbols),
        (5, names),
        (10, 1),
        (11, 24),
        (0, 0),
    ];
    for (number, (tag, value)) in entries.into_iter().enumerate() {
        put(dynamic + 16 * number, &words(&[tag, value as u64]));
    }
    put(page, &code(answer));
    file
}

fn call(function: usize) -> u32 {
    // SAFETY: a function of an image that is loaded.
    let function: extern "C" fn() -> u32 = unsafe { std::mem::transmute(function) };
    function()
}

extern "C" fn built_in() -> u32 {
    std::hint::black_box(1)
}

/// One for all tests, which take turns: there is not room for many.
fn area() -> MutexGuard<'static, Area> {
    static AREA: OnceLock<Mutex<Area>> = OnceLock::new();
    let area = AREA.get_or_init(|| {
        let near = built_in as *const () as usize;
        Mutex::new(Area::new(near).unwrap())
    });
    area.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file of this test's.
fn file(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("midair-{}-{name}.so", std::process::id()))
}

#[test]
fn a_function_is_led_to_an_image_and_back() {
    let mut area = area();
    let len = PAGES * page_size();
    let at = area.room(len).unwrap();
    let path = file("led");
    std::fs::write(&path, image(at, 42)).unwrap();
    let loaded = load(&mut area, path.to_str().unwrap(), at, len).unwrap();
    if let Image::Unlisted(why) = &loaded {
        panic!("{why}");
    }
    let function = at + page_size();
    assert_eq!(call(function), 42);
    let target = built_in as extern "C" fn() -> u32;
    // SAFETY: both are functions of this type.
    let patch = unsafe { crate::patch_raw(target as *const (), |_| function as *const ()) };
    let patch = patch.unwrap();
    assert_eq!(std::hint::black_box(target)(), 42);
    drop(patch);
    assert_eq!(std::hint::black_box(target)(), 1);
    unload(&mut area, loaded, at, len);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn code_that_comes_after_other_code_is_what_is_executed() {
    let mut area = area();
    let len = PAGES * page_size();
    let at = area.room(len).unwrap();
    for answer in 1..20 {
        let path = file(&format!("after-{answer}"));
        std::fs::write(&path, image(at, answer)).unwrap();
        let loaded = load(&mut area, path.to_str().unwrap(), at, len).unwrap();
        assert_eq!(call(at + page_size()), answer.into());
        unload(&mut area, loaded, at, len);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn an_image_that_no_dynamic_linker_puts_there_is_mapped_by_hand() {
    let mut area = area();
    let len = PAGES * page_size();
    let at = area.room(len).unwrap();
    by_hand(&image(at, 7), at, len).unwrap();
    assert_eq!(call(at + page_size()), 7);
}

#[test]
fn an_image_whose_file_cannot_be_written_is_taken_off_again() {
    use std::os::fd::{AsRawFd, FromRawFd};
    let mut area = area();
    let len = PAGES * page_size();
    let at = area.room(len).unwrap();
    // SAFETY: makes a file of its own.
    let mut file = unsafe {
        let file = libc::memfd_create(c"sealed".as_ptr(), libc::MFD_ALLOW_SEALING);
        std::fs::File::from_raw_fd(file)
    };
    std::io::Write::write_all(&mut file, &image(at, 9)).unwrap();
    // SAFETY: takes no pointers.
    let sealed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_WRITE) };
    assert_eq!(sealed, 0);
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let failed = load(&mut area, &path, at, len);
    assert!(failed.is_err());
    assert_eq!(base_of(&CString::new(path).unwrap()), None);
    // The piece is there for the next one.
    area.vacate(at, len);
    area.occupy(at, len).unwrap();
}
