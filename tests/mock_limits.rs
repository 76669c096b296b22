//! Mocks in great numbers, at once and one after the other. Alone in its process,
//! as functions behind the 256th that is mocked have no cell.

use midair::mock;
use std::hint::black_box;
use std::sync::{Barrier, Mutex};
use std::time::Duration;

/// One test at a time: the other one's memory is not to be seen.
static TURN: Mutex<()> = Mutex::new(());

#[inline(never)]
fn nth<const N: usize>() -> usize {
    black_box(N)
}

/// Functions behind the 256th have no cell: they are slower, and nothing else.
#[test]
fn more_functions_than_there_are_cells() {
    fn mocked<const N: usize>() -> midair::mock::Mock {
        let mock = mock!(nth::<N>).returns(N + 1000);
        assert_eq!(nth::<N>(), N + 1000);
        mock
    }
    macro_rules! each {
        ($($n:literal)*) => {
            [$((mocked::<{ $n }> as fn() -> _, nth::<{ $n }> as fn() -> usize),
               (mocked::<{ $n + 100 }>, nth::<{ $n + 100 }>),
               (mocked::<{ $n + 200 }>, nth::<{ $n + 200 }>)),*]
        };
    }
    let all = each!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28
        29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58
        59 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79 80 81 82 83 84 85 86 87 88
        89 90 91 92 93 94 95 96 97 98 99);
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let (send, wait) = std::sync::mpsc::channel::<()>();
    let outside = std::thread::spawn(move || {
        wait.recv().unwrap();
        all.iter().all(|(_, nth)| nth() < 1000 && nth() < 1000)
    });
    let mocks: Vec<_> = all.iter().map(|(mock, _)| mock()).collect();
    assert!(all.iter().all(|(_, nth)| nth() >= 1000));
    send.send(()).unwrap();
    assert!(outside.join().unwrap());
    drop(mocks);
    assert!(all.iter().all(|(_, nth)| nth() < 1000));
}

#[inline(never)]
fn price(of: &str) -> usize {
    black_box(of).len()
}

/// In kB, by the kernel.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.unwrap().split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}

/// `MIDAIR_CYCLES=100000 cargo test --release --test mock_limits -- --nocapture`
#[test]
fn memory_is_flat_over_many_mocks() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let default = if cfg!(debug_assertions) {
        10_000
    } else {
        100_000
    };
    let cycles = std::env::var("MIDAIR_CYCLES").map_or(default, |n| n.parse().unwrap());
    let cycle = |n: usize| {
        let captured = vec![n; 100];
        let first = mock!(price => move |of| captured[50] + of.len());
        let second = mock!(price)
            .when(move |&(of,)| of.len() == n % 7)
            .returns(n);
        assert_eq!(price("tea"), if n % 7 == 3 { n } else { n + 3 });
        // Both ways round.
        if n.is_multiple_of(2) {
            drop(first);
        } else {
            drop(second);
        }
        if n.is_multiple_of(100) {
            // Threads come and go, in the scope and outside of it.
            let mock = mock!(price).returns(n);
            assert_eq!(std::thread::spawn(|| price("")).join().unwrap(), n);
            drop(mock);
            std::thread::spawn(|| price("")).join().unwrap();
        }
    };
    (0..cycles / 10).for_each(cycle);
    let (before, stats) = (resident(), midair::stats());
    (0..cycles).for_each(cycle);
    let after = resident();
    println!("{cycles} cycles: {before} kB, then {after} kB; {stats:?}");
    assert_eq!(midair::stats(), stats);
    assert!(after <= before + 256, "{before} kB, then {after} kB");
    assert_eq!(price("tea"), 3);
}

/// What the process has used of the processors.
fn processor() -> Duration {
    // SAFETY: plain data, which the kernel writes.
    let time = unsafe {
        let mut time = std::mem::zeroed::<libc::timespec>();
        assert_eq!(
            libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time),
            0
        );
        time
    };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The debug information is asked about a function once, also when a whole suite
/// begins with it.
#[test]
fn tests_that_begin_at_once_do_not_each_ask_about_the_same_function() {
    fn first<const N: usize>(tests: usize) -> Duration {
        let begin = Barrier::new(tests);
        let before = processor();
        std::thread::scope(|scope| {
            for number in 0..tests {
                let begin = &begin;
                scope.spawn(move || {
                    begin.wait();
                    let _mock = mock!(nth::<N>).returns(number);
                    assert_eq!(nth::<N>(), number);
                });
            }
        });
        processor() - before
    }
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    // The file is read.
    first::<2000>(1);
    let alone = first::<2001>(1);
    let all = first::<2002>(64);
    let again = first::<2002>(64);
    println!("one test {alone:?}, 64 tests {all:?}, and once more {again:?}");
    assert!(all < again + alone * 16, "{alone:?} {all:?} {again:?}");
}
