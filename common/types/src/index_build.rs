//! One build of an index over one sealed segment, as the shard's log names it (I13).

use crate::{BuildId, FieldId, IndexId};
use serde::{Deserialize, Serialize};

/// Which bytes are *the* index of a segment: whoever holds a file with this checksum may serve from it, whoever holds
/// another one may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexBuild {
    /// The index of the catalogue.
    pub index: IndexId,
    /// Its vector field.
    pub field: FieldId,
    /// Counts from 1. A higher one takes the place of a lower one, whose file was lost everywhere.
    pub version: u32,
    /// Drawn by who built it, so that repeating a proposal is told from competing with it.
    pub build: BuildId,
    /// Stands for every byte of the file.
    pub checksum: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Checksum of the column file that it was built over.
    pub over: u64,
}

impl IndexBuild {
    /// True when the other one's file serves as well: the same bytes over the same rows.
    pub fn is_same_file(&self, other: &IndexBuild) -> bool {
        (self.index, self.field, self.checksum, self.over)
            == (other.index, other.field, other.checksum, other.over)
    }
}
