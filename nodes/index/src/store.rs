//! Index files: written, read, removed. Which of them count is the logs' word, not this module's.
//!
//! ```text
//! indexes/COLLECTION-SHARD/SEGMENT-INDEX-CHECKSUM.idx   block file of kind VIDX around the bytes of `VectorIndex::save`
//! indexes/COLLECTION-SHARD/SEGMENT-INDEX.new            the same, before its name is known
//! indexes/COLLECTION-SHARD/SEGMENT-INDEX-CHECKSUM.idx.CHECKSUM.part   the same, on its way from another node
//! ```
//! A name says which bytes it must hold, so it follows from what the log says, equal builds of two replicas have equal
//! names, and a file built again over a damaged one takes its place. Files are made and removed one at a time.

use crate::error::{Error, Result};
use crate::plan::IndexTarget;
use bytes::Bytes;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use vecraft_index::{VectorIndex, VectorRows};
use vecraft_rpc::copies::WholeFile;
use vecraft_storage::{BlockFile, BlockFileInfo, BlockWriter, Disk};
use vecraft_types::{CollectionId, IndexBuild, ShardId};

/// Directory of all index files.
pub(crate) const ROOT: &str = "indexes";
const KIND: [u8; 4] = *b"VIDX";
/// Newest layout of the envelope's content.
const FORMAT: u32 = 1;

/// A file of which every block was verified, as long as somebody reads it.
pub(crate) struct Mapped(pub BlockFile);

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        self.0.data_unverified()
    }
}

/// Where index files are kept. Clones are the same.
#[derive(Clone)]
pub(crate) struct IndexStore {
    disk: Arc<dyn Disk>,
    /// Held while files are made or removed, so that nobody removes what another one just made.
    one_at_a_time: Arc<Mutex<()>>,
}

impl IndexStore {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> IndexStore {
        IndexStore { disk, one_at_a_time: Arc::default() }
    }

    /// Makes an index durable: file and directory are synced when this returns. `keep` is told of the file before
    /// anybody else may look at the directory.
    pub(crate) fn save<T>(
        &self,
        target: IndexTarget,
        index: &dyn VectorIndex,
        keep: impl FnOnce(BlockFileInfo) -> T,
    ) -> Result<T> {
        let _alone = self.one_at_a_time.lock();
        let dir = shard_dir(target.shard);
        self.disk.create_dir_all(&dir)?;
        let new = format!("{dir}/{}.new", stem(target));
        let mut out =
            Out { file: BlockWriter::create(self.disk.clone(), &new, KIND, FORMAT)?, refused: None };
        if let Err(error) = index.save(&mut out) {
            // The storage's own error says more (a full disk) than the one that went through `io::Write`.
            return Err(out.refused.map_or(Error::Index(error), Error::Storage));
        }
        let info = out.file.finish()?;
        self.disk.rename(&new, &path(target, info.checksum))?;
        self.disk.sync_dir(&dir)?;
        Ok(keep(info))
    }

    /// Reads a build's file, or maps it; every byte is verified before one is used. Of a mapped one the rows will be read in no order,
    /// which the segment takes back when the index is detached; whoever does not attach it takes it back himself
    /// ([`VectorRows::advise`]).
    pub(crate) fn load(
        &self,
        target: IndexTarget,
        build: &IndexBuild,
        rows: VectorRows,
        is_mapped: bool,
    ) -> Result<Arc<dyn VectorIndex>> {
        let file = self.whole(target, build)?;
        let bytes = file.bytes(0..file.info().data_bytes)?;
        if !is_mapped {
            let index = vecraft_index::open(bytes, rows.clone())?;
            rows.advise(false);
            return Ok(index);
        }
        // Memory is short, or is to be kept for others. Already opening looks at rows here and there.
        rows.advise(true);
        let opened = vecraft_index::open_mapped(&Bytes::from_owner(Mapped(file)), rows.clone());
        Ok(opened.inspect_err(|_| rows.advise(false))?)
    }

    /// Whether a build's file is here, to the last byte.
    pub(crate) fn has(&self, target: IndexTarget, build: &IndexBuild) -> bool {
        self.whole(target, build).is_ok_and(|file| file.verify_all().is_ok())
    }

