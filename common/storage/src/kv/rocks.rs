//! The store on RocksDB, tuned for what it holds: small checkpoints written rarely, not rows.

use std::ops::ControlFlow;
use std::path::Path;

use rocksdb::{DB, Direction, IteratorMode, Options, ReadOptions, WriteOptions};

use super::{KeyRange, Kv, KvOp, Table, Visit, WriteBatch, after_prefix};
use crate::{Error, Result};

/// Memtables at once: one that is written, one on its way to a file.
const MEMTABLES: i32 = 2;
/// Steps in which the store reserves space for its log of changes and for the description of its files. Its own defaults, 1.1
/// memtables and 4 MiB, were 12.8 MiB on disk for 0.05 MiB of content.
const LOG_STEP_BYTES: u64 = 1 << 20;
const DESCRIPTION_STEP_BYTES: usize = 64 << 10;

/// Memory and compaction limits of one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RocksOptions {
    /// Bytes of one memtable before it is flushed. Default 4 MiB: a store holds checkpoints, not rows.
    pub memtable_bytes: usize,
    /// Bytes of the block cache. Default 16 MiB.
    pub block_cache_bytes: usize,
    /// Files RocksDB may keep open. Default 256.
    pub open_files_max: i32,
}

impl Default for RocksOptions {
    fn default() -> Self {
        Self { memtable_bytes: 4 << 20, block_cache_bytes: 16 << 20, open_files_max: 256 }
    }
}

impl RocksOptions {
    /// Bytes that opening may write at most: what all memtables held becomes files, beside them what every opening writes.
    #[must_use]
    pub fn opening_bytes(&self) -> u64 {
        self.memtable_bytes as u64 * u64::from(MEMTABLES.unsigned_abs()) + self.beside_bytes()
    }

    /// Bytes that every opening may write: a description of the files, a new log, options, its own messages.
    #[must_use]
    pub fn beside_bytes(&self) -> u64 {
        3 << 20
    }
}

/// A [`Kv`] over one RocksDB directory.
pub struct RocksKv {
    db: DB,
}

impl std::fmt::Debug for RocksKv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RocksKv({})", self.db.path().display())
    }
}

impl RocksKv {
    /// Opens the store in `dir`, creating it when missing. One process at a time: take a [`crate::DirLock`] above it first.
    pub fn open(dir: &Path, options: RocksOptions) -> Result<Self> {
        let mut db = Options::default();
        db.create_if_missing(true);
        db.set_write_buffer_size(options.memtable_bytes);
        db.set_max_write_buffer_number(MEMTABLES);
        db.set_max_open_files(options.open_files_max);
        db.set_max_background_jobs(2);
        db.set_keep_log_file_num(2);
        db.set_max_log_file_size(1 << 20);
        db.set_manifest_preallocation_size(DESCRIPTION_STEP_BYTES);
        // With one column family it bounds the reservation and nothing else.
        db.set_max_total_wal_size(LOG_STEP_BYTES);
        db.set_compression_type(rocksdb::DBCompressionType::Lz4);
        // A torn last record is the normal trace of a power cut; anything else must not be skipped over.
        db.set_wal_recovery_mode(rocksdb::DBRecoveryMode::TolerateCorruptedTailRecords);
        let mut table = rocksdb::BlockBasedOptions::default();
        table.set_block_cache(&rocksdb::Cache::new_lru_cache(options.block_cache_bytes));
        table.set_bloom_filter(10.0, false);
        db.set_block_based_table_factory(&table);
        let db = DB::open(&db, dir).map_err(kv("open"))?;
        Ok(Self { db })
    }
}

fn kv(op: &'static str) -> impl FnOnce(rocksdb::Error) -> Error {
    move |source| {
        let what = source.into_string();
        if what.contains("No space left") { Error::NoSpace { path: what } } else { Error::Kv { op, what } }
    }
}

fn prefixed(table: Table, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(key.len() + 1);
    full.push(table as u8);
    full.extend_from_slice(key);
    full
}

/// First and after-last key of a range, with the table's prefix. No table has number 255, so an end always exists.
fn bounds(table: Table, range: &KeyRange) -> (Vec<u8>, Vec<u8>) {
    let end = match &range.end {
        Some(end) => prefixed(table, end),
        None => after_prefix(&[table as u8]).unwrap_or_else(|| vec![u8::MAX]),
    };
    (prefixed(table, &range.start), end)
}

impl Kv for RocksKv {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.db.get(prefixed(table, key)).map_err(kv("get"))
    }

    fn visit(&self, table: Table, range: &KeyRange, visit: &mut Visit<'_>) -> Result<()> {
        let (start, end) = bounds(table, range);
        if start >= end {
            return Ok(());
        }
        let mut read = ReadOptions::default();
        read.set_iterate_upper_bound(end);
        for row in self.db.iterator_opt(IteratorMode::From(&start, Direction::Forward), read) {
            let (key, value) = row.map_err(kv("scan"))?;
            if let ControlFlow::Break(()) = visit(&key[1..], &value) {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, batch: &WriteBatch, sync: bool) -> Result<()> {
        crate::failpoint::hit("kv.write")?;
        let mut rocks = rocksdb::WriteBatch::default();
        for op in &batch.ops {
            match op {
                KvOp::Put { table, key, value } => rocks.put(prefixed(*table, key), value),
                KvOp::Delete { table, key } => rocks.delete(prefixed(*table, key)),
                KvOp::DeleteRange { table, range } => {
                    let (start, end) = bounds(*table, range);
                    if start < end {
                        rocks.delete_range(start, end);
                    }
                }
            }
        }
        let mut how = WriteOptions::default();
        how.set_sync(sync);
        self.db.write_opt(rocks, &how).map_err(kv("write"))
    }
}
