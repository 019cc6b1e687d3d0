//! A simulated node: the log, the shard machine, checkpoints and data, on a disk that tears and forgets.
//!
//! This crate answers: *does anything that was acknowledged get lost, come back from the dead or change, whatever dies
//! whenever?* One seed is one life of a machine: its sizes, its clients, its faults and its deaths. One thread, no
//! clock, no runtime: the same seed does the same thing, to the last event.
//!
//! | part | what it is |
//! |---|---|
//! | [`plan`], [`workload`] | what a seed draws: sizes and dangers; commands of clients and coordinator |
//! | [`power`], [`node`] | the machine: a fuse before [`SimDisk`] and [`SimKv`], the product's log, replica, checkpoint |
//! | [`simulation`] | the life: propose, checkpoint, die, start |
//! | [`twin`], [`history`] | what must be true: a naive second reading of the log, and what was promised |
//! | [`invariants`] | the rules, one a file, by name |
//! | [`bug`] | bugs planted on purpose, each of which must be found |
//! | [`report`] | running a seed and saying how to bring it back |
//!
//! With one voter a durable entry is committed: `propose` is append, sync, apply, answer. This part does *not* simulate
//! openraft or a network; [`cluster`] does, with three or five nodes on virtual time. Neither simulates actix, RocksDB or
//! gRPC; those run in tests/chaos with real processes.
//!
//! [`SimDisk`]: vecraft_storage::SimDisk
//! [`SimKv`]: vecraft_storage::SimKv

pub mod bug;
pub mod cluster;
pub mod failure;
pub mod history;
pub mod invariants;
pub mod node;
pub mod picture;
pub mod plan;
pub mod power;
pub mod report;
pub mod rng;
pub mod rows;
pub mod simulation;
pub mod trace;
pub mod twin;
pub mod workload;
