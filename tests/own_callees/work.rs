//! midair at work: patches, errors, reclaim, forks.

use super::load::{Pair, hammered, inverted, model};
use midair_libraries::shapes::{Caution, Fixtures, Needs, SHAPES, Shape};
use std::ptr;
use std::time::Duration;

fn in_child(child: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child runs `child` and leaves at once.
    unsafe {
        match libc::fork() {
            0 => {
                libc::alarm(20); // a deadlock ends as a failure
                libc::_exit(i32::from(!child()))
            }
            pid => {
                assert!(pid > 0, "{}", std::io::Error::last_os_error());
                let mut status = 0;
                assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
                assert_eq!(status, 0, "the child's status");
                true
            }
        }
    }
}

/// What midair does, all of it: patches, errors, forks.
pub(crate) fn midair_at_work(fixtures: &Fixtures, shapes: &[&Shape], round: u64) {
    // SAFETY: of the same type; who calls it reckons with both results.
    let patch = unsafe { midair::patch(hammered as Pair, inverted) }.unwrap();
    patch.disable().unwrap();
    patch.enable().unwrap();
    drop(patch);
    let make = |original: Pair| move |a, b| !original(a, b);
    // SAFETY: as above.
    drop(unsafe { midair::patch_closure(hammered as Pair, make) }.unwrap());
    for n in 0..8 {
        let shape = shapes[(round * 8 + n) as usize % shapes.len()];
        let target = fixtures.address(shape.name).unwrap();
        // SAFETY: a pass-through.
        let patch = unsafe { midair::patch_raw(target, |original| original) }.unwrap();
        let got = fixtures.call(shape, round, 3).unwrap();
        assert_eq!(got, (shape.expected)(round, 3), "{}", shape.name);
        drop(patch);
    }
    let unknown = midair::symbol("libc.so.6::mallok").unwrap_err();
    assert!(unknown.to_string().contains("malloc"), "{unknown}");
    let refused = midair::can_patch((&raw const round).cast()).unwrap_err();
    assert_eq!(refused.reason, midair::Reason::NotCode);
    // SAFETY: nothing is replaced by null.
    let null = unsafe { midair::patch_raw(hammered as Pair as *const (), |_| ptr::null()) };
    assert!(null.unwrap_err().to_string().contains("is null"));
    if round.is_multiple_of(4) {
        let looked = midair::reclaim(Duration::from_millis(50)).unwrap();
        // Eight threads on few processors are not always seen in time.
        println!(
            "{} bytes reclaimed, {} pieces held",
            looked.bytes, looked.held
        );
    }
    if round.is_multiple_of(10) {
        assert!(in_child(|| {
            // SAFETY: as above.
            let patch = unsafe { midair::patch(hammered as Pair, inverted) };
            let patched = patch.is_ok() && hammered(9, 2) == !model(9, 2);
            drop(patch);
            let error = midair::symbol("libc.so.6::mallok").is_err();
            patched && error && hammered(9, 2) == model(9, 2)
        }));
    }
}

pub(crate) fn quiet_shapes() -> Vec<&'static Shape> {
    let all = SHAPES.iter();
    all.filter(|s| s.caution == Caution::None && s.needs == Needs::Nothing)
        .collect()
}
