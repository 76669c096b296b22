//! Threads that run: asked by a signal.

use super::{functions_on, look_at, look_for, tables, thread_that, view_of, wait_until, walk};
use crate::threads::frames::End;
use crate::threads::look::{Outcome, Patience, Why, sweep, unblock_traps};
use crate::threads::registers::COUNT;
use crate::threads::tasks;
use crate::threads::view::Seen;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Runs until it is told to stop.
#[inline(never)]
fn spin(stop: &AtomicBool) -> u64 {
    let mut turns = 0u64;
    while !stop.load(Ordering::Relaxed) {
        turns = black_box(turns + 1);
    }
    turns
}

fn spinner() -> (i32, Arc<AtomicBool>, std::thread::JoinHandle<u64>) {
    let stop = Arc::new(AtomicBool::new(false));
    let (tid, thread) = thread_that({
        let stop = Arc::clone(&stop);
        move || spin(&stop)
    });
    (tid, stop, thread)
}

#[test]
fn a_busy_thread_is_seen_with_all_registers() {
    let (tid, stop, thread) = spinner();
    let tables = tables();
    for _ in 0..10 {
        let view = view_of(tid);
        assert_eq!(view.seen, Seen::Running);
        assert!((0..COUNT).all(|register| view.registers.get(register).is_some()));
        let (functions, end) = functions_on(&view, &tables);
        assert!(
            functions.contains(&(spin as *const () as usize)),
            "{functions:x?}"
        );
        assert_eq!(end, End::Complete);
    }
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("it does not panic");
}

#[test]
fn the_calling_thread_sees_itself() {
    let view = view_of(tasks::own());
    let (functions, end) = functions_on(&view, &tables());
    let here = the_calling_thread_sees_itself as *const () as usize;
    assert!(functions.contains(&here), "{functions:x?}");
    assert_eq!(end, End::Complete);
}

#[test]
fn a_deep_stack_is_seen_to_its_end() {
    #[inline(never)]
    fn dig(depth: usize, stop: &AtomicBool) -> u64 {
        let room = black_box([depth as u64; 128]);
        let below = if depth == 0 {
            spin(stop)
        } else {
            dig(depth - 1, stop)
        };
        below + black_box(room)[0]
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (tid, thread) = thread_that({
        let stop = Arc::clone(&stop);
        move || dig(400, &stop)
    });
    let tables = tables();
    let view = view_of(tid);
    assert!(view.stacks[0].words.len() * 8 > 400_000);
    let mut frames = 0;
    let end = walk(&tables, &*view, view.registers, |_| frames += 1);
    assert_eq!(end, End::Complete);
    assert!(frames > 400, "{frames}");
    // With a lower bound it is said.
    let mut outcome = None;
    let patience = Patience {
        deepest: 256 << 10,
        ..Patience::of(Duration::from_secs(5))
    };
    sweep(&[tid], &patience, |_, o| outcome = Some(o)).expect("/proc is there");
    let Some(Outcome::Unseen(unseen)) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(matches!(unseen.why, Why::TooDeep), "{unseen}");
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("it does not panic");
}

#[test]
fn a_thread_that_blocks_all_that_glibc_lets_it_answers() {
    let stop = Arc::new(AtomicBool::new(false));
    let (tid, thread) = thread_that({
        let stop = Arc::clone(&stop);
        move || {
            let mut all = MaybeUninit::uninit();
            // SAFETY: fills a local, then blocks those signals in this thread.
            unsafe {
                libc::sigfillset(all.as_mut_ptr());
                libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), ptr::null_mut());
            }
            spin(&stop);
        }
    });
    wait_until("it blocks", || {
        tasks::status(tid).unwrap().unwrap().blocks_trap()
    });
    assert_eq!(view_of(tid).seen, Seen::Running);
    // And lets SIGTRAP through when it is asked to.
    let mut result = Ok(());
    unblock_traps(
        &[tid],
        &Patience::of(Duration::from_secs(5)),
        |_, outcome| result = Err(outcome),
    )
    .map(|()| result)
    .expect("/proc is there")
    .expect("it runs");
    let task = tasks::status(tid).unwrap().unwrap();
    assert!(!task.blocks_trap());
    assert!(task.blocks(libc::SIGUSR1));
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("it does not panic");
}

#[test]
fn a_thread_that_really_blocks_all_is_reported() {
    let stop = Arc::new(AtomicBool::new(false));
    let (tid, thread) = thread_that({
        let stop = Arc::clone(&stop);
        move || {
            let all = !0u64;
            // SAFETY: blocks every signal in this thread.
            unsafe {
                libc::syscall(
                    libc::SYS_rt_sigprocmask,
                    libc::SIG_SETMASK,
                    &all,
                    0usize,
                    8usize,
                )
            };
            spin(&stop);
        }
    });
    wait_until("it blocks", || {
        tasks::status(tid).unwrap().unwrap().blocks(33)
    });
    let Outcome::Unseen(unseen) = look_for(tid, Duration::from_millis(50)) else {
        panic!("it cannot be seen");
    };
    assert!(matches!(unseen.why, Why::Blocks), "{unseen}");
    assert!(unseen.task.blocks_trap());
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("it does not panic");
}

