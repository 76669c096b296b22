//! What the shapes of x86-64 compute.

use super::RAX_BEFORE;
use crate::shapes::meanings::{add, xor};

pub(super) fn low_half(a: u64, _: u64) -> u64 {
    a as u32 as u64
}

pub(super) fn rax(_: u64, _: u64) -> u64 {
    RAX_BEFORE
}

pub(super) fn plus(value: u64, a: u64, b: u64) -> u64 {
    value.wrapping_add(a).wrapping_add(b)
}

/// `xor` if the branch is taken, `add` if not.
pub(super) fn arms(taken: bool, a: u64, b: u64) -> u64 {
    if taken { xor(a, b) } else { add(a, b) }
}

pub(super) fn low_nonzero(a: u64, b: u64) -> u64 {
    arms(a as u32 != 0, a, b)
}

pub(super) fn triple(a: u64, b: u64) -> u64 {
    a.wrapping_mul(3).wrapping_add(b)
}

pub(super) fn until_odd_parity(mut a: u64, b: u64) -> u64 {
    loop {
        a = a.wrapping_add(1);
        if (a as u8).count_ones() % 2 == 1 {
            return add(a, b);
        }
    }
}

pub(super) fn machine(a: u64, mut b: u64) -> u64 {
    let mut state = a.wrapping_add(1);
    loop {
        let how = b & 3;
        b >>= 2;
        match how {
            0 => return state,
            1 => state = state.wrapping_add(1),
            2 => state = state.wrapping_add(5),
            _ => {}
        }
    }
}

pub(super) fn recursive(a: u64, b: u64) -> u64 {
    if b & 7 == 0 {
        a
    } else {
        recursive(a, b - 1).wrapping_add(b)
    }
}

pub(super) fn doubles(a: u64, b: u64) -> u64 {
    (a & 0xffff) + (b & 0xffff)
}

pub(super) fn c_switch(a: u64, b: u64) -> u64 {
    match b & 7 {
        0 => add(a, b),
        1 => a.wrapping_mul(3),
        2 => a ^ b,
        3 => a.wrapping_sub(b),
        4 => a << 5,
        5 => !a,
        6 => a | b,
        _ => a >> 3,
    }
}

pub(super) fn c_fetch(a: u64, b: u64) -> u64 {
    let (mut how, mut have, mut got, want) = (a & 3, 0, 0, b & 63);
    loop {
        match how {
            0 => how = 1 + (got & 1),
            1 => {
                have += 1;
                got += 3;
                how = 0;
            }
            2 => {
                got += 1;
                how = if got & 2 != 0 { 0 } else { 3 };
            }
            _ => {
                got += 2;
                how = 0;
            }
        }
        if have != 0 && got >= want {
            return got;
        }
    }
}

pub(super) fn c_loop(mut a: u64, mut b: u64) -> u64 {
    while b & 15 != 0 {
        a = a.wrapping_mul(5).wrapping_add(b);
        b = b.wrapping_sub(1);
    }
    a
}

pub(super) fn c_scan(a: u64, b: u64) -> u64 {
    a.to_le_bytes()
        .iter()
        .take_while(|byte| **byte != 0)
        .fold(0_u64, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
        })
        .wrapping_add(b)
}

pub(super) fn c_computed_goto(mut a: u64, mut b: u64) -> u64 {
    loop {
        let how = b & 3;
        b >>= 2;
        match how {
            0 => return a,
            1 => a = a.wrapping_add(1),
            2 => a = a.rotate_left(7),
            _ => {}
        }
    }
}

pub(super) fn c_recursive(a: u64, b: u64) -> u64 {
    match b & 15 {
        n @ 0..=1 => a.wrapping_add(n),
        n => c_recursive(a, n - 1).wrapping_add(c_recursive(0, n - 2)),
    }
}

pub(super) fn c_big_frame(a: u64, b: u64) -> u64 {
    let seen = if a % 20000 == b % 20000 { 2 } else { 1 };
    plus(seen, a, b)
}

pub(super) fn c_many_arguments(a: u64, b: u64) -> u64 {
    (0..5)
        .flat_map(|step| [a.wrapping_add(step), b.wrapping_add(step)])
        .zip(1_u64..)
        .fold(0, |sum, (value, factor)| {
            sum.wrapping_add(value.wrapping_mul(factor))
        })
}

pub(super) fn c_big_struct(a: u64, b: u64) -> u64 {
    (0..8).fold(0, |sum: u64, index| {
        sum.wrapping_mul(3)
            .wrapping_add(a.wrapping_mul(index).wrapping_add(b))
    })
}

pub(super) fn c_big_struct_by_value(a: u64, b: u64) -> u64 {
    a.wrapping_add(b.wrapping_mul(3)).wrapping_add(5 * 6)
}
