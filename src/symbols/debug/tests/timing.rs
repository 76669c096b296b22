//! How long questions to a large file take. Run with
//! `MIDAIR_BIG=<file> cargo test -p midair --lib debug::tests::timing -- --ignored --nocapture`.

use std::path::PathBuf;
use std::time::Instant;

use crate::symbols::debug::inlined::{Wanted, in_image};
use crate::symbols::debug::reader::Reader;
use crate::symbols::debug::{copies, inlined};
use crate::symbols::{Image, Slide, file_symbols};

#[test]
#[ignore = "prints times and checks nothing"]
fn print_times_for_this_process() {
    let function = std::fs::read_to_string::<&str> as fn(&'static str) -> std::io::Result<String>;
    let address = function as *const () as usize;
    for _ in 0..3 {
        let start = Instant::now();
        let copies = copies(address).unwrap();
        let for_copies = start.elapsed();
        let into = inlined(address).unwrap();
        println!("{} copies in {for_copies:?}", copies.same.len());
        println!(
            "{} places, with that {:?}",
            into.places.len(),
            start.elapsed()
        );
        println!("not known: {:?}", into.unknown);
    }
}

/// What all threads of the process have worked; walls depend on the neighbours.
fn worked() -> std::time::Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: it writes to its argument alone.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    std::time::Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
#[ignore = "prints times and checks nothing"]
fn print_times_for_a_large_file() {
    let file = std::env::var_os("MIDAIR_BIG").map(PathBuf::from);
    let file = file.unwrap_or_else(|| std::env::current_exe().unwrap());
    let image = Image::open(&file).unwrap();
    let size = image.headers().section(".debug_info").map_or(0, |s| s.size);
    let (start, before) = (Instant::now(), worked());
    let reader = Reader::of(&image).unwrap();
    println!(
        "{size} bytes of entries: index {:?}, {:?} of work",
        start.elapsed(),
        worked() - before
    );
    let start = Instant::now();
    let undescribed = reader.undescribed();
    println!("not described: {undescribed:?} in {:?}", start.elapsed());
    for query in [
        "*::{closure#0}",
        "core::option::Option::map",
        "*::new",
        "*drop_in_place*",
    ] {
        let Ok(found) = file_symbols(&image, query) else {
            continue;
        };
        for (number, one) in found.iter().step_by(found.len().div_ceil(3)).enumerate() {
            let start = Instant::now();
            let wanted = Wanted::in_file(&image, one.address);
            let (places, _) = in_image(&image, Slide::default(), &wanted).unwrap();
            println!(
                "{number} {}: {} places in {:?}",
                one.name,
                places.len(),
                start.elapsed()
            );
        }
    }
    println!(
        "{} damaged, {} split",
        reader.index.damaged, reader.index.split
    );
}
