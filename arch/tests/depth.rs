//! Stack depths by code, with its assembly beside it.

use midair_arch::TargetAddress;
use midair_arch::x86_64::stack_depth;

const AT: u64 = 0x4000;

fn depth(code: &[&[u8]], line: usize) -> Option<u64> {
    let before: usize = code[..line].iter().map(|bytes| bytes.len()).sum();
    stack_depth(&code.concat(), TargetAddress::new(AT), AT + before as u64)
}

#[test]
fn constants_are_added_up() {
    let code: &[&[u8]] = &[
        b"\x55",                         // push rbp
        b"\x48\x89\xe5",                 // mov rbp,rsp
        b"\x41\x57",                     // push r15
        b"\x48\x81\xec\x00\x10\x00\x00", // sub rsp,0x1000
        b"\x48\x8d\x64\x24\xf8",         // lea rsp,[rsp-8]
        b"\xff\xd0",                     // call rax
        b"\x48\x81\xc4\x08\x10\x00\x00", // add rsp,0x1008
        b"\x41\x5f",                     // pop r15
        b"\x5d",                         // pop rbp
        b"\xc3",                         // ret
    ];
    let depths = [0, 8, 8, 0x10, 0x1010, 0x1018, 0x1018, 0x10, 8, 0];
    for (line, wanted) in depths.into_iter().enumerate() {
        assert_eq!(depth(code, line), Some(wanted), "line {line}");
    }
}

#[test]
fn alloca_is_not_known_and_neither_is_what_follows() {
    let code: &[&[u8]] = &[
        b"\x55",         // push rbp
        b"\x48\x89\xe5", // mov rbp,rsp
        b"\x48\x29\xfc", // sub rsp,rdi
        b"\xff\xd0",     // call rax
        b"\xc9",         // leave
        b"\xc3",         // ret
    ];
    assert_eq!(depth(code, 2), Some(8));
    assert_eq!(depth(code, 3), None);
    assert_eq!(depth(code, 5), None);
}

#[test]
fn an_aligned_stack_is_not_known() {
    let code: &[&[u8]] = &[
        b"\x55",             // push rbp
        b"\x48\x83\xe4\xc0", // and rsp,-64
        b"\x90",             // nop
    ];
    assert_eq!(depth(code, 2), None);
}

#[test]
fn ways_that_disagree_are_not_known() {
    let code: &[&[u8]] = &[
        b"\x85\xff", // test edi,edi
        b"\x74\x01", // je +1
        b"\x50",     // push rax
        b"\xff\xd0", // call rax
        b"\xc3",     // ret
    ];
    assert_eq!(depth(code, 2), Some(0));
    assert_eq!(depth(code, 3), None);
}

#[test]
fn a_loop_that_pushes_is_not_known() {
    let code: &[&[u8]] = &[
        b"\x50",     // push rax
        b"\xff\xc9", // dec ecx
        b"\x75\xfb", // jne -5
        b"\xff\xd0", // call rax
    ];
    assert_eq!(depth(code, 3), None);
}

#[test]
fn what_only_a_jump_table_reaches_is_not_known() {
    let code: &[&[u8]] = &[
        b"\x50",     // push rax
        b"\xff\xe0", // jmp rax
        b"\xff\xd0", // call rax
    ];
    assert_eq!(depth(code, 1), Some(8));
    assert_eq!(depth(code, 2), None);
}