#[test]
fn a_thread_that_allocates_all_the_time_is_seen_and_runs_on() {
    let stop = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicU64::new(0));
    let (tid, thread) = thread_that({
        let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
        move || {
            while !stop.load(Ordering::Relaxed) {
                let kept: Vec<Vec<u8>> = (1..64).map(|n| vec![n as u8; n * 37]).collect();
                black_box(kept);
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let tables = tables();
    for _ in 0..30 {
        let view = view_of(tid);
        let (_, end) = functions_on(&view, &tables);
        match end {
            // The atomics of aarch64 that a program brings along are not described.
            End::UnknownFrom { pc, .. } if cfg!(target_arch = "aarch64") => {
                let module = crate::symbols::module_at(pc).expect("it is loaded");
                // Nor are the entries of its procedure linkage table: four
                // instructions, the first of which is `adrp x16`.
                let Some(start) = super::start_of(pc) else {
                    // SAFETY: code that is loaded, aligned to an instruction.
                    let first = unsafe { *((pc & !15) as *const u32) };
                    assert_eq!(first & 0x9f00_001f, 0x9000_0010, "{pc:#x} is no function");
                    continue;
                };
                let start = module.file_address(start);
                let name = module.image().unwrap().symbol_name_at(start);
                let name = name.expect("it has one");
                assert!(name.starts_with("__aarch64_"), "{name}");
            }
            end => assert_eq!(end, End::Complete),
        }
    }
    let before = count.load(Ordering::Relaxed);
    wait_until("it has run on", || count.load(Ordering::Relaxed) > before);
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("it does not panic");
}

#[test]
fn threads_that_end_meanwhile_are_gone_and_none_is_missed() {
    let stop = Arc::new(AtomicBool::new(false));
    let breeder = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            while !stop.load(Ordering::Relaxed) {
                std::thread::spawn(|| black_box(1))
                    .join()
                    .expect("it does not panic");
            }
        }
    });
    let (mut seen, mut gone) = (0, 0);
    let until = Instant::now() + Duration::from_millis(500);
    while Instant::now() < until {
        let tids = tasks::list().expect("/proc is there");
        let mut outcomes = 0;
        sweep(
            &tids,
            &Patience::of(Duration::from_secs(10)),
            |tid, outcome| {
                outcomes += 1;
                match outcome {
                    Outcome::Seen(_) => seen += 1,
                    Outcome::Gone | Outcome::RunsNothing => gone += 1,
                    // A thread of another test may be one.
                    Outcome::Unseen(unseen) => println!("{tid}: {unseen}"),
                }
            },
        )
        .expect("/proc is there");
        assert_eq!(outcomes, tids.len());
    }
    stop.store(true, Ordering::Relaxed);
    breeder.join().expect("it does not panic");
    println!("{seen} seen, {gone} gone");
    assert!(seen > 0);
}

#[test]
#[ignore = "keeps all cores busy for seconds; run alone, with --release --nocapture"]
fn a_sweep_over_512_busy_threads() {
    let go = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..512)
        .map(|_| {
            let stop = Arc::new(AtomicBool::new(false));
            let (go, told) = (Arc::clone(&go), Arc::clone(&stop));
            let (tid, thread) = thread_that(move || {
                while !go.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(100));
                }
                spin(&told)
            });
            (tid, stop, thread)
        })
        .collect();
    go.store(true, Ordering::Relaxed);
    std::thread::sleep(Duration::from_secs(2));
    let tids: Vec<_> = threads.iter().map(|(tid, ..)| *tid).collect();
    let tables = tables();
    for _ in 0..3 {
        let (mut seen, mut unseen) = (0, 0);
        let started = Instant::now();
        sweep(
            &tids,
            &Patience::of(Duration::from_secs(60)),
            |_, outcome| match outcome {
                Outcome::Seen(view) => {
                    seen += 1;
                    assert_eq!(functions_on(&view, &tables).1, End::Complete);
                }
                other => {
                    unseen += 1;
                    println!("{other:?}");
                }
            },
        )
        .expect("/proc is there");
        println!("{seen} seen, {unseen} unseen in {:?}", started.elapsed());
        assert_eq!(seen, 512);
    }
    for (_, stop, _) in &threads {
        stop.store(true, Ordering::Relaxed);
    }
    for (_, _, thread) in threads {
        thread.join().expect("it does not panic");
    }
}

#[test]
fn figures_of_one_busy_thread() {
    let (tid, stop, thread) = spinner();
    let started = Instant::now();
    for _ in 0..50 {
        assert!(matches!(look_at(tid), Outcome::Seen(_)));
    }
    println!(
        "{:?} for a look at a busy thread, of which 2 ms are for seeing it run",
        started.elapsed() / 50
    );
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("it does not panic");
}
