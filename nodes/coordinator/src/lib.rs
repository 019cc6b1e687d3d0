//! The coordinator: owns the metastore (group 0), serves the catalogue and carries DDL through (I11).
//!
//! ```text
//! CatalogueWriter ─> CoordinatorClient ─mailbox─> Coordinator ─> tasks ─┬─> Metastore ─> group 0's log ─> MetaMachine
//!                                                                      └─> ShardAdmin (the shards' own logs)
//! Catalogue       ─> LocalCatalogue ─> PublishedCatalogue  <──────── publishes each change ────────────────┘
//! ```
//! Every DDL that concerns shards is: intent in the metastore, entry in every shard's log, done in the metastore,
//! answer. What a crash leaves in the middle is a row of [`vecraft_state::meta::MetaState::pending`]; the reconcile
//! task does it again, at start and after failures.
//!
//! | message | what the sender wants |
//! |---|---|
//! | [`messages::CreateCollection`] | a collection whose shards exist |
//! | [`messages::CreatePartition`] | a partition |
//! | [`messages::CreateIndex`] | an index wanted |
//! | [`messages::HolderOf`] | the id behind a collection's name, to drop it by |
//! | [`messages::DropExactly`] | a collection's name free and its rows gone soon, a partition's rows gone, an index no longer |
//! | [`messages::SetLoaded`] | the load flag |
//! | [`messages::AllocateIds`] | row ids that no row ever had |
//!
//! What it never does: it holds no rows, builds no index, and reads of the catalogue do not pass its mailbox.

pub mod actor;
mod block;
pub mod catalogue;
mod checkpoint;
pub mod client;
mod dropped;
mod error;
mod locks;
pub mod log;
pub mod machine;
pub mod messages;
pub mod metastore;
pub mod placement;
pub mod recover;
mod snapshot;
mod spread;
pub mod tasks;

pub use actor::Coordinator;
pub use catalogue::{LocalCatalogue, PublishedCatalogue};
pub use client::CoordinatorClient;
pub use error::Error;
pub use log::MetaLog;
pub use machine::MetaMachine;
pub use metastore::{META_REPLICA, Metastore};
pub use placement::{Limits, Steward, WAITS_FOR_A_NODE, check_announced};

#[cfg(test)]
mod tests;
