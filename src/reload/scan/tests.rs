//! A pointer into an image is found wherever it is.

use super::*;

/// Bytes of what stands for an image.
const LEN: usize = 1 << 16;

#[cfg(target_arch = "x86_64")]
fn mangled(word: usize) -> usize {
    (word ^ pointer_guard().unwrap()).rotate_left(17)
}

#[cfg(target_arch = "aarch64")]
fn mangled(word: usize) -> usize {
    word ^ pointer_guard().unwrap()
}

/// Bytes of what is searched.
const MEMORY: usize = 16 * CHUNK;
/// It is not known whether anybody has one.
const NOBODY_KNOWS: i32 = 3;

/// What a search finds in a process of its own where `keep` has put something into
/// memory that is searched: nothing (0), somebody (1), or a signal's handler (2). It is
/// given the place of that memory and an address in the image.
fn found(sharing: libc::c_int, keep: fn(usize, usize)) -> i32 {
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    let image = map_anywhere(LEN, rights).unwrap();
    let flags = sharing | libc::MAP_ANONYMOUS;
    // SAFETY: new memory, wherever there is room.
    let place = unsafe { libc::mmap(std::ptr::null_mut(), MEMORY, rights, flags, -1, 0) };
    assert_ne!(place, libc::MAP_FAILED);
    let place = place as usize;
    // SAFETY: the child does what one with a single thread may, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        keep(place, image + LEN / 2);
        // Of what this test itself keeps nothing counts.
        let others = mappings().unwrap().into_iter().map(|mapping| {
            let more = if mapping.name == "[heap]" { LEN } else { 0 };
            mapping.range.start..mapping.range.end + more
        });
        let others: Vec<_> = others.filter(|range| !range.contains(&place)).collect();
        let all = image..image + LEN;
        let wanted = Wanted {
            parts: vec![all.clone()],
            all,
        };
        let code = match search(&[wanted], &others) {
            Ok(Searched { holders, doubt }) => match (&holders[0], doubt) {
                (Some(Holder::Signal { .. }), _) => 2,
                (Some(_), _) => 1,
                (None, None) => 0,
                (None, Some(_)) => NOBODY_KNOWS,
            },
            Err(_) => 4,
        };
        // SAFETY: ends the child without its parent's destructors.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: waits for the child.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    unmap(image, LEN);
    unmap(place, MEMORY);
    assert!(libc::WIFEXITED(status), "{status:#x}");
    libc::WEXITSTATUS(status)
}

fn put(at: usize, word: usize) {
    // SAFETY: in the memory that the caller has for this.
    unsafe { (at as *mut usize).write_unaligned(word) };
}

#[test]
fn a_pointer_is_found_wherever_it_is_and_in_each_form() {
    let private = libc::MAP_PRIVATE;
    assert_eq!(found(private, |place, _| put(place, 7)), 0, "nothing");
    assert_eq!(found(private, |place, to| put(place + 64, to)), 1, "plain");
    assert_eq!(found(private, |place, to| put(place + 61, to)), 1, "packed");
    let between = |place, to| {
        // What nobody has written to is not read.
        (0..2 * CHUNK).step_by(64).for_each(|at| put(place + at, 7));
        put(place + CHUNK - 3, to);
    };
    assert_eq!(
        found(private, between),
        1,
        "where one stretch is read after another"
    );
    let hidden = |place, to| put(place + 8, mangled(to));
    assert_eq!(found(private, hidden), 1, "as glibc keeps it");
    let shared = libc::MAP_SHARED;
    assert_eq!(found(shared, put), 1, "shared memory");
    let handled = |_, to| {
        // SAFETY: nobody sends the signal.
        unsafe { libc::signal(libc::SIGUSR1, to) };
    };
    assert_eq!(found(private, handled), 2, "a handler of a signal");
    let waits = |_, to| {
        let mut ends = [0; 2];
        // SAFETY: there is room for two descriptors.
        assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
        // SAFETY: nothing is ever read, as nobody writes.
        std::thread::spawn(move || unsafe { libc::read(ends[0], to as *mut _, 1) });
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let begun = std::time::Instant::now();
    let mut who = NOBODY_KNOWS;
    while who == NOBODY_KNOWS && begun.elapsed().as_secs() < 30 {
        // Else it did not wait yet.
        who = found(private, waits);
    }
    assert_eq!(who, 1, "an argument of a system call");
    // It sleeps whenever it is looked at, or nearly so, and runs while all of this is read.
    let runs = |place, _| {
        (0..MEMORY).step_by(512).for_each(|at| put(place + at, 7));
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
        });
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    for _ in 0..5 {
        assert_eq!(found(private, runs), NOBODY_KNOWS, "a thread has run");
    }
    // The end is no part of it.
    assert_eq!(
        found(private, |place, to| put(place, to + LEN / 2)),
        0,
        "behind it"
    );
}
