//! Runs code from a given state up to the first trap.
//!
//! A signal handler does both: the trap that starts a run is returned from with
//! the state to run from, the one that ends it with the state of this thread.

use std::arch::asm;
use std::cell::UnsafeCell;
use std::ptr;

/// What code starts from, and what it leaves.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    pub(crate) x: [u64; 31],
    pub(crate) sp: u64,
    pub(crate) pc: u64,
    pub(crate) flags: u64,
    pub(crate) v: [u128; 32],
    /// What stands at [`Machine::data`].
    pub(crate) data: u64,
}

/// The kernel's `struct sigcontext`, up to the vectors.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Context {
    fault: u64,
    x: [u64; 31],
    sp: u64,
    pc: u64,
    pstate: u64,
    _padding: u64,
    magic: u32,
    size: u32,
    fpsr: u32,
    fpcr: u32,
    v: [u128; 32],
    /// The next record. Whatever it is (longer vectors, of which an emulator
    /// takes the lower half too), the list ends here on the way back.
    next: u64,
}

const FPSIMD: u32 = 0x4650_8001;
const FLAGS: u64 = 0xf000_0000;

#[derive(Default)]
struct Shared {
    wanted: Option<State>,
    saved: Option<Context>,
    found: Option<State>,
}

struct Cell(UnsafeCell<Option<Shared>>);

// SAFETY: one thread runs the cases, and its handler; see `Machine::run`.
unsafe impl Sync for Cell {}

static SHARED: Cell = Cell(UnsafeCell::new(None));

extern "C" fn trapped(signal: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel's frame; the layout is asserted by the magic number.
    let context: &mut Context = unsafe {
        let user = &mut *context.cast::<libc::ucontext_t>();
        &mut *ptr::from_mut(&mut user.uc_mcontext).cast()
    };
    // SAFETY: the thread that runs the cases is in this handler, not elsewhere.
    let shared = unsafe { &mut *SHARED.0.get() };
    let Some(shared) = shared.as_mut().filter(|_| context.magic == FPSIMD) else {
        std::process::abort();
    };
    if let Some(state) = shared.wanted.take() {
        shared.saved = Some(*context);
        context.x = state.x;
        context.sp = state.sp;
        context.pc = state.pc;
        context.pstate = context.pstate & !FLAGS | state.flags;
        context.v = state.v;
        context.next = 0;
        return;
    }
    let Some(saved) = shared.saved.take() else {
        std::process::abort(); // a trap of the test itself
    };
    shared.found = Some(State {
        x: context.x,
        sp: context.sp,
        // What is no trap is told apart.
        pc: if signal == libc::SIGILL {
            context.pc
        } else {
            !context.pc
        },
        flags: context.pstate & FLAGS,
        v: context.v,
        data: 0,
    });
    *context = saved;
    context.pc += 4;
    context.next = 0;
}

pub(crate) struct Machine {
    data: u64,
}

impl Machine {
    pub(crate) fn new(data: u64) -> Self {
        let stack = vec![0_u8; 1 << 16].leak();
        let stack = libc::stack_t {
            ss_sp: stack.as_mut_ptr().cast(),
            ss_flags: 0,
            ss_size: stack.len(),
        };
        // SAFETY: the stack lives as long as the process; the handler touches
        // nothing but `SHARED` and its frame.
        unsafe {
            assert_eq!(libc::sigaltstack(&stack, ptr::null_mut()), 0);
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = trapped as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            for signal in [libc::SIGILL, libc::SIGTRAP, libc::SIGSEGV, libc::SIGBUS] {
                assert_eq!(libc::sigaction(signal, &action, ptr::null_mut()), 0);
            }
            *SHARED.0.get() = Some(Shared::default());
        }
        Self { data }
    }

    /// Runs the code at `at` from `state`.
    pub(crate) fn run(&mut self, at: u64, state: &State) -> State {
        let mut wanted = state.clone();
        wanted.pc = at;
        // SAFETY: the data is mapped. The handler runs on this thread, at the
        // `brk` and at the end of what it starts; it brings back every register.
        let (found, data) = unsafe {
            (self.data as *mut u64).write_volatile(state.data);
            (*SHARED.0.get()).as_mut().unwrap().wanted = Some(wanted);
            asm!("brk #0x123");
            let found = (*SHARED.0.get()).as_mut().unwrap().found.take();
            (found, (self.data as *const u64).read_volatile())
        };
        let mut found = found.expect("the code came to an end");
        found.data = data;
        found
    }
}
