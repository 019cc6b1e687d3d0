//! The query role: answers reads from the views that this node shows.
//!
//! ```text
//!  ShardReader call --> gate --> read barrier (I15, I16, I17) --> load the view --> CPU pool: filter, exec, fetch
//!                        |busy: rate limited                       |none: replica unavailable, shard named
//! ```
//!
//! No mailbox on this path: a read holds the view it loaded, and exec runs on the CPU pool. The actor ([`QueryActor`])
//! has the role's life cycle only:
//!
//! | message | what it does |
//! |---|---|
//! | [`Drain`] | refuses new reads, answers once those under way ended |
//! | [`Report`] | says how many reads are under way, were refused, and which shards are out of service |
//!
//! A read of a pinned moment (I18) waits until this replica has come to it, asks the data role for the position that it
//! means, and turns the view back. That a moment was never pinned is believed only behind a read index.
//!
//! What holds at all times: a view is loaded after the barrier, never before (I15); an answer covers the whole view
//! or is an error (P5); memory for an answer is taken before the answer is gathered (I21); a shard with a damaged file
//! answers no more as long as its view shows that file (I24); work nobody waits for (caller gone, deadline passed) ends
//! within about a millisecond of computing.
//!
//! What it does *not* do: it owns no rows, publishes no views, talks to no other node and merges no shards.

mod actor;
mod explain;
mod gate;
mod messages;
mod node;
mod params;
mod room;
mod tasks;
#[cfg(test)]
mod tests;
mod wanted;

pub use actor::QueryActor;
pub use messages::{Drain, Report, RoleReport};
pub use node::{QueryConfig, QueryNode, QueryParts};
