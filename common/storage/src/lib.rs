//! Everything that touches a disk: files, the key-value store, checksums, locks and fail points.
//!
//! This crate answers one question: *when is a byte durable, and how do we notice that it is not what we wrote?*
//!
//! | part | what it gives |
//! |---|---|
//! | [`Disk`], [`DiskFile`] | files under one root; [`RealDisk`] is the operating system, [`SimDisk`] a seeded twin that loses power |
//! | [`Kv`] | ordered tables with atomic batches; [`RocksKv`] and its twin [`SimKv`] with the same sync contract |
//! | [`publish`], [`read_published`] | small checksummed files that appear atomically |
//! | [`BlockWriter`], [`BlockFile`] | large immutable files, one xxh3 per 64 KiB block, memory mapped |
//! | [`Reserve`] | space that is kept back for the moment when the disk is full |
//! | [`DirLock`] | one process per data directory |
//! | [`failpoint`](mod@failpoint) | named places where a test can inject an error, a delay or a stop |
//!
//! It is the doorkeeper of `std::fs` and of rocksdb: no other crate names them. All calls block; callers bring their own
//! threads. What it does *not* do: it knows no shard, no segment and no Raft group, retries nothing, and starts no thread.

// The doorkeeper itself may use what clippy.toml forbids to everybody else.
#![allow(clippy::disallowed_methods)]

mod disk;
mod error;
pub mod failpoint;
mod file;
mod kv;
mod lock;
mod reserve;
mod rng;
mod secret;

pub use disk::{DirEntry, Disk, DiskFile, MappedFile, OpenMode, RealDisk, SimDisk};
pub use error::{Error, Result};
pub use file::{BLOCK_BYTES, BlockFile, BlockFileInfo, BlockWriter, FileKind, publish, read_published};
pub use kv::{KeyRange, Kv, KvOp, RocksKv, RocksOptions, SimKv, Table, Visit, WriteBatch};
pub use lock::DirLock;
pub use reserve::Reserve;
pub use secret::read_secret;
