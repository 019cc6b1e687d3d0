//! Index files and the records that name them.
//!
//! ```text
//! indexes/COLLECTION-SHARD/SEGMENT-INDEX.idx    block file of kind VIDX around the bytes of `VectorIndex::save`
//! Table::Job, "index" COLLECTION SHARD SEGMENT INDEX -> IndexRecord
//! ```
//! Order: file and directory synced, then the record, synced. So a record's file was once whole; a file without a
//! record is what a crash left.

use crate::error::{Error, Result};
use crate::plan::IndexTarget;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use vecraft_index::{VectorIndex, VectorRows};
use vecraft_rpc::codec;
use vecraft_storage::{BlockFile, BlockWriter, Disk, KeyRange, Kv, Table, WriteBatch};
use vecraft_types::{CollectionId, FieldId, IndexId, SegmentId, ShardId};

/// Directory of all index files.
const ROOT: &str = "indexes";
const KIND: [u8; 4] = *b"VIDX";
/// Newest layout of the envelope's content.
const FORMAT: u32 = 1;
const PREFIX: &[u8] = b"index";

/// A durable index file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IndexRecord {
    /// The vector field.
    pub field: FieldId,
    /// Path below the disk's root.
    pub path: String,
    /// Bytes on disk.
    pub file_bytes: u64,
    /// Stands for every byte of the file.
    pub checksum: u64,
    /// Checksum of the column file it was built over.
    pub over: u64,
}

/// Where index files are kept.
#[derive(Clone)]
pub(crate) struct IndexStore {
    disk: Arc<dyn Disk>,
    kv: Arc<dyn Kv>,
}

impl IndexStore {
    pub(crate) fn new(disk: Arc<dyn Disk>, kv: Arc<dyn Kv>) -> IndexStore {
        IndexStore { disk, kv }
    }

    /// All records, after removing files that none of them names (I13).
    pub(crate) fn records(&self) -> Result<BTreeMap<IndexTarget, IndexRecord>> {
        let mut records = BTreeMap::new();
        for (key, bytes) in self.kv.scan(Table::Job, &KeyRange::prefix(PREFIX))? {
            match (target_of(&key), codec::decode(&bytes)) {
                (Some(target), Ok(record)) => {
                    records.insert(target, record);
                }
                // Its file goes with the unnamed ones, and the index is built again.
                (target, _) => tracing::error!(?target, "record of an index file is unreadable, ignoring it"),
            }
        }
        self.sweep(&records)?;
        Ok(records)
    }

    fn sweep(&self, records: &BTreeMap<IndexTarget, IndexRecord>) -> Result<()> {
        if !self.disk.exists(ROOT)? {
            return Ok(());
        }
        let named: BTreeSet<&str> = records.values().map(|record| record.path.as_str()).collect();
        for dir in self.disk.list(ROOT)?.into_iter().filter(|entry| entry.is_dir) {
            let dir = format!("{ROOT}/{}", dir.name);
            for file in self.disk.list(&dir)? {
                let path = format!("{dir}/{}", file.name);
                if !named.contains(path.as_str()) {
                    tracing::info!(path, "removing an index file that no record names");
                    self.disk.remove_file(&path)?;
                }
            }
        }
        Ok(())
    }

    /// Makes an index durable: file, then record.
    pub(crate) fn save(
        &self,
        target: IndexTarget,
        field: FieldId,
        over: u64,
        index: &dyn VectorIndex,
    ) -> Result<IndexRecord> {
        let dir = shard_dir(target.shard);
        self.disk.create_dir_all(&dir)?;
        let path = format!("{dir}/{}-{}.idx", target.segment, target.index);
        let mut out =
            Out { file: BlockWriter::create(self.disk.clone(), &path, KIND, FORMAT)?, refused: None };
        if let Err(error) = index.save(&mut out) {
            // The storage's own error says more (a full disk) than the one that went through `io::Write`.
            return Err(out.refused.map_or(Error::Index(error), Error::Storage));
        }
        let info = out.file.finish()?;
        let record = IndexRecord { field, path, file_bytes: info.file_bytes, checksum: info.checksum, over };
        let bytes = codec::encode(&record).map_err(|error| Error::Record(error.to_string()))?;
        self.kv.put(Table::Job, &key_of(target), &bytes, true)?;
        Ok(record)
    }

    /// Reads a recorded file; every byte is verified before one is used.
    pub(crate) fn load(&self, record: &IndexRecord, rows: VectorRows) -> Result<Arc<dyn VectorIndex>> {
        let file = BlockFile::open(self.disk.as_ref(), &record.path, KIND, FORMAT)?;
        let info = file.info();
        if info.checksum != record.checksum {
            let path = record.path.clone();
            return Err(Error::OtherFile { path, found: info.checksum, recorded: record.checksum });
        }
        Ok(vecraft_index::open(file.bytes(0..info.data_bytes)?, rows)?)
    }

    /// Forgets an index and removes its file. What a crash in between leaves is found at the next start.
    pub(crate) fn remove(&self, target: IndexTarget, record: &IndexRecord) -> Result<()> {
        let mut batch = WriteBatch::new();
        batch.delete(Table::Job, key_of(target));
        self.kv.write(&batch, false)?;
        match self.disk.remove_file(&record.path) {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => {}
        }
        let dir = shard_dir(target.shard);
        if self.disk.exists(&dir)? && self.disk.list(&dir)?.is_empty() {
            self.disk.remove_dir_all(&dir)?;
        }
        Ok(())
    }
}

/// Lets an index write itself into a block file.
struct Out {
    file: BlockWriter,
    refused: Option<vecraft_storage::Error>,
}

impl io::Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|error| {
            let shown = io::Error::other(error.to_string());
            self.refused = Some(error);
            shown
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn shard_dir(shard: ShardId) -> String {
    format!("{ROOT}/{}-{}", shard.collection, shard.index)
}

fn key_of(target: IndexTarget) -> Vec<u8> {
    let mut key = PREFIX.to_vec();
    key.extend_from_slice(&target.shard.collection.0.to_be_bytes());
    key.extend_from_slice(&target.shard.index.to_be_bytes());
    key.extend_from_slice(&target.segment.0.to_be_bytes());
    key.extend_from_slice(&target.index.0.to_be_bytes());
    key
}

fn target_of(key: &[u8]) -> Option<IndexTarget> {
    let rest = key.strip_prefix(PREFIX)?;
    let (collection, rest) = rest.split_first_chunk::<8>()?;
    let (shard, rest) = rest.split_first_chunk::<4>()?;
    let (segment, rest) = rest.split_first_chunk::<8>()?;
    let (index, rest) = rest.split_first_chunk::<8>()?;
    let collection = CollectionId(u64::from_be_bytes(*collection));
    rest.is_empty().then_some(IndexTarget {
        shard: ShardId { collection, index: u32::from_be_bytes(*shard) },
        segment: SegmentId(u64::from_be_bytes(*segment)),
        index: IndexId(u64::from_be_bytes(*index)),
    })
}
