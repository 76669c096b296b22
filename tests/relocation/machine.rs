//! Running code from a given state of the processor, and looking at the end.

use crate::generate::Random;
use std::arch::global_asm;
use std::ptr;

/// What the code starts with and ends with. Read and written by assembly.
#[repr(C, align(16))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 … r15.
    registers: [u64; 16],
    flags: u64,
    marker: u64,
    vectors: [u128; 8],
}

const STACK: usize = 4096;
const DATA: usize = 512;
/// CF, PF, AF, ZF, SF, OF.
const FLAGS: u64 = 0x8d5;
const RED_ZONE: u64 = 128;

global_asm!(
    r#"
    .pushsection .data
    .balign 16
midair_test_host_rsp: .quad 0
midair_test_target: .quad 0
midair_test_state: .quad 0
midair_test_rax: .quad 0
    .popsection
    // fn(state: *mut State, code: u64)
midair_test_run:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    mov [rip + midair_test_state], rdi
    mov [rip + midair_test_target], rsi
    mov [rip + midair_test_host_rsp], rsp
    movaps xmm0, [rdi + 144]
    movaps xmm1, [rdi + 160]
    movaps xmm2, [rdi + 176]
    movaps xmm3, [rdi + 192]
    movaps xmm4, [rdi + 208]
    movaps xmm5, [rdi + 224]
    movaps xmm6, [rdi + 240]
    movaps xmm7, [rdi + 256]
    push [rdi + 128]
    popfq
    mov rax, [rdi]
    mov rcx, [rdi + 8]
    mov rdx, [rdi + 16]
    mov rbx, [rdi + 24]
    mov rsp, [rdi + 32]
    mov rbp, [rdi + 40]
    mov rsi, [rdi + 48]
    mov r8, [rdi + 64]
    mov r9, [rdi + 72]
    mov r10, [rdi + 80]
    mov r11, [rdi + 88]
    mov r12, [rdi + 96]
    mov r13, [rdi + 104]
    mov r14, [rdi + 112]
    mov r15, [rdi + 120]
    mov rdi, [rdi + 56]
    jmp [rip + midair_test_target]
midair_test_exit:
    mov [rip + midair_test_rax], rax
    mov rax, [rip + midair_test_state]
    mov [rax + 8], rcx
    mov [rax + 16], rdx
    mov [rax + 24], rbx
    mov [rax + 32], rsp
    mov [rax + 40], rbp
    mov [rax + 48], rsi
    mov [rax + 56], rdi
    mov [rax + 64], r8
    mov [rax + 72], r9
    mov [rax + 80], r10
    mov [rax + 88], r11
    mov [rax + 96], r12
    mov [rax + 104], r13
    mov [rax + 112], r14
    mov [rax + 120], r15
    mov rcx, [rip + midair_test_rax]
    mov [rax], rcx
    mov rsp, [rip + midair_test_host_rsp]
    pushfq
    pop [rax + 128]
    movaps [rax + 144], xmm0
    movaps [rax + 160], xmm1
    movaps [rax + 176], xmm2
    movaps [rax + 192], xmm3
    movaps [rax + 208], xmm4
    movaps [rax + 224], xmm5
    movaps [rax + 240], xmm6
    movaps [rax + 256], xmm7
    cld
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
    "#
);

unsafe extern "C" {
    fn midair_test_run(state: *mut State, code: u64);
    fn midair_test_exit();
}

/// Only one case runs at a time: the assembly keeps its place in statics.
static RUNNING: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Addresses that sequences refer to.
#[derive(Clone)]
pub(crate) struct Layout {
    pub(crate) code: u64,
    pub(crate) data: u64,
    /// Eight pointers to pads.
    pub(crate) pointers: u64,
    /// Places that end the run and say which they were.
    pub(crate) pads: Vec<u64>,
    /// Those in reach of an 8-bit branch from anywhere in the sequence.
    pub(crate) near_pads: Vec<u64>,
}

/// The memory that cases run in.
pub(crate) struct Home {
    layout: Layout,
    near: u64,
    far: u64,
    stack: u64,
    marker: u64,
}

/// Everything that can be told apart when the code has left.
#[derive(PartialEq, Eq)]
pub(crate) struct Outcome {
    state: State,
    stack: Vec<u8>,
    data: Vec<u8>,
}

impl Outcome {
    pub(crate) fn difference(&self, other: &Self) -> String {
        if self.state != other.state {
            return format!("{:#x?}\ninstead of {:#x?}", other.state, self.state);
        }
        let which = if self.stack != other.stack {
            "the stack"
        } else {
            "the data"
        };
        format!("{which} differs")
    }
}

