//! Files of scalar indexes: written, mapped, removed.
//!
//! ```text
//! scalars/COLLECTION-SHARD/SEGMENT-INDEX-CHECKSUM.sci   block file of kind SIDX around the bytes of `vecraft_scalar::build`
//! scalars/COLLECTION-SHARD/SEGMENT-INDEX-CHECKSUM.new   the same while it is written
//! ```
//! The checksum is that of the column file which the index was built over, so a name says everything that its bytes depend
//! on: the index's parameters never change, and its id is never used again.

use crate::error::{Error, Result};
use crate::plan::IndexTarget;
use crate::store::{Mapped, shard_dir_in, shard_of};
use bytes::Bytes;
use std::sync::Arc;
use vecraft_expr::FieldIndex;
use vecraft_scalar::Spec;
use vecraft_storage::{BlockFile, BlockWriter, Disk};
use vecraft_types::ShardId;

/// Directory of all files of scalar indexes.
pub(crate) const ROOT: &str = "scalars";
const KIND: [u8; 4] = *b"SIDX";
/// Newest layout of the envelope's content.
const FORMAT: u32 = 1;

/// Where the files are kept. Clones are the same. One thread at a time makes and removes them.
#[derive(Clone)]
pub(crate) struct ScalarStore {
    disk: Arc<dyn Disk>,
}

impl ScalarStore {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> ScalarStore {
        ScalarStore { disk }
    }

    /// Writes an index. What a crash leaves of it is told by its sums.
    pub(crate) fn save(&self, target: IndexTarget, over: u64, bytes: &[u8]) -> Result<()> {
        self.disk.create_dir_all(&shard_dir_in(ROOT, target.shard))?;
        let path = path(target, over);
        let new = format!("{}.new", path.trim_end_matches(".sci"));
        let mut file = BlockWriter::create(self.disk.clone(), &new, KIND, FORMAT)?;
        file.write(bytes)?;
        file.finish()?;
        Ok(self.disk.rename(&new, &path)?)
    }

    /// The index of a file, mapped, after every byte of it was verified; none when there is no file.
    pub(crate) fn open(
        &self,
        target: IndexTarget,
        over: u64,
        spec: &Spec,
    ) -> Result<Option<(Arc<dyn FieldIndex>, u64)>> {
        let path = path(target, over);
        if !self.disk.exists(&path)? {
            return Ok(None);
        }
        let file = BlockFile::open(self.disk.as_ref(), &path, KIND, FORMAT)?;
        file.verify_all()?;
        let bytes = file.info().file_bytes;
        let index = vecraft_scalar::open(spec, Bytes::from_owner(Mapped(file))).map_err(Error::Scalar)?;
        Ok(Some((index, bytes)))
    }

    /// Removes the files for which `stays` says no; answers how many went. A shard of which `stays` knows nothing keeps its
    /// files.
    pub(crate) fn sweep(&self, stays: impl Fn(ShardId) -> Option<Vec<(IndexTarget, u64)>>) -> Result<usize> {
        let mut removed = 0;
        if !self.disk.exists(ROOT)? {
            return Ok(removed);
        }
        for entry in self.disk.list(ROOT)?.into_iter().filter(|entry| entry.is_dir) {
            let dir = format!("{ROOT}/{}", entry.name);
            let wanted: Vec<String> = match shard_of(&entry.name).map(&stays) {
                Some(None) => continue,
                Some(Some(wanted)) => wanted.into_iter().map(|(target, over)| path(target, over)).collect(),
                // No shard has such a name.
                None => Vec::new(),
            };
            let files = self.disk.list(&dir)?;
            let doomed: Vec<String> = files
                .iter()
                .map(|file| format!("{dir}/{}", file.name))
                .filter(|file| !wanted.contains(file))
                .collect();
            for file in &doomed {
                tracing::info!(file, "removing the file of a scalar index that nobody wants");
                self.disk.remove_file(file)?;
            }
            removed += doomed.len();
            if doomed.len() == files.len() {
                self.disk.remove_dir_all(&dir)?;
            }
        }
        Ok(removed)
    }
}

fn path(target: IndexTarget, over: u64) -> String {
    let IndexTarget { shard, segment, index } = target;
    format!("{}/{segment}-{index}-{over:016x}.sci", shard_dir_in(ROOT, shard))
}
