//! The program's midair asks the agent's.
//!
//! A program that uses `midair::pin` has a copy of midair, and the agent that
//! `cargo midair run` preloads is another one. The thread-locals that selectors read
//! are the agent's, so everything is asked of it: by functions in C's convention
//! whose addresses are in one table, which is found by name.

use super::held::{self, Ticket};
use std::ffi::c_void;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The name of the function that gives the table. Another table has another name.
const NAME: &std::ffi::CStr = c"midair_pins_v1";

/// What the agent does for the program. Its layout never changes.
#[doc(hidden)]
#[repr(C)]
#[derive(Debug)]
pub struct Interface {
    enter: extern "C" fn() -> Ticket,
    leave: extern "C" fn(Ticket),
    hold: extern "C" fn() -> u64,
    release: extern "C" fn(u64),
    begin: extern "C" fn(u64) -> u64,
    end: extern "C" fn(u64),
    /// Calls back with a description of all generations.
    describe: extern "C" fn(*mut c_void, Take),
}

/// Takes bytes over.
type Take = extern "C" fn(*mut c_void, *const u8, usize);

static OWN: Interface = Interface {
    enter,
    leave,
    hold,
    release,
    begin,
    end,
    describe,
};

extern "C" fn enter() -> Ticket {
    held::enter()
}
extern "C" fn leave(ticket: Ticket) {
    held::leave(ticket);
}
extern "C" fn hold() -> u64 {
    held::hold()
}
extern "C" fn release(era: u64) {
    held::release(era);
}
extern "C" fn begin(era: u64) -> u64 {
    held::begin(era)
}
extern "C" fn end(before: u64) {
    held::end(before);
}
extern "C" fn describe(context: *mut c_void, take: Take) {
    let bytes = crate::reload::listed::describe();
    take(context, bytes.as_ptr(), bytes.len());
}

impl Interface {
    pub(super) fn enter(&self) -> Ticket {
        (self.enter)()
    }
    pub(super) fn leave(&self, ticket: Ticket) {
        (self.leave)(ticket);
    }
    pub(super) fn hold(&self) -> u64 {
        (self.hold)()
    }
    pub(super) fn release(&self, era: u64) {
        (self.release)(era);
    }
    pub(super) fn begin(&self, era: u64) -> u64 {
        (self.begin)(era)
    }
    pub(super) fn end(&self, before: u64) {
        (self.end)(before);
    }
    pub(in super::super) fn describe(&self) -> Vec<u8> {
        extern "C" fn take(context: *mut c_void, bytes: *const u8, len: usize) {
            // SAFETY: the list below, and what the agent gives with it.
            let (list, bytes) = unsafe {
                (
                    &mut *context.cast::<Vec<u8>>(),
                    std::slice::from_raw_parts(bytes, len),
                )
            };
            list.extend_from_slice(bytes);
        }
        let mut list = Vec::new();
        (self.describe)((&raw mut list).cast(), take);
        list
    }
}

/// This copy of midair has an agent.
static ACTIVE: AtomicBool = AtomicBool::new(false);

/// This copy of midair is the agent's.
pub(in super::super) fn activate() {
    held::prepare_forks();
    ACTIVE.store(true, Ordering::Release);
}

/// It cannot have pins: its thread-locals are not at a fixed distance.
pub(in super::super) fn deactivate() {
    ACTIVE.store(false, Ordering::Release);
}

/// What the agent's library gives to the program's midair under the name
/// `midair_pins_v1`; null if it is no agent in this process.
#[doc(hidden)]
pub fn interface() -> *const Interface {
    match ACTIVE.load(Ordering::Acquire) {
        true => &raw const OWN,
        false => std::ptr::null(),
    }
}

/// The agent's interface, if there is an agent.
pub(in super::super) fn find() -> Option<&'static Interface> {
    static FOUND: OnceLock<Option<&'static Interface>> = OnceLock::new();
    if ACTIVE.load(Ordering::Acquire) {
        return Some(&OWN);
    }
    // An agent that is preloaded is there before anybody asks.
    *FOUND.get_or_init(|| {
        // SAFETY: looks a name up.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, NAME.as_ptr()) };
        if found.is_null() {
            return None;
        }
        // SAFETY: a function of this name is the agent's, which has this type.
        let table: extern "C" fn() -> *const Interface = unsafe { std::mem::transmute(found) };
        // SAFETY: null, or a static of the agent's, which stays loaded.
        unsafe { table().as_ref() }
    })
}
