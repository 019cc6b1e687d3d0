//! Compactions that somebody asked for: who asked last, and whether that is done. What grows is sealed then.

use super::TwinShard;
use vecraft_types::{LogPosition, PartitionId, SegmentId};

/// The last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The entry that asked.
    pub at: LogPosition,
    /// How large outputs may be.
    pub bytes_max: u64,
    /// Compactions since.
    pub decided: u32,
    /// The leader said so.
    pub is_done: bool,
}

impl TwinShard {
    /// Partitions at the same entry are sealed in the order of their segments.
    pub(super) fn seal(&mut self, is_meant: impl Fn(SegmentId) -> bool) {
        let mut meant: Vec<(SegmentId, PartitionId)> = self
            .growing
            .extract_if(.., |_, (growing, _)| is_meant(*growing))
            .map(|(partition, (segment, _))| (segment, partition))
            .collect();
        meant.sort();
        for (segment, partition) in meant {
            self.sealed.insert(segment, partition);
            self.order.entry(partition).or_default().push(segment);
        }
    }

    pub(super) fn ask(&mut self, bytes_max: u64) {
        self.seal(|_| true);
        let decided = self.asked.filter(|before| !before.is_done).map_or(0, |before| before.decided);
        self.asked = Some(Asked { at: self.at, bytes_max, decided, is_done: false });
    }

    pub(super) fn done(&mut self, at: LogPosition) {
        if let Some(asked) = self.asked.as_mut().filter(|asked| asked.at == at) {
            asked.is_done = true;
        }
    }
}
