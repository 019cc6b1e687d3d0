//! Which bytes another node may read of this one's index files: those of whole ones, and nothing else. Served before the
//! role itself is there, so it stands on the disk alone.

use crate::store::ROOT;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use vecraft_rpc::files::{FileRange, GroupFiles, RANGE_BYTES_MAX};
use vecraft_runtime::pools::IoPool;
use vecraft_storage::Disk;
use vecraft_types::{Code, Error, Result};

/// This node's index files, and those of others behind them.
pub struct IndexFiles {
    disk: Arc<dyn Disk>,
    io: IoPool,
    others: Arc<dyn GroupFiles>,
}

impl IndexFiles {
    /// On this disk, read by these threads; what is no index file is asked of `others`.
    pub fn new(disk: Arc<dyn Disk>, io: IoPool, others: Arc<dyn GroupFiles>) -> IndexFiles {
        IndexFiles { disk, io, others }
    }
}

#[async_trait]
impl GroupFiles for IndexFiles {
    async fn read(&self, range: FileRange) -> Result<Bytes> {
        if !is_index_file(&range.path) {
            return self.others.read(range).await;
        }
        let disk = self.disk.clone();
        let read = self.io.run(move || read(disk.as_ref(), &range)).await;
        read.map_err(|error| Error::new(Code::NotReady, error.to_string()))?
    }
}

fn read(disk: &dyn Disk, range: &FileRange) -> Result<Bytes> {
    let refused = |error: vecraft_storage::Error| Error::new(Code::Io, error.to_string());
    if !disk.exists(&range.path).map_err(refused)? {
        return Err(Error::new(Code::IndexNotFound, format!("{} is not here", range.path)));
    }
    let bytes = range.bytes.min(RANGE_BYTES_MAX);
    disk.read_range(&range.path, range.offset, bytes).map(Bytes::from).map_err(refused)
}

/// `indexes/COLLECTION-SHARD/SEGMENT-INDEX-CHECKSUM.idx`, whatever a peer may send.
fn is_index_file(path: &str) -> bool {
    let below = path.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix('/'));
    let Some((dir, file)) = below.and_then(|below| below.split_once('/')) else { return false };
    let are_numbers = |name: &str, count: usize| {
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        name.split('-').count() == count && name.split('-').all(is_number)
    };
    are_numbers(dir, 2) && file.strip_suffix(".idx").is_some_and(|stem| are_numbers(stem, 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_index_files_are_read() {
        assert!(is_index_file("indexes/3-0/1-2-00000000deadbeef.idx"));
        for other in [
            "indexes/3-0/1-2.new",
            "indexes/3-0/1-2-00000000deadbeef.idx.00000000deadbeef.part",
            "indexes/../1-2-00000000deadbeef.idx",
            "indexes/3-0/../1-2-3.idx",
            "groups/3-0/1-2-3.idx",
            "indexes/3-0/1-2-3.idx/..",
            "indexes//1-2-3.idx",
            "",
        ] {
            assert!(!is_index_file(other), "{other}");
        }
    }
}
