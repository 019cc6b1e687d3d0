//! What can go wrong between two nodes, by what the caller can do about it.

use super::hello::{Refusal, VERSION};
use vecraft_types::NodeId;

/// Errors of this module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing was sent. Try later, or another node.
    #[error("node {node} is unreachable: {why}")]
    Unreachable {
        /// Whom we wanted.
        node: NodeId,
        /// What failed.
        why: String,
    },
    /// The node is of another build (see [`VERSION`]): an operator must bring both to the same one.
    #[error(
        "node {node} speaks version {theirs} of the protocol between nodes, this program version {VERSION}: they are of \
         different builds"
    )]
    OtherVersion {
        /// The other end.
        node: NodeId,
        /// Its version.
        theirs: u16,
    },
    /// The node answered and does not want us. An operator must look: cluster id, secret or address.
    #[error("node {node} refused our connection: {reason}")]
    Refused {
        /// Who refused.
        node: NodeId,
        /// Why.
        reason: Refusal,
    },
    /// The connection broke. What was sent may have been done.
    #[error("connection to node {node} closed: {why}")]
    Closed {
        /// The other end.
        node: NodeId,
        /// Why.
        why: String,
    },
    /// No answer in time. What was sent may have been done.
    #[error("no answer from node {node} within {waited_ms} ms")]
    TimedOut {
        /// Who was asked.
        node: NodeId,
        /// How long was waited.
        waited_ms: u64,
    },
    /// The message is larger than the other end takes.
    #[error("a message of {bytes} bytes for node {node}, at most {max} are allowed")]
    TooLarge {
        /// For whom.
        node: NodeId,
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
}

impl Error {
    /// Whether it stays so until a person does something about it.
    pub(super) fn lasts(&self) -> bool {
        match self {
            Error::OtherVersion { .. } => true,
            Error::Refused { reason, .. } => !reason.passes(),
            _ => false,
        }
    }

    /// Whether the other end belongs to another cluster than we, or to none yet.
    pub(super) fn is_of_another_cluster(&self) -> bool {
        matches!(self, Error::Refused { reason: Refusal::WrongCluster | Refusal::NotYet, .. })
    }
}

impl From<Error> for vecraft_types::Error {
    fn from(error: Error) -> vecraft_types::Error {
        use vecraft_types::Code;
        let code = match &error {
            Error::Unreachable { .. }
            | Error::OtherVersion { .. }
            | Error::Refused { .. }
            | Error::Closed { .. } => Code::Unavailable,
            Error::TimedOut { .. } => Code::Deadline,
            Error::TooLarge { .. } => Code::Internal,
        };
        vecraft_types::Error::new(code, error.to_string())
    }
}
