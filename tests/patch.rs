//! Patches as users make them: on functions of this program and of libraries
//! that it has loaded.
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "every replacement has the type of its target, and nobody relies on that"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[inline(never)]
fn triple(n: u32) -> u32 {
    black_box(black_box(n) * 3)
}

fn double(n: u32) -> u32 {
    n * 2
}

fn zero(_: u32) -> u32 {
    0
}

/// Tests of one function must not meet.
static TRIPLE: Mutex<()> = Mutex::new(());

fn triple_alone() -> std::sync::MutexGuard<'static, ()> {
    TRIPLE.lock().unwrap_or_else(|e| e.into_inner())
}

type Number = fn(u32) -> u32;

#[test]
fn a_patch_replaces_the_function_and_its_drop_restores_it() {
    let _alone = triple_alone();
    let before = bytes_of(triple as Number as *const ());
    let patch = unsafe { midair::patch(triple as Number, double) }.unwrap();
    assert_eq!(triple(5), 10);
    assert_eq!(patch.original()(5), 15);
    assert!(patch.is_enabled());
    let original = patch.original();
    drop(patch);
    assert_eq!(triple(5), 15);
    assert_eq!(original(5), 15, "the original outlives the patch");
    assert_eq!(
        bytes_of(triple as Number as *const ()),
        before,
        "no trace is left"
    );
}

#[test]
fn a_patch_can_be_turned_off_and_on_and_led_elsewhere() {
    let _alone = triple_alone();
    let patch = unsafe { midair::patch(triple as Number, double) }.unwrap();
    patch.disable().unwrap();
    assert_eq!((triple(5), patch.is_enabled()), (15, false));
    patch.enable().unwrap();
    assert_eq!((triple(5), patch.is_enabled()), (10, true));
    patch.retarget(zero).unwrap();
    assert_eq!(triple(5), 0);
    patch.disable().unwrap();
    assert_eq!(triple(5), 15);
}

#[test]
fn patches_of_one_function_stack_and_come_off_in_any_order() {
    let _alone = triple_alone();
    let plus = |by: u32| {
        unsafe { midair::patch_closure(triple as Number, move |below| move |n| below(n) + by) }
            .unwrap()
    };
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let weights = [1, 10, 100];
        let mut patches: Vec<_> = weights.iter().map(|w| Some(plus(*w))).collect();
        assert_eq!(triple(0), 111);
        let mut left = 111;
        for n in order {
            let original = patches[n].as_ref().unwrap().original();
            patches[n] = None;
            left -= weights[n];
            assert_eq!(triple(0), left, "{order:?}");
            black_box(original(0)); // never dangles
        }
    }
}

#[test]
fn an_original_means_the_same_for_good_whatever_else_comes_and_goes() {
    let _alone = triple_alone();
    let plus = |by: u32| {
        unsafe { midair::patch_closure(triple as Number, move |below| move |n| below(n) + by) }
            .unwrap()
    };
    let lowest = plus(1);
    let middle = plus(10);
    let upper = plus(100);
    let below_upper = upper.original();
    assert_eq!((triple(0), below_upper(0)), (111, 11));
    drop(upper);
    assert_eq!(below_upper(0), 11, "the lower ones are on");
    drop(middle);
    assert_eq!(below_upper(0), 1);
    // New patches are none of its business.
    let (again, more) = (plus(1000), plus(10_000));
    assert_eq!((triple(0), below_upper(0)), (11_001, 1));
    drop(lowest);
    assert_eq!((triple(0), below_upper(0)), (11_000, 0));
    drop((again, more));
    assert_eq!((triple(0), below_upper(0)), (0, 0));
}

