//! The last rungs: punned jumps and the breakpoint.

use super::*;

// ---- PunnedJump ----

#[test]
fn a_punned_jump_ends_with_the_bytes_of_the_next_function() {
    let rung = Fixture::new(TINY).fits(Strategy::PunnedJump);
    assert_eq!(rung.written, 3);
    assert_eq!(rung.pattern, [Free, Trap, Fixed(0xf4), Fixed(0xf4)]);
    assert_eq!(displaced(&rung), ["xor eax, eax", "ret"]);
    let rung = Fixture::new(&[RET]).fits(Strategy::PunnedJump);
    assert_eq!(rung.written, 1);
    assert_eq!(rung.pattern, [Fixed(0xf4); 4]);
}

#[test]
fn a_punned_jump_ends_where_a_branch_leads() {
    let fixture = Fixture::new(&[
        ("31 c0", "xor eax, eax"),
        ("ff c0", "inc eax"),
        ("ff cf", "dec edi"),
        ("75 fa", "jne short 0x555500001002"),
        RET,
    ]);
    assert_eq!(
        fixture.refusal(Strategy::Jump).reason,
        Reason::BranchIntoSpan { target: 2 }
    );
    let rung = fixture.fits(Strategy::PunnedJump);
    assert_eq!(rung.written, 2);
    assert_eq!(rung.pattern, [Free, Fixed(0xff), Fixed(0xc0), Fixed(0xff)]);
    assert_eq!(displaced(&rung), ["xor eax, eax"]);
    assert_eq!(rung.resume().get(), AT + 2);
    assert_eq!(rung.existing, hex("31 c0 ff c0 ff"));
}

#[test]
fn a_punned_jump_needs_the_bytes_behind_a_short_function() {
    let mut fixture = Fixture::new(TINY);
    fixture.after = hex("f4");
    let reason = fixture.refusal(Strategy::PunnedJump).reason;
    assert_eq!(
        reason,
        Reason::NoRoom {
            needed: 5,
            available: 4
        }
    );
    fixture.after = hex("f4 f5");
    assert_eq!(
        fixture.fits(Strategy::PunnedJump).pattern,
        [Free, Trap, Fixed(0xf4), Fixed(0xf5)]
    );
}

// ---- Breakpoint ----

#[test]
fn a_breakpoint_takes_one_byte() {
    let rung = Fixture::new(&[RET]).fits(Strategy::Breakpoint);
    assert_eq!(rung.written, 1);
    assert_eq!(boundaries(&rung), [0; 0]);
    assert_eq!(rung.entry_bytes(0), Some(vec![INT3]));
    assert_eq!(displaced(&rung), ["ret"]);
}

#[test]
fn an_entry_into_bytes_that_stay_hinders_nothing() {
    // Over the lock prefix, which is the first byte: the rest stays.
    let mut fixture = Fixture::new(&[
        ("f0 0f b1 0f", "lock cmpxchg [rdi], ecx"),
        ("75 fb", "jne short 0x555500001001"),
        RET,
    ]);
    assert_eq!(fixture.best(), Strategy::PunnedJump);
    let rung = fixture.fits(Strategy::PunnedJump);
    assert_eq!(
        rung.pattern,
        [Fixed(0x0f), Fixed(0xb1), Fixed(0x0f), Fixed(0x75)]
    );
    assert_eq!(rung.resume().get(), AT + 4);
    fixture.fits(Strategy::Breakpoint);
    fixture.around.entries = vec![AT + 2, AT + 3];
    fixture.fits(Strategy::Breakpoint);
}
