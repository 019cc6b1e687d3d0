//! What the role's actor understands.

use crate::plan::IndexTarget;
use actix::Message;

/// Cancel the build under way and answer once it ended. The role does not build again in this process.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Drain;

/// Say how the role is.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "IndexReport")]
pub struct Report;

/// What the role did since the process started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexReport {
    /// Indexes built from vectors.
    pub built: u64,
    /// Indexes read from files that the log names.
    pub opened: u64,
    /// Files that came from another node.
    pub fetched: u64,
    /// Files that the log names but which no replica has any more, each built again.
    pub unusable: u64,
    /// Attempts that failed; they are repeated.
    pub failed: u64,
    /// Index files removed because nobody wanted them any more.
    pub dropped: u64,
    /// Indexes that the leader's node is to build; searches scan.
    pub awaited: usize,
    /// Indexes in use now.
    pub attached: usize,
    /// Indexes that were missing when the role last looked: to be opened or built.
    pub pending: usize,
    /// Bytes of the index files.
    pub file_bytes: u64,
    /// Indexes that memory has no room for now; searches scan meanwhile.
    pub waiting: usize,
    /// Indexes in use in their mapped files because memory is short.
    pub squeezed: usize,
    /// Graphs that serve rows without an index.
    pub graphs: usize,
    /// Scalar indexes built from columns.
    pub scalars_built: u64,
    /// Scalar indexes read from files of this node.
    pub scalars_opened: u64,
    /// Files of scalar indexes removed because nobody wanted them any more.
    pub scalars_dropped: u64,
    /// Scalar indexes in use now.
    pub scalars_attached: usize,
    /// Bytes of their files.
    pub scalar_bytes: u64,
    /// Rows that are in the index that is being built, and all of its segment's; 0 while none is.
    pub building_rows: (u64, u64),
    /// Seconds until it is built, about; none while none is, and before there is something to go by.
    pub building_seconds_left: Option<u64>,
    /// What is being built or opened now.
    pub working_on: Option<IndexTarget>,
}
