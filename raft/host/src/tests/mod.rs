//! Groups with one voter, and groups of several hosts in one process: real TCP, simulated disks, links that can be cut.
#![allow(clippy::unwrap_used)]

mod failover;
mod hung_disk;
mod links;
mod lone;
mod membership;
mod notebook;
mod older_copy;
mod partition;
mod replication;
mod rig;
mod snapshot;
