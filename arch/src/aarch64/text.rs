//! Instructions as text, in Arm's syntax.
//!
//! A decoder's crate knows the names; addresses and the newer hints are said
//! here, as other listings have them. A word that it does not know is `.inst`.

use super::WORD;
use super::decode::{Kind, is_bti, kind, rd, rn, word_at};
use crate::Line;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use yaxpeax_arch::{Decoder as _, U8Reader};
use yaxpeax_arm::armv8::a64::InstDecoder;

/// `word` at `at` as text.
pub(crate) fn text(word: u32, at: u64) -> String {
    if is_bti(word) {
        return ["bti", "bti c", "bti j", "bti jc"][(word >> 6) as usize & 3].to_string();
    }
    let kind = kind(word, at);
    if let Kind::Address { target, page } = kind {
        let name = if page { "adrp" } else { "adr" };
        return match rd(word) {
            31 => format!("{name} xzr, {target:#x}"),
            register => format!("{name} x{register}, {target:#x}"),
        };
    }
    // Decoders know no key there.
    let has_zero_key =
        matches!(kind, Kind::IndirectBranch | Kind::IndirectCall) && word & 0x0100_0800 == 0x0800;
    if has_zero_key {
        let name = if kind == Kind::IndirectCall {
            "blra"
        } else {
            "bra"
        };
        let key = if word & 0x400 == 0 { "az" } else { "bz" };
        return match rn(word) {
            31 => format!("{name}{key} xzr"),
            register => format!("{name}{key} x{register}"),
        };
    }
    let bytes = word.to_le_bytes();
    let decoded = InstDecoder::default().decode(&mut U8Reader::new(&bytes));
    let Ok(instruction) = decoded else {
        return format!(".inst {word:#010x}");
    };
    let text = instruction.to_string();
    let target = match kind {
        Kind::Literal { target, .. } => Some(target),
        other => other.near_target(),
    };
    match (target, text.find('$')) {
        (Some(target), Some(relative)) => format!("{}{target:#x}", &text[..relative]),
        // What cannot be moved; the label is left out.
        (None, Some(relative)) => text[..relative].trim_end().to_string(),
        _ => text,
    }
}

/// Disassembles `bytes` as code at `at`, from the first byte to the last.
pub fn disassemble(bytes: &[u8], at: u64) -> Vec<Line> {
    let lines = bytes.chunks(WORD).enumerate().map(|(n, chunk)| {
        let address = at.wrapping_add((n * WORD) as u64);
        Line {
            address,
            bytes: chunk.to_vec(),
            text: match word_at(chunk, 0) {
                Some(word) => text(word, address),
                None => String::from("(bad)"),
            },
        }
    });
    lines.collect()
}
