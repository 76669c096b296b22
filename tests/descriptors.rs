//! A program that closes all descriptors, as daemons do, and opens its own.

use std::hint::black_box;
use std::io::{Seek, Write};

type Number = fn(u32) -> u32;

#[inline(never)]
fn target(n: u32) -> u32 {
    black_box(black_box(n) * 3)
}

/// Never patched before the descriptors are closed: its copy is still to be
/// written.
#[inline(never)]
fn fresh(n: u32) -> u32 {
    black_box(black_box(n) * 7)
}

fn double(n: u32) -> u32 {
    n * 2
}

#[test]
fn files_that_got_midairs_descriptors_are_not_written_to() {
    let patch = |target: Number| {
        // SAFETY: both functions have one type, and nobody relies on them.
        unsafe { midair::patch(target, double as Number) }.unwrap()
    };
    drop(patch(target)); // midair has its descriptors now
    // Other file systems refuse to write as far out as code lies; this one
    // would take it.
    let memory = std::path::Path::new("/dev/shm");
    let folder = memory.join(format!("midair-fds-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    // SAFETY: nothing in this test uses a descriptor above stderr.
    assert_eq!(unsafe { libc::close_range(3, !0, 0) }, 0);
    let mut files: Vec<_> = (0..8)
        .map(|n| std::fs::File::create(folder.join(n.to_string())).unwrap())
        .collect();
    for _ in 0..3 {
        let patches = [patch(target), patch(fresh)];
        assert_eq!((target(5), fresh(5)), (10, 10));
        assert_eq!(patches[1].original()(5), 35);
        drop(patches);
        assert_eq!((target(5), fresh(5)), (15, 35));
    }
    for (n, file) in files.iter_mut().enumerate() {
        assert_eq!(file.metadata().unwrap().len(), 0, "file {n} was written to");
        // They are still open, and their owner's.
        file.write_all(b"mine").unwrap();
        assert_eq!(file.stream_position().unwrap(), 4);
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