#[test]
fn a_closure_with_captures_is_dropped_when_the_last_call_has_left_it() {
    #[inline(never)]
    fn wait(n: u32) -> u32 {
        black_box(n)
    }
    struct Flag(Arc<AtomicUsize>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let flag = Flag(Arc::clone(&dropped));
    let (entered, is_in) = std::sync::mpsc::sync_channel::<()>(0);
    let (go_on, may_go_on) = std::sync::mpsc::sync_channel::<()>(0);
    let may_go_on = Mutex::new(may_go_on);
    let patch = unsafe {
        midair::patch_closure(wait as Number, move |_| {
            move |n| {
                let _used = &flag;
                entered.send(()).unwrap();
                may_go_on.lock().unwrap().recv().unwrap();
                n + 7
            }
        })
    }
    .unwrap();
    let caller = std::thread::spawn(|| wait(1));
    is_in.recv().unwrap();
    drop(patch);
    assert_eq!(dropped.load(Ordering::SeqCst), 0, "a call is inside");
    assert_eq!(wait(1), 1);
    go_on.send(()).unwrap();
    assert_eq!(caller.join().unwrap(), 8);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn a_closure_gets_every_argument_and_returns_what_it_likes() {
    #[expect(clippy::too_many_arguments, reason = "what is tested")]
    #[inline(never)]
    fn many(a: u8, b: f64, c: u64, d: f32, e: [u64; 4], f: &str, g: i64, h: f64) -> String {
        black_box(format!("{a} {b} {c} {d} {e:?} {f} {g} {h}"))
    }
    type Many = fn(u8, f64, u64, f32, [u64; 4], &'static str, i64, f64) -> String;
    let patch = unsafe {
        midair::patch_closure(many as Many, |original| {
            move |a, b, c, d, e, f, g, h| format!("<{}>", original(a, b, c, d, e, f, g, h))
        })
    }
    .unwrap();
    let got = many(1, 2.5, 3, 4.5, [5, 6, 7, 8], "nine", -10, 11.5);
    assert_eq!(got, "<1 2.5 3 4.5 [5, 6, 7, 8] nine -10 11.5>");
    drop(patch);
}

#[test]
fn a_transaction_makes_all_changes_or_none() {
    #[inline(never)]
    fn one() -> u32 {
        black_box(1)
    }
    #[inline(never)]
    fn two() -> u32 {
        black_box(2)
    }
    fn nine() -> u32 {
        9
    }
    type Plain = fn() -> u32;
    let nine = nine as Plain as *const ();
    let mut transaction = midair::Transaction::new();
    transaction
        .patch_raw(one as Plain as *const (), |_| nine)
        .patch_raw(two as Plain as *const (), |_| nine);
    let patches = unsafe { transaction.commit(midair::Consistency::Immediate) }
        .unwrap()
        .patches;
    assert_eq!((one(), two()), (9, 9));
    let mut transaction = midair::Transaction::new();
    transaction.disable(&patches[0]).disable(&patches[1]);
    let committed = unsafe { transaction.commit(midair::Consistency::Immediate) }.unwrap();
    assert_eq!(committed.patches.len(), 0, "nothing new");
    assert_eq!((one(), two()), (1, 2));
    let mut transaction = midair::Transaction::new();
    transaction
        .enable(&patches[0])
        .patch_raw(std::ptr::null(), |original| original);
    let error = unsafe { transaction.commit(midair::Consistency::Immediate) }.unwrap_err();
    assert!(matches!(error, midair::Error::Refused(_)), "{error}");
    assert_eq!((one(), two()), (1, 2), "nothing has changed");
    drop(patches);
    assert_eq!((one(), two()), (1, 2));
}

#[test]
fn can_patch_tells_the_strategy_and_the_displaced_instructions_and_writes_nothing() {
    #[inline(never)]
    fn planned(n: u32) -> u32 {
        black_box(n) + 1
    }
    let target = planned as Number as *const ();
    let before = bytes_of(target);
    let plan = midair::can_patch(target).unwrap();
    assert_eq!(plan.strategy, midair::Strategy::Jump);
    assert!(!plan.displaced.is_empty());
    let text = plan.to_string();
    assert!(
        text.contains("jump") && text.contains("displaced"),
        "{text}"
    );
    assert_eq!(bytes_of(target), before);
}

fn bytes_of(at: *const ()) -> Vec<u8> {
    // SAFETY: sixteen bytes of a function of this program.
    unsafe { std::slice::from_raw_parts(at.cast::<u8>(), 16) }.to_vec()
}

#[test]
fn patches_given_to_a_transaction_that_fails_stay_on_and_come_back() {
    #[inline(never)]
    fn here(n: u32) -> u32 {
        black_box(black_box(n) + 1)
    }
    let make = || unsafe { midair::patch_closure(here as fn(u32) -> u32, |_| |n| n * 2) }.unwrap();
    let mut transaction = midair::Transaction::new();
    transaction
        .remove(make().into_raw())
        .patch_raw(std::ptr::null(), |original| original);
    for consistency in [midair::Consistency::Immediate, midair::Consistency::Atomic] {
        transaction.patch_raw(std::ptr::null(), |original| original);
        unsafe { transaction.commit(consistency) }.unwrap_err();
        assert_eq!(here(5), 10);
    }
    let back = transaction.take_removals();
    assert_eq!((back.len(), here(5)), (1, 10));
    // Given again, and nothing is in the way.
    for patch in back {
        transaction.remove(patch);
    }
    let committed = unsafe { transaction.commit(midair::Consistency::Atomic) }.unwrap();
    assert_eq!(here(5), 6);
    assert!(committed.patches.is_empty() && committed.turned_off.is_empty());
    assert!(transaction.take_removals().is_empty());
    // Dropped with the transaction.
    transaction.remove(make().into_raw());
    assert_eq!(here(5), 10);
    drop(transaction);
    assert_eq!(here(5), 6);
}

#[test]
fn patches_of_a_transaction_are_taken_off_together_when_they_are_dropped() {
    #[inline(never)]
    fn first(n: u32) -> u32 {
        black_box(black_box(n) + 1)
    }
    #[inline(never)]
    fn second(n: u32) -> u32 {
        black_box(black_box(n) + 2)
    }
    extern "C" fn nine() -> u32 {
        9
    }
    let mut transaction = midair::Transaction::new();
    for target in [first as fn(u32) -> u32, second] {
        transaction.patch_raw(target as *const (), |_| nine as *const ());
    }
    let committed = unsafe { transaction.commit(midair::Consistency::Atomic) }.unwrap();
    assert_eq!((first(1), second(1)), (9, 9));
    drop(committed);
    assert_eq!((first(1), second(1)), (2, 3));
    for target in [first as fn(u32) -> u32, second] {
        transaction.patch_raw(target as *const (), |_| nine as *const ());
    }
    let committed = unsafe { transaction.commit(midair::Consistency::Immediate) }.unwrap();
    committed.patches.remove().unwrap();
    assert_eq!((first(1), second(1)), (2, 3));
}
