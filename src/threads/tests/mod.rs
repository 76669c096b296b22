//! Looking at real threads.

mod frames;
mod others;
mod rest;
mod runners;
mod setxid;
mod sleepers;
mod stretch;

use super::frames::{CallFrames, End, Frame, Memory, walk_from};
use super::look::{Outcome, Patience, sweep};
use super::registers::Registers;
use super::tasks::{self, Tid};
use super::view::View;
use crate::symbols::{CallFrameTables, module_at, modules};
use std::fs;
use std::ops::{ControlFlow, Range};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A thread that does this, and its id.
fn thread_that<R: Send + 'static>(
    does: impl FnOnce() -> R + Send + 'static,
) -> (Tid, JoinHandle<R>) {
    let (tell, told) = mpsc::channel();
    let handle = thread::spawn(move || {
        tell.send(tasks::own()).expect("somebody listens");
        does()
    });
    (told.recv().expect("the thread has begun"), handle)
}

fn look_at(tid: Tid) -> Outcome {
    look_for(tid, Duration::from_secs(60))
}

fn look_for(tid: Tid, time: Duration) -> Outcome {
    let mut seen = None;
    sweep(&[tid], &Patience::of(time), |_, outcome| {
        seen = Some(outcome)
    })
    .expect("/proc is there");
    seen.expect("each thread has an outcome")
}

fn view_of(tid: Tid) -> Box<View> {
    match look_at(tid) {
        Outcome::Seen(view) => view,
        other => panic!("thread {tid} was not seen: {other:?}"),
    }
}

fn tables() -> CallFrameTables {
    CallFrameTables::of(&modules().expect("modules are listed"))
}

/// Shows `each` every frame from the innermost on.
fn walk(
    call_frames: &dyn CallFrames,
    memory: &dyn Memory,
    start: Registers,
    mut each: impl FnMut(&Frame),
) -> End {
    walk_from(call_frames, memory, start, false, |frame| {
        each(frame);
        ControlFlow::Continue(())
    })
}

/// Whether anything that was seen of the thread points to this code.
fn points_into(view: &View, code: Range<usize>) -> bool {
    let mut any = false;
    view.points_into(&[code], |_, _| any = true);
    any
}

/// Whether the thread sleeps, by the letter of its `stat`.
fn sleeps(tid: Tid) -> bool {
    let stat = fs::read_to_string(format!("/proc/self/task/{tid}/stat")).expect("it has not ended");
    stat.rsplit_once(") ")
        .expect("the name is in brackets")
        .1
        .starts_with('S')
}

/// The starts of the functions on a stack, and how the walk ended.
fn functions_on(view: &View, tables: &CallFrameTables) -> (Vec<usize>, End) {
    let mut functions = Vec::new();
    let end = walk(tables, view, view.registers, |frame| {
        let at = frame.pc - usize::from(frame.after_call);
        functions.extend(start_of(at));
    });
    (functions, end)
}

/// Where the function begins that the byte at `at` belongs to.
fn start_of(at: usize) -> Option<usize> {
    let module = module_at(at)?;
    let functions = module.image().ok()?.functions();
    let extent = functions.containing(module.file_address(at))?;
    Some(extent.start.at(module.slide()))
}

/// Waits until `is` is so.
fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !is() {
        assert!(Instant::now() < until, "waited in vain until {what}");
        thread::sleep(Duration::from_micros(200));
    }
}

/// Runs this in a child process of its own; it must end well.
fn in_child(test: impl FnOnce() -> bool) {
    // SAFETY: the child only runs what glibc keeps usable after a fork.
    match unsafe { libc::fork() } {
        0 => {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(test));
            // SAFETY: ends the child without running the harness's exit.
            unsafe { libc::_exit(i32::from(!matches!(result, Ok(true)))) }
        }
        child => {
            assert!(child > 0, "fork: {}", std::io::Error::last_os_error());
            let mut status = 0;
            // SAFETY: `status` has room for the answer.
            unsafe { libc::waitpid(child, &mut status, 0) };
            assert_eq!(status, 0, "the child failed");
        }
    }
}
