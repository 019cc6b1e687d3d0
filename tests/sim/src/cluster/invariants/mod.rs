//! The rules that a cluster must keep, one file each, named as in docs/invariants.md. Like those of one node they look
//! from outside: at what clients are told, at what replicas apply, at published views.

pub mod durable_writes;
pub mod i10_retries;
pub mod i11_one_log;
pub mod i12_filters;
pub mod i13_segments;
pub mod i17_reads;
pub mod i20_views;
pub mod i2_replacement;
pub mod i4_purge;
pub mod i5_snapshot;
pub mod i6_log;
pub mod i7_votes;
pub mod i9_timestamps;
