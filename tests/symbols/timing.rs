//! How long things take on a large file. Run with
//! `cargo test --release --test symbols timing -- --ignored --nocapture`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use midair::symbols::{Image, file_symbols};

fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = run();
    (result, start.elapsed())
}

#[test]
#[ignore = "prints times and checks nothing"]
fn print_times_for_the_compiler() {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .unwrap();
    let lib = Path::new(String::from_utf8(output.stdout).unwrap().trim()).join("lib");
    let files = std::fs::read_dir(lib)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let driver = files
        .into_iter()
        .find(|path| path.to_string_lossy().contains("librustc_driver-"));
    let driver = driver.unwrap();
    for run in ["first", "second", "third"] {
        let (image, open) = timed(|| Image::open(&driver).unwrap());
        let (functions, index) = timed(|| image.functions().len());
        println!("{run}: open {open:?}, {functions} functions {index:?}");
        for query in [
            "rustc_driver_impl::main",
            "rustc_driver_impl::main",
            "rustc_parse::*parse_expr*",
            "*::{closure#0}",
            "*",
            "rustc_driver_impl::mian",
        ] {
            let (found, time) = timed(|| file_symbols(&image, query));
            let found = found.map_or(0, |found| found.len());
            println!("  {query}: {found} found in {time:?}");
        }
    }
}
