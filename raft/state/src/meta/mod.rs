//! The metastore's state machine (group 0): which collections, partitions, indexes, nodes and groups exist.
//!
//! Which question it answers: given the committed commands so far, what is the catalogue, and what has the
//! coordinator still to do ([`MetaState::pending`])? Called by the coordinator's machine, once an entry.
//!
//! What holds at all times:
//! - The state is a function of the commands: time and candidates arrive inside them, maps are ordered (P2).
//! - Ids of collections, partitions, indexes, groups, replicas and rows are never given twice (I1, I11).
//! - A name belongs to at most one collection that is not being dropped.
//! - A request that is named is done once, however often it comes (I10).
//! - Timestamps grow with the log, whatever was suggested (I9).
//!
//! What it does *not* do: it knows no shard log and no files. Whether a shard exists is the coordinator's
//! business; here stands only what should be (I11).

mod cluster;
mod collections;
mod command;
mod forming;
mod index_rules;
mod indexes;
mod once;
mod partitions;
mod pending;
mod placement;
mod placing;
mod recovering;
mod reply;
mod rules;
mod state;
#[cfg(test)]
mod tests;

pub use command::{MetaChange, MetaCommand};
pub use forming::{first_meta_voters, meta_replicas, meta_voters};
pub use once::MetaRequests;
pub use pending::Job;
pub use placement::{NodeRecord, NodeState, Placement};
pub use reply::{MetaOutcome, MetaReply};
pub use state::{ClusterId, Counters, GroupRow, MetaRoot, MetaState, NodeRow, Unseen};
