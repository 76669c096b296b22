//! How long questions to a large file take. Run with
//! `MIDAIR_BIG=<file> cargo test -p midair --lib debug::tests::timing -- --ignored --nocapture`.

use std::path::PathBuf;
use std::time::Instant;

use crate::symbols::Image;
use crate::symbols::debug::reader::Reader;

#[test]
#[ignore = "prints times and checks nothing"]
fn print_times_for_a_large_file() {
    let file = std::env::var_os("MIDAIR_BIG").map(PathBuf::from);
    let file = file.unwrap_or_else(|| std::env::current_exe().unwrap());
    let image = Image::open(&file).unwrap();
    let size = image.headers().section(".debug_info").map_or(0, |s| s.size);
    let start = Instant::now();
    let reader = Reader::of(&image).unwrap();
    println!("{} bytes of entries: index {:?}", size, start.elapsed());
    println!(
        "{} damaged, {} split",
        reader.index.damaged, reader.index.split
    );
}