    fn whole(&self, target: IndexTarget, build: &IndexBuild) -> Result<BlockFile> {
        let path = path(target, build.checksum);
        let file = BlockFile::open(self.disk.as_ref(), &path, KIND, FORMAT)?;
        let found = file.info().checksum;
        if found != build.checksum {
            return Err(Error::OtherFile { path, found, named: build.checksum });
        }
        Ok(file)
    }

    /// Removes the target's files but the one of `kept`; answers how many went.
    pub(crate) fn remove(&self, target: IndexTarget, kept: Option<&IndexBuild>) -> Result<usize> {
        let _alone = self.one_at_a_time.lock();
        let kept = kept.map(|build| path(target, build.checksum));
        let is_of_target = |name: &str| {
            let rest = name.strip_prefix(&stem(target));
            rest.is_some_and(|rest| rest.starts_with(['-', '.']))
        };
        let dir = shard_dir(target.shard);
        if !self.disk.exists(&dir)? {
            return Ok(0);
        }
        self.remove_in(&dir, |name| is_of_target(name) && kept.as_deref() != Some(&format!("{dir}/{name}")))
    }

    /// Removes every file that `counts` does not know; answers how many went. `counts` is given the shard that a
    /// directory's name says and answers the builds whose files stay, or none when nobody can say, so that all stay. It
    /// is asked while no file is made.
    pub(crate) fn sweep(
        &self,
        counts: impl Fn(ShardId) -> Option<Vec<(IndexTarget, IndexBuild)>>,
    ) -> Result<usize> {
        let mut removed = 0;
        if !self.disk.exists(ROOT)? {
            return Ok(removed);
        }
        for entry in self.disk.list(ROOT)?.into_iter().filter(|entry| entry.is_dir) {
            let _alone = self.one_at_a_time.lock();
            let named = match shard_of(&entry.name).map(&counts) {
                Some(None) => continue,
                Some(Some(named)) => named,
                // No shard has such a name.
                None => Vec::new(),
            };
            let dir = format!("{ROOT}/{}", entry.name);
            let stays = |name: &str| {
                let file = format!("{dir}/{name}");
                // What came of a file so far is worth something until all of it is here.
                named.iter().any(|(target, build)| {
                    let path = path(*target, build.checksum);
                    file == path || is_part_of(&file, &path) && !self.disk.exists(&path).unwrap_or(false)
                })
            };
            removed += self.remove_in(&dir, |name| !stays(name))?;
        }
        Ok(removed)
    }

    /// Removes the files of a directory that are `unwanted`, and the directory when none is left.
    fn remove_in(&self, dir: &str, unwanted: impl Fn(&str) -> bool) -> Result<usize> {
        let files = self.disk.list(dir)?;
        let doomed: Vec<_> = files.iter().filter(|file| unwanted(&file.name)).collect();
        for file in &doomed {
            tracing::info!(dir, file = file.name, "removing an index file that no log names");
            self.disk.remove_file(&format!("{dir}/{}", file.name))?;
        }
        if doomed.len() == files.len() {
            self.disk.remove_dir_all(dir)?;
        }
        Ok(doomed.len())
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
    shard_dir_in(ROOT, shard)
}

/// The directory of a shard's files below another one.
pub(crate) fn shard_dir_in(root: &str, shard: ShardId) -> String {
    format!("{root}/{}-{}", shard.collection, shard.index)
}

/// The other way round.
pub(crate) fn shard_of(dir: &str) -> Option<ShardId> {
    let (collection, index) = dir.split_once('-')?;
    let shard = ShardId { collection: CollectionId(collection.parse().ok()?), index: index.parse().ok()? };
    (shard_dir(shard).strip_prefix(ROOT)?.strip_prefix('/') == Some(dir)).then_some(shard)
}

fn stem(target: IndexTarget) -> String {
    format!("{}-{}", target.segment, target.index)
}

/// A build's file as it is asked for on another node.
pub(crate) fn whole_file(target: IndexTarget, build: &IndexBuild) -> WholeFile {
    let (path, bytes, checksum) = (path(target, build.checksum), build.file_bytes, build.checksum);
    WholeFile { path, kind: KIND, format: FORMAT, bytes, checksum }
}

/// Whether this is what there is of a file that is on its way.
fn is_part_of(name: &str, path: &str) -> bool {
    name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.') && rest.ends_with(".part"))
}

fn path(target: IndexTarget, checksum: u64) -> String {
    format!("{}/{}-{checksum:016x}.idx", shard_dir(target.shard), stem(target))
}
