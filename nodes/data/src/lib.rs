//! The data role: where a committed entry becomes rows in a segment.
//!
//! | file | what |
//! |---|---|
//! | `replica` | one group's shards: machine, key index, segments, published views; synchronous, simulated as it is |
//! | `checkpoint/` | durable positions (I3): capture, write, restore |
//! | `machine` | the replica behind Raft |
//! | `faults` | bugs that the simulation plants |
//! | `failures` | entries that could not be applied, or are to be skipped (I24) |
//! | `clean_up` | removing files that nothing names, once an hour (I13) |
//! | `governor` | who may have how much memory (I21) |
//! | `relief` | how a node that is short of memory gets some back (I21) |
//! | `voters` | whether the other voters of a group have room (I21) |
//! | `group` | proposing and writing checkpoints |
//! | `maintenance`, `ages` | sealing and checkpoints by size and age |
//! | `digest/` | whether the replicas of a group hold the same (I22, I23) |
//! | `snapshot/` | a checkpoint for a replica that the log does not reach: offered, fetched, installed (I5) |
//! | `removal` | what happens to a replica that its group has let go of |
//! | `strays` | shards whose collection was dropped before they were made |
//! | `stopped` | which shards and partitions a replica of a stopped node holds |
//! | `outage` | groups out of service on this node, and why |
//! | `metrics` | what is here, in figures |
//! | `node`, `tasks/` | the services [`ShardWriter`], [`ShardAdmin`], [`ReadBarrier`], [`IndexLedger`] |
//!
//! It does *not* search (the query role reads the views it publishes), and it does not know names: the catalogue
//! is the coordinator's.
//!
//! [`ShardWriter`]: vecraft_rpc::services::ShardWriter
//! [`ShardAdmin`]: vecraft_rpc::services::ShardAdmin
//! [`ReadBarrier`]: vecraft_rpc::services::ReadBarrier
//! [`IndexLedger`]: vecraft_rpc::services::IndexLedger

mod ages;
mod checkpoint;
mod clean_up;
mod compaction;
mod digest;
mod error;
mod failures;
mod faults;
mod governor;
mod group;
mod key_index;
mod machine;
mod maintenance;
mod metrics;
mod node;
mod outage;
mod relief;
mod removal;
mod replica;
mod snapshot;
mod stopped;
mod strays;
mod tasks;
#[cfg(test)]
mod tests;
mod voters;

pub use checkpoint::{
    Capture, Written, checkpoint_mark, checkpointed_shards, remove_unnamed, restore,
    write as write_checkpoint,
};
pub use clean_up::clean_up;
pub use compaction::CompactionPolicy;
pub use digest::compare as compare_replicas;
pub use error::{Error, Result};
pub use failures::{FailedEntry, Failures, failed_entry, skip_entry};
pub use faults::Faults;
pub use governor::{Governor, ProcessMemory};
pub use group::{DataGroup, Surroundings};
pub use key_index::MemoryKeyIndex;
pub use machine::{DataMachine, Pressure};
pub use maintenance::{MaintenancePolicy, maintain};
pub use metrics::{DataFigures, GroupFigures, SegmentFigures};
pub use node::{DataNode, Space, WriteLimits};
pub use removal::erase;
pub use replica::{GroupReplica, Routes};
pub use snapshot::{DiskFiles, Source, Throttle, fetched_until, forget_fetch, wanted_files};
pub use stopped::StoppedShards;
pub use strays::remove_strays;
pub use tasks::ShardLedger;
