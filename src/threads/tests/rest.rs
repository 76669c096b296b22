//! A rest is one in which nobody runs.

use super::thread_that;
use crate::threads::rest::Rest;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn threads_that_begin_and_end_during_a_rest_are_noticed() {
    let end = Arc::new(AtomicBool::new(false));
    let turns = Arc::new(AtomicU64::new(0));
    // As a server does that has a thread for each request.
    let pause = Arc::new(AtomicU64::new(2));
    let (told_end, told_turns) = (Arc::clone(&end), Arc::clone(&turns));
    let told_pause = Arc::clone(&pause);
    let (_, server) = thread_that(move || {
        while !told_end.load(Ordering::SeqCst) {
            let turns = Arc::clone(&told_turns);
            thread::spawn(move || {
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_micros(300) {
                    turns.fetch_add(1, Ordering::SeqCst);
                }
            });
            thread::sleep(Duration::from_millis(told_pause.load(Ordering::SeqCst)));
        }
    });
    let begun = Instant::now();
    let mut since = begun;
    let (mut rests, mut wrong) = (0, 0);
    // Other tests run beside this one, so there may be none for a while.
    while rests < 200 && begun.elapsed() < Duration::from_secs(60) {
        // Where all is slow, as in an emulator, nobody rests for so short a time.
        if rests == 0 && since.elapsed() > Duration::from_secs(2) {
            pause.fetch_add(pause.load(Ordering::SeqCst), Ordering::SeqCst);
            since = Instant::now();
        }
        let Ok(rest) = Rest::begin().unwrap() else {
            continue;
        };
        let before = turns.load(Ordering::SeqCst);
        thread::sleep(Duration::from_micros(700));
        let after = turns.load(Ordering::SeqCst);
        if rest.lasted().unwrap().is_ok() {
            rests += 1;
            wrong += u64::from(before != after);
        }
    }
    end.store(true, Ordering::SeqCst);
    server.join().unwrap();
    println!("{rests} rests");
    assert_eq!(wrong, 0, "of {rests} rests somebody ran in so many");
    assert!(rests > 0);
}
