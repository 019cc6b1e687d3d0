//! Which rows of a segment live, kept for the next search.
//!
//! Finding out looks at every row's position. It changes only when another row is deleted, or for a reader of an older moment:
//!
//! ```text
//! deletes at    3  5  9             last 9, count 3
//! reader at           9 .. newest   all of the three: the same rows live for each of these
//! reader at        7                as at 7
//! ```
//! So what was found is kept under (rows, the lesser of the reader's position and the last delete's, count): one for readers
//! behind the last delete, one for those of an older moment, so that these two kinds do not push each other out.
//!
//! Inequalities: a delete writes its row, then `last`, then `count`; a reader reads `count` first, and then looks at rows only
//! up to the `last` that it read. So what is kept for a count holds all deletes counted, and none behind the position it is kept
//! for, whatever is deleted meanwhile.

use super::Deletes;
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use vecraft_types::{Bitmap, LogPosition};

/// Living rows.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    /// Set for those that live; not all are.
    pub(crate) bits: Arc<Bitmap>,
    /// How many live.
    pub(crate) count: usize,
}

impl Live {
    pub(crate) fn new(bits: Bitmap) -> Live {
        Live { count: bits.count_ones(), bits: Arc::new(bits) }
    }
}

/// What was found, and for whom.
struct Kept {
    rows: u32,
    until: LogPosition,
    count: u32,
    /// `None`: all live.
    live: Option<Live>,
}

/// For readers behind the last delete, and for those of an older moment.
#[derive(Default)]
pub(super) struct KeptLive([ArcSwapOption<Kept>; 2]);

impl KeptLive {
    /// Bytes of memory.
    pub(super) fn bytes(&self) -> u64 {
        let live = |slot: &ArcSwapOption<Kept>| {
            slot.load()
                .as_ref()
                .and_then(|kept| kept.live.as_ref().map(|live| size_of_val(live.bits.words())))
        };
        self.0.iter().filter_map(live).sum::<usize>() as u64
    }
}

impl Deletes {
    /// The rows below `rows` that live at `position`; `None` when all do. As [`Deletes::live`], but the same bits for every
    /// reader until something changes.
    pub(crate) fn live_rows(&self, rows: u32, position: LogPosition) -> Option<Live> {
        self.root.get()?;
        let count = self.count.load(Ordering::Acquire);
        let last = LogPosition(self.last.load(Ordering::Acquire));
        let until = position.min(last);
        let slot = &self.kept.0[usize::from(until < last)];
        if let Some(kept) = &*slot.load()
            && (kept.rows, kept.until, kept.count) == (rows, until, count)
        {
            return kept.live.clone();
        }
        let live = self.live(0, rows, until).map(Live::new);
        slot.store(Some(Arc::new(Kept { rows, until, count, live: live.clone() })));
        live
    }
}
