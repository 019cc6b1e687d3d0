//! The life of Raft groups on a node: starting, proposing, reading, checkpointing, stopping.
//!
//! With `raft/log-store` the only crate that names openraft; its types stay inside. It does *not* know what a
//! command means: a role gives a [`Machine`] and gets a [`Group`].
//!
//! ```text
//! propose ─> openraft ─> log (fsync on a majority) ─> committed ─> Machine::apply publishes its views
//!                                                                 ─> published index ─> the proposer's answer
//! ```
//! That order is I15: whoever was answered, or waited for the published index, finds the change in the views.

mod error;
mod group;
mod host;
mod inequality;
mod lone_network;
mod machine;
mod read_index;
mod state_machine;

pub use error::Error;
pub use group::{Group, Proposed};
pub use host::{GroupSpec, Host};
pub use machine::{Committed, Failed, Machine, Mark};

#[cfg(test)]
mod tests;
