//! What many shapes compute, whatever the machine.

/// What [`constant`] adds.
pub(super) const CONSTANT: u64 = 0x1122_3344_5566_7788;

pub(super) fn add(a: u64, b: u64) -> u64 {
    a.wrapping_add(b)
}

pub(super) fn xor(a: u64, b: u64) -> u64 {
    a ^ b
}

pub(super) fn first(a: u64, _: u64) -> u64 {
    a
}

pub(super) fn constant(a: u64, b: u64) -> u64 {
    add(a, b).wrapping_add(CONSTANT)
}

pub(super) fn while_loop(mut a: u64, mut b: u64) -> u64 {
    while b & 15 != 0 {
        a = a.wrapping_add(3);
        b = b.wrapping_sub(1);
    }
    add(a, b)
}

pub(super) fn do_while_loop(mut a: u64, mut b: u64) -> u64 {
    loop {
        a = a.wrapping_add(3);
        b = b.wrapping_sub(1);
        if b & 15 == 0 {
            return add(a, b);
        }
    }
}

pub(super) fn table(a: u64, b: u64) -> u64 {
    match b & 3 {
        0 => add(a, b),
        1 => xor(a, b),
        2 => a.wrapping_sub(b),
        _ => a.wrapping_mul(b),
    }
}
