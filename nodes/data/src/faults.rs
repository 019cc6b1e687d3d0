//! Bugs that the simulation plants to see whether it finds them. All off in a real node.

use vecraft_state::shard::{DedupWindow, GroupState};
use vecraft_types::Timestamp;

/// Switches of planted bugs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Forget the deletes of every entry that is applied.
    pub drop_deletes: bool,
    /// Forget deletes of rows that a compaction has named anew, until readers see its output (against I13).
    pub spare_outputs: bool,
    /// Forget which requests were answered (against I10).
    pub forget_requests: bool,
    /// Forget the largest timestamp given (against I9).
    pub forget_timestamp: bool,
}

impl Faults {
    /// What goes wrong before an entry is applied.
    pub(crate) fn strike(self, state: &mut GroupState) {
        if self.forget_requests {
            state.shards.values_mut().for_each(|shard| shard.dedup = DedupWindow::default());
        }
        if self.forget_timestamp {
            state.last_timestamp = Timestamp::ZERO;
        }
    }
}
