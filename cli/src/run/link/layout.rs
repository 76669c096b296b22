//! Where the pieces of an image go: what is read, then code, then what is
//! written, each from a page of its own. Offsets in memory and in the file are
//! the same.

use super::plan::{Piece, Plan};
use crate::run::object::Kind;
use std::ops::Range;

/// So far from the start of its segment the code begins: whoever lists modules
/// keeps where segments begin, which is not to be taken for a pointer to code.
const BEFORE_CODE: u64 = 16;
/// Bytes of the dynamic section.
pub(crate) const DYNAMIC: u64 = 16 * 6;
/// The file's and the segments' headers, and the empty tables of symbols.
pub(crate) const HEAD: u64 = 64 + 56 * 6 + 24 + 16 + 8;

/// What layouts depend on besides the pieces.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    /// Segments begin at multiples of this.
    pub(crate) page: u64,
    pub(crate) stub: u64,
    pub(crate) frames: u64,
    pub(crate) frames_table: u64,
}

/// Offsets from the start of the image.
pub(crate) struct Layout {
    pub(crate) page: u64,
    /// Of each piece; of a thread-local one, from the start of the reserve, or of the
    /// data that threads get if it has a first value.
    pub(crate) pieces: Vec<u64>,
    pub(crate) table: u64,
    pub(crate) frames_table: u64,
    pub(crate) frames: u64,
    pub(crate) read: Range<u64>,
    pub(crate) code: Range<u64>,
    pub(crate) stubs: u64,
    pub(crate) data: Range<u64>,
    /// Where `data` goes on without bytes in the file.
    pub(crate) zeroed: u64,
    pub(crate) len: u64,
    /// How much of the reserve is used afterwards.
    pub(crate) reserve: u64,
    /// How much there is of thread-locals with a first value.
    pub(crate) thread_data: u64,
}

impl Layout {
    /// The parts that something can point to: not what the dynamic linker and
    /// unwinders are told of.
    pub(crate) fn parts(&self) -> [Range<u64>; 3] {
        [
            self.table..self.frames,
            self.code.start + BEFORE_CODE..self.code.end,
            self.data.start + DYNAMIC..self.data.end,
        ]
    }

    pub(crate) fn new(plan: &Plan, sizes: Sizes, reserve: u64) -> Self {
        let page = sizes.page;
        let mut pieces = vec![0; plan.pieces.len()];
        let mut place_if = |at: &mut u64, wanted: &dyn Fn(&Piece) -> bool| {
            for (piece, place) in plan.pieces.iter().zip(&mut pieces) {
                if wanted(piece) {
                    let section = &piece.object.sections[piece.section];
                    *at = at.next_multiple_of(section.align);
                    *place = *at;
                    *at += section.size.max(1);
                }
            }
        };
        let (mut reserve, mut thread_data) = (reserve, 0);
        let thread_kinds = [Kind::ThreadLocal, Kind::ThreadZeroed];
        place_if(&mut reserve, &|piece| {
            thread_kinds.contains(&piece.kind()) && !piece.has_first_value()
        });
        place_if(&mut thread_data, &Piece::has_first_value);
        let mut place = |at: &mut u64, wanted: &[Kind]| {
            place_if(at, &|piece| wanted.contains(&piece.kind()));
        };
        let mut at = HEAD.next_multiple_of(16);
        let table = at;
        at += 8 * plan.table.len() as u64;
        place(&mut at, &[Kind::Constant, Kind::Other]);
        let frames_at = at.next_multiple_of(8);
        let frames_table_at = (frames_at + sizes.frames).next_multiple_of(8);
        let read = 0..frames_table_at + sizes.frames_table;
        at = read.end.next_multiple_of(page);
        let code = at;
        at += BEFORE_CODE;
        place(&mut at, &[Kind::Text]);
        let stubs = at.next_multiple_of(sizes.stub);
        // One more than there are: a call that does not return may be the last
        // instruction, and where it would return to is in the image, too.
        let code = code..stubs + sizes.stub * (plan.stubs.len() as u64 + 1);
        at = code.end.next_multiple_of(page);
        let data = at;
        at += DYNAMIC;
        place(&mut at, &[Kind::Data]);
        let zeroed = at;
        place(&mut at, &[Kind::Zeroed]);
        let data = data..at;
        let len = at.next_multiple_of(page);
        Self {
            page,
            pieces,
            table,
            frames_table: frames_table_at,
            frames: frames_at,
            read,
            code,
            stubs,
            data,
            zeroed,
            len,
            reserve,
            thread_data,
        }
    }
}
