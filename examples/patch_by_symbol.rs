//! Patches `crc32` of the system's zlib by its name, while threads use it.
//!
//! `cargo run --release --example patch_by_symbol`
//!
//! Threads compress and check the same text in a loop. Meanwhile `crc32` is
//! replaced by a function that counts and calls the original; then the patch is
//! taken off, and every result of the whole run must have been the same.

use libloading::Library;
use std::error::Error;
use std::ffi::{c_int, c_uint, c_ulong};
use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const THREADS: usize = 4;

type Crc32 = unsafe extern "C" fn(c_ulong, *const u8, c_uint) -> c_ulong;
type Compress2 = unsafe extern "C" fn(*mut u8, *mut c_ulong, *const u8, c_ulong, c_int) -> c_int;

static ORIGINAL: OnceLock<Crc32> = OnceLock::new();
static CALLS_OF_REPLACEMENT: AtomicU64 = AtomicU64::new(0);

/// What `crc32` is replaced by.
unsafe extern "C" fn counting_crc32(crc: c_ulong, bytes: *const u8, len: c_uint) -> c_ulong {
    CALLS_OF_REPLACEMENT.fetch_add(1, Ordering::Relaxed);
    match ORIGINAL.get() {
        // SAFETY: the arguments are the caller's.
        Some(original) => unsafe { original(crc, bytes, len) },
        None => 0,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (zlib, module) = load()?;
    // SAFETY: the signatures are zlib's.
    let (crc32, compress2) = unsafe {
        (
            *zlib.get::<Crc32>(b"crc32\0")?,
            *zlib.get::<Compress2>(b"compress2\0")?,
        )
    };
    let name = format!("{module}::crc32");
    let symbol = midair::symbol(&name)?;
    println!("found      {symbol}");

    let text: Vec<u8> = (0..20_000u32)
        .flat_map(|n| n.to_string().into_bytes())
        .collect();
    let expected = work(crc32, compress2, &text);
    let stop = AtomicBool::new(false);
    let rounds = AtomicU64::new(0);
    let wrong = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        if work(crc32, compress2, &text) != expected {
                            wrong.fetch_add(1, Ordering::Relaxed);
                        }
                        rounds.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let shown = run(&name, symbol.address, crc32, &rounds);
        stop.store(true, Ordering::Relaxed);
        for worker in workers {
            worker.join().map_err(|_| "a worker panicked")?;
        }
        shown
    })?;
    let (rounds, wrong) = (rounds.into_inner(), wrong.into_inner());
    if wrong > 0 {
        return Err(format!("{wrong} of {rounds} results differ").into());
    }
    println!("proof      all {rounds} results of the run were byte-identical");
    Ok(())
}

/// The system's zlib, or the copy that is built from the registry's source.
fn load() -> Result<(Library, String), Box<dyn Error>> {
    // SAFETY: zlib runs nothing when it is loaded.
    if let Ok(library) = unsafe { Library::new("libz.so.1") } {
        println!("loaded     the system's libz.so.1");
        return Ok((library, String::from("libz.so.1")));
    }
    let path = midair_libraries::zlib();
    println!(
        "loaded     {} (built from source: the system has none)",
        path.display()
    );
    // SAFETY: as above.
    let library = unsafe { Library::new(path) }?;
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
    Ok((library, name.ok_or("the library has no name")?))
}

/// What a worker does once: the compressed text and its checksum.
fn work(crc32: Crc32, compress2: Compress2, text: &[u8]) -> (Vec<u8>, c_ulong) {
    let mut out = vec![0; text.len() + text.len() / 100 + 64];
    let mut len = out.len() as c_ulong;
    // SAFETY: both buffers are as long as is said.
    let status = unsafe {
        compress2(
            out.as_mut_ptr(),
            &mut len,
            text.as_ptr(),
            text.len() as c_ulong,
            1,
        )
    };
    assert_eq!(status, 0, "compress2");
    out.truncate(len as usize);
    // SAFETY: the buffer is as long as is said.
    let sum = unsafe { crc32(0, out.as_ptr(), out.len() as c_uint) };
    (out, sum)
}

/// The show: before, patched, taken off.
fn run(
    name: &str,
    address: *const (),
    crc32: Crc32,
    rounds: &AtomicU64,
) -> Result<(), Box<dyn Error>> {
    println!("{}", midair::can_patch(address)?);
    show_prologue("before", address);
    watch("unpatched", rounds);

    let start = Instant::now();
    // The original must be known before the first call arrives.
    // SAFETY: the replacement has crc32's signature and gives its results.
    let patch = unsafe {
        midair::patch_raw(midair::symbol(name)?.address, |original| {
            ORIGINAL.get_or_init(|| std::mem::transmute::<*const (), Crc32>(original));
            counting_crc32 as Crc32 as *const ()
        })
    }?;
    println!(
        "patched    in {:?}, while {THREADS} threads run",
        start.elapsed()
    );
    show_prologue("after", address);
    watch("patched", rounds);

    let text = b"123456789";
    // SAFETY: nine bytes; the original has crc32's signature.
    let (patched, original) = unsafe {
        let original = std::mem::transmute::<*const (), Crc32>(patch.original());
        (crc32(0, text.as_ptr(), 9), original(0, text.as_ptr(), 9))
    };
    println!("original   crc32(\"123456789\") = {original:x}, through the patch {patched:x}");

    patch.remove()?;
    let calls = CALLS_OF_REPLACEMENT.load(Ordering::Relaxed);
    println!("taken off  the replacement saw {calls} calls");
    show_prologue("restored", address);
    watch("unpatched", rounds);
    let after = CALLS_OF_REPLACEMENT.load(Ordering::Relaxed);
    if calls == 0 || after > calls + THREADS as u64 {
        return Err(format!("the replacement saw {calls} calls, {after} in the end").into());
    }
    Ok(())
}

/// Shows the first instructions; of a patched function only the jump, since
/// what is left of the instruction behind it is never executed.
fn show_prologue(when: &str, address: *const ()) {
    // SAFETY: the first bytes of a function that is longer.
    let bytes = unsafe { std::slice::from_raw_parts(address.cast::<u8>(), 16) };
    println!("{when}:");
    let shown = if when == "after" { 1 } else { 4 };
    for line in midair::disassemble(bytes, address as u64)
        .iter()
        .take(shown)
    {
        println!("  {line}");
    }
    if when == "after" {
        println!("  that is the gate, which leads to the replacement");
    }
}

/// Shows for a while how fast the workers are.
fn watch(state: &str, rounds: &AtomicU64) {
    let live = std::io::stdout().is_terminal();
    let (from, start) = (rounds.load(Ordering::Relaxed), Instant::now());
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(100));
        let rate = (rounds.load(Ordering::Relaxed) - from) as f64 / start.elapsed().as_secs_f64();
        if live {
            print!("\r{state:<10} {rate:8.0} compressions a second");
            let _ = std::io::stdout().flush();
        }
    }
    let rate = (rounds.load(Ordering::Relaxed) - from) as f64 / start.elapsed().as_secs_f64();
    println!(
        "{}{state:<10} {rate:8.0} compressions a second",
        if live { "\r" } else { "" }
    );
}
