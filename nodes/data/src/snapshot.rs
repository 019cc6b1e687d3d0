//! A group's durable checkpoint as a snapshot for a replica that the log does not reach any more (I4, I5).
//!
//! ```text
//!  offering node                                      receiving node
//!  content   records of the newest checkpoint,
//!            its files pinned           ── Raft ──>   fetch     files that are not here, pulled, verified, synced
//!  files     ranges of pinned files     <── Files ──            and renamed; pinned until installed
//!                                                     install   ONE synced batch in the place of the group's records,
//!                                                               then restored and published as at a start
//! ```
//! Until that batch the old checkpoint holds, after it the new one; files of both are there at that moment (I3). What
//! the new one does not name goes afterwards.
//!
//! Index files are not part of it: the index role fetches them by the names that the restored state has (I13), over the
//! same wire ([`whole`]).
//!
//! | module | the question it answers |
//! |---|---|
//! | [`content`] | what is the checkpoint, in words for another node? |
//! | [`pins`] | which files must stay although no checkpoint names them? |
//! | [`files`] | which bytes may another node read? |
//! | [`fetch`], [`pull`] | how does a file get here, whole? |
//! | [`wanted`] | what does a fetch find again after a restart? |
//! | [`whole`] | how does another role get a file of another node? |
//! | [`install`] | how does it become this replica's state? |
//! | [`throttle`] | how fast? |

pub(crate) mod content;
pub(crate) mod fetch;
mod files;
pub(crate) mod install;
pub(crate) mod pins;
mod pull;
mod throttle;
pub(crate) mod wanted;
mod whole;

pub(crate) use fetch::room_for;
pub use files::DiskFiles;
pub use throttle::Throttle;
pub use wanted::{fetched_until, forget_fetch, wanted_files};

use std::sync::Arc;
use vecraft_rpc::files::{FilesElsewhere, NobodyElse};

/// How a group gets files of another node.
#[derive(Clone)]
pub struct Source {
    /// The other nodes' files.
    pub files: Arc<dyn FilesElsewhere>,
    /// How fast, for all groups of the node together.
    pub throttle: Arc<Throttle>,
}

impl Source {
    /// For a node that has no peers.
    pub fn nobody() -> Source {
        Source { files: Arc::new(NobodyElse), throttle: Arc::new(Throttle::new(u64::MAX)) }
    }
}

#[cfg(test)]
mod tests;