fn map(at: u64, len: usize) -> u64 {
    // SAFETY: fresh memory, wherever the kernel puts it.
    let got = unsafe {
        libc::mmap(
            at as *mut _,
            len,
            libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    assert_ne!(got, libc::MAP_FAILED);
    got as u64
}

/// Bytes from the start of the code page to the sequence: room for pads that a
/// short branch reaches backwards.
const BEFORE: u64 = 64;
const PAD: u64 = 24;

impl Home {
    pub(crate) fn new() -> Self {
        let base = map(0x2000_0000_0000, 0x4000);
        let near = map(base + 0x4000_0000, 0x1000);
        let far = map(base + 0x400_0000_0000, 0x1000);
        assert!(near.abs_diff(base) < 0x7000_0000 && far.abs_diff(base) > 0x1_0000_0000);
        let code = base + BEFORE;
        let stack = base + 0x2000;
        let data = base + 0x1000;
        let pointers = data + DATA as u64;
        let marker = pointers + 0x100;
        // The sequence is at most 40 bytes long, and its end is pad 0.
        let near_pads: Vec<u64> = vec![base, base + PAD, code + 72, code + 72 + PAD];
        let far_pads = (0..4).map(|n| base + 0x400 + n * 64);
        let pads: Vec<u64> = near_pads.iter().copied().chain(far_pads).collect();
        let home = Self {
            layout: Layout {
                code,
                data,
                pointers,
                pads,
                near_pads,
            },
            near,
            far,
            stack,
            marker,
        };
        for (n, &pad) in home.layout.pads.iter().enumerate() {
            home.put(pad, &home.pad_code(pad, n as u32 + 1));
            home.put(pointers + 8 * n as u64, &pad.to_le_bytes());
        }
        home
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout.clone()
    }

    pub(crate) fn near_copy(&self) -> u64 {
        self.near + 64
    }

    pub(crate) fn far_copy(&self) -> u64 {
        self.far + 64
    }

    /// `mov dword [rip+marker], number; jmp [rip+0]; exit`.
    fn pad_code(&self, at: u64, number: u32) -> Vec<u8> {
        let mut code = vec![0xc7, 0x05];
        code.extend((self.marker.wrapping_sub(at + 10) as u32).to_le_bytes());
        code.extend(number.to_le_bytes());
        code.extend([0xff, 0x25, 0, 0, 0, 0]);
        code.extend((midair_test_exit as *const () as u64).to_le_bytes());
        assert_eq!(code.len() as u64, PAD);
        code
    }

    fn put(&self, at: u64, bytes: &[u8]) {
        // SAFETY: all addresses are in the pages of this home.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, bytes.len()) };
    }

    /// The sequence; what it falls through to is pad 0.
    pub(crate) fn put_original(&self, bytes: &[u8]) {
        assert!(bytes.len() <= 48);
        let end = self.layout.code + bytes.len() as u64;
        self.put(self.layout.code, bytes);
        self.put(end, &self.pad_code(end, 0));
    }

    pub(crate) fn put_copy(&self, at: u64, bytes: &[u8]) {
        self.put(at, bytes);
    }

    pub(crate) fn random_state(&self, random: &mut Random) -> Outcome {
        let mut registers = [0; 16];
        registers.fill_with(|| random.next());
        if random.below(2) == 0 {
            registers[1] = random.below(3); // rcx: counted branches
        }
        registers[4] = self.stack + STACK as u64 / 2 + 8 * random.below(8);
        let mut vectors = [0; 8];
        vectors.fill_with(|| u128::from(random.next()) << 64 | u128::from(random.next()));
        let flags = random.next() & FLAGS | 2;
        let mut bytes = |len: usize| (0..len).map(|_| random.next() as u8).collect();
        let (stack, data) = (bytes(STACK), bytes(DATA));
        Outcome {
            state: State {
                registers,
                flags,
                marker: 0,
                vectors,
            },
            stack,
            data,
        }
    }

    /// Runs `code`, which pops at most `pops` times.
    pub(crate) fn run(&self, code: u64, start: &Outcome, pops: u64) -> Outcome {
        let _running = RUNNING.lock().unwrap_or_else(|e| e.into_inner());
        self.put(self.stack, &start.stack);
        self.put(self.layout.data, &start.data);
        self.put(self.marker, &[0xff; 4]);
        let mut state = start.state.clone();
        // SAFETY: the code leaves by a pad, which leads to midair_test_exit;
        // it touches only the home's pages.
        unsafe { midair_test_run(&mut state, code) };
        state.flags &= FLAGS;
        let read = |at: u64, len: usize| {
            // SAFETY: in the pages of this home, which nothing runs in now.
            unsafe { std::slice::from_raw_parts(at as *const u8, len) }.to_vec()
        };
        let marker = read(self.marker, 4);
        state.marker = u64::from(u32::from_le_bytes([
            marker[0], marker[1], marker[2], marker[3],
        ]));
        // What lay deeper than the red zone at any moment is anybody's: a
        // signal handler could have written there.
        let highest = state.registers[4].max(start.state.registers[4] + 8 * pops);
        let lowest = highest - RED_ZONE;
        let stack = read(lowest, (self.stack + STACK as u64 - lowest) as usize);
        let data = read(self.layout.data, DATA);
        Outcome { state, stack, data }
    }
}
