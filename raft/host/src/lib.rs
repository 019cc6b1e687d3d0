//! The life of Raft groups on a node: starting, replicating, proposing, reading, checkpointing, changing, stopping.
//!
//! With `raft/log-store` the only crate that names openraft; its types stay inside. It does *not* know what a
//! command means: a role gives a [`Machine`] and gets a [`Group`]. It places nothing and repairs nothing: which replica
//! runs where is decided above.
//!
//! ```text
//! propose ─> openraft ─> log (fsync on a majority) ─> committed ─> Machine::apply publishes its views
//!              │ lanes                                            ─> published index ─> the proposer's answer
//!              └──> Network ─> other nodes' groups ─> their logs
//! ```
//! That order is I15: whoever was answered, or waited for the published index, finds the change in the views.
//! docs/internals/replication.md follows an entry on its way.

mod acknowledged;
mod begin;
mod copies;
mod early_vote;
mod error;
mod forcing;
mod group;
mod handle;
mod host;
mod inequality;
mod machine;
mod majority;
mod member;
mod network;
mod read_index;
mod reading;
mod report;
mod standing;
mod state_machine;
mod unconfirmed;

pub use copies::CopyFigures;
pub use error::Error;
pub use forcing::StoppedReplica;
pub use group::{Group, Proposed};
pub use host::{Birth, GroupSpec, Host, Pace};
pub use machine::{Committed, Failed, Incoming, Machine, Mark, Offer};
pub use network::Network;
pub use report::Heard;
pub use standing::{Location, Members, MembershipId, Part, Progress, Standing};

#[cfg(test)]
mod tests;
