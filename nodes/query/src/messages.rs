//! What the role's actor understands.

use actix::Message;
use vecraft_types::ShardId;

/// Refuse new reads and answer once those under way ended. The role does not come back from it in this process.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Drain;

/// Say how the role is.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "RoleReport")]
pub struct Report;

/// How the role is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleReport {
    /// Reads that wait or run.
    pub under_way: usize,
    /// Those of them that a thread works on.
    pub running: usize,
    /// Reads that may wait or run at once.
    pub places: usize,
    /// Reads turned away since the start of the process.
    pub refused: u64,
    /// Bytes of memory that reads hold for their answers.
    pub answer_bytes: u64,
    /// Shards with damaged files, whoever found them, and what was found where; they answer no more.
    pub out_of_service: Vec<(ShardId, String)>,
}
