//! All rungs together, code of unknown extent, the ends of the address space.

use super::*;

// ---- all of them ----

/// The best rung for a function of `len` bytes, `padding` and a gap nearby.
fn best(len: usize, padding: usize, nearby: bool) -> Strategy {
    let mut fixture = Fixture::new(&[]);
    fixture.body = vec![0x90; len]; // nops
    fixture.body[len - 1] = 0xc3; // ret
    fixture.after.splice(0..0, vec![INT3; padding]);
    fixture.gap = padding;
    if nearby {
        fixture = fixture.with_gap(AT + 64, "cc cc cc cc cc");
    }
    fixture.best()
}

#[test]
fn all_lengths_of_function_and_padding_have_their_rung() {
    for len in 1..8 {
        for padding in 0..8 {
            let whole = match (len, len + padding) {
                (5.., _) => Some(Strategy::Jump),
                (_, 5..) => Some(Strategy::JumpIntoPadding),
                _ => None,
            };
            let short = if len + padding >= 2 {
                Strategy::ShortJump
            } else {
                Strategy::PunnedJump
            };
            assert_eq!(
                best(len, padding, true),
                whole.unwrap_or(short),
                "{len} and {padding}"
            );
            let punned = whole.unwrap_or(Strategy::PunnedJump);
            assert_eq!(
                best(len, padding, false),
                punned,
                "{len} and {padding}, nothing nearby"
            );
        }
    }
}

#[test]
fn every_rung_displaces_what_it_writes_over() {
    for len in 1..8 {
        for padding in 0..8 {
            for strategy in LADDER {
                let mut fixture = Fixture::new(&[]).with_gap(AT + 64, "cc cc cc cc cc");
                fixture.body = vec![0x90; len]; // nops
                fixture.body[len - 1] = 0xc3; // ret
                fixture.after.splice(0..0, vec![INT3; padding]);
                fixture.gap = padding;
                let Ok(rung) = fixture.rung(strategy) else {
                    continue;
                };
                let own = rung.written.min(len);
                assert_eq!(
                    rung.displaced.len(),
                    own,
                    "{strategy:?} of {len} and {padding}"
                );
                assert_eq!(boundaries(&rung), (1..own).collect::<Vec<_>>());
                assert_eq!(rung.existing.len(), 5);
                for (index, byte) in rung.pattern.iter().enumerate() {
                    let at = index + 1;
                    let is_jump = rung.entry_bytes(AT).is_some_and(|bytes| bytes.len() == 5);
                    let expected = match at {
                        _ if !is_jump => Free,
                        at if at >= rung.written => Fixed(rung.existing[at]),
                        at if at < own => Trap,
                        _ => Free,
                    };
                    assert_eq!(
                        *byte, expected,
                        "{strategy:?} of {len} and {padding} at {at}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_ladder_is_listed_best_first_with_names() {
    let names: Vec<&str> = LADDER.iter().map(|strategy| strategy.name()).collect();
    assert_eq!(
        names,
        [
            "jump",
            "jump into padding",
            "short jump",
            "punned jump",
            "breakpoint"
        ]
    );
}

// ---- code of unknown extent ----

/// `body` as code of which only the start is known.
#[track_caller]
fn unknown(body: &[(&'static str, &'static str)]) -> (Analysis, Around) {
    let body = assemble(AT, body);
    let function = Function {
        address: TargetAddress::new(AT),
        body: &body,
        exact: false,
        after: &[],
        gap: 0,
    };
    let around = Around::default();
    let analysis = Analysis::of(&function, &around).unwrap_or_else(|refusal| panic!("{refusal}"));
    (analysis, around)
}

#[test]
fn code_of_unknown_extent_ends_with_its_first_return() {
    let (analysis, around) = unknown(&[("31 c0", "xor eax, eax"), RET, PUSH, FRAME, RET]);
    assert!(!analysis.is_complete());
    let jump = analysis
        .rung(Strategy::Jump, &around)
        .map(|_| ())
        .map_err(|r| r.reason);
    assert_eq!(
        jump,
        Err(Reason::NoRoom {
            needed: 5,
            available: 3
        })
    );
    let rung = analysis
        .rung(Strategy::PunnedJump, &around)
        .unwrap_or_else(|r| panic!("{r}"));
    assert_eq!(rung.pattern, [Free, Trap, Fixed(0x55), Fixed(0x48)]);
}

#[test]
fn the_start_of_code_of_unknown_extent_is_scanned() {
    for line in [
        ("75 fb", "jne short 0x555500001002"),
        ("e8 f8 ff ff ff", "call 0x555500001002"),
        ("48 8d 05 f6 ff ff ff", "lea rax, [0x555500001002]"),
    ] {
        let (analysis, around) = unknown(&[
            ("31 c0", "xor eax, eax"),
            ("ff c0", "inc eax"),
            ("90", "nop"),
            line,
            RET,
        ]);
        let jump = analysis
            .rung(Strategy::Jump, &around)
            .map(|_| ())
            .map_err(|r| r.reason);
        assert_eq!(
            jump,
            Err(Reason::BranchIntoSpan { target: 2 }),
            "{}",
            line.1
        );
    }
    let (analysis, around) = unknown(&[
        ("8b 05 fc ff ff ff", "mov eax, [0x555500001002]"),
        PUSH,
        RET,
    ]);
    let jump = analysis
        .rung(Strategy::Jump, &around)
        .map(|_| ())
        .map_err(|r| r.reason);
    assert_eq!(jump, Err(Reason::ReadsItself));
}

// ---- the ends of the address space ----

#[test]
fn a_function_at_either_end_of_the_address_space_is_analysed() {
    let body = hex("55 48 89 e5 5d c3"); // push rbp; mov rbp,rsp; pop rbp; ret
    for at in [
        0,
        1,
        u64::MAX,
        u64::MAX - 3,
        u64::MAX - 5,
        u64::MAX - 16,
        1 << 63,
    ] {
        let function = Function {
            address: TargetAddress::new(at),
            body: &body,
            exact: true,
            after: &[INT3; 8],
            gap: 8,
        };
        let around = Around {
            gaps: vec![(0, vec![INT3; 64])],
            ..Around::default()
        };
        let analysis =
            Analysis::of(&function, &around).unwrap_or_else(|refusal| panic!("{refusal}"));
        for strategy in LADDER {
            if let Ok(rung) = analysis.rung(strategy, &around) {
                boundaries(&rung);
                rung.entry_bytes(at.wrapping_add(64));
            }
        }
        let rung = analysis
            .rung(Strategy::Jump, &around)
            .unwrap_or_else(|r| panic!("{r}"));
        assert_eq!(boundaries(&rung), [1, 4], "at {at:#x}");
        assert_eq!(rung.resume().get(), at.wrapping_add(5));
    }
}
