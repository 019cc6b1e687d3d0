//! One file from another node, whole or not at all.
//!
//! ```text
//! PATH.CHECKSUM.part   written from front to back; its length is where the next attempt goes on
//!   all bytes there ── sync ── verify every block ── rename to PATH ── sync the directory
//! ```
//! After a sync that failed nothing of the file is kept, nor its name after a directory's (I7).
//! The checksum in the temporary name keeps attempts apart that want other bytes under the same name.

use super::Source;
use crate::error::{Error, Result};
use std::sync::Arc;
use vecraft_rpc::files::{FileRange, RANGE_BYTES_MAX};
use vecraft_runtime::pools::IoPool;
use vecraft_segment::FileManifest;
use vecraft_storage::{Disk, DiskFile, OpenMode, failpoint};
use vecraft_types::{GroupId, NodeId};

/// Looks at every byte of a file and compares it with what was listed.
pub(super) type Check = Arc<dyn Fn(&dyn Disk, &FileManifest) -> Result<()> + Send + Sync>;

/// A file to be pulled.
#[derive(Clone)]
pub(super) struct Pull {
    pub group: GroupId,
    /// As the other node lists it.
    pub listed: FileManifest,
    /// Its path here.
    pub to: String,
    /// Whether it is what was listed.
    pub check: Check,
}

/// The name of a file while it is incomplete.
pub(super) fn part_of(path: &str, listed: &FileManifest) -> String {
    format!("{path}.{:016x}.part", listed.checksum)
}

impl Pull {
    /// Pulls what is missing of the file.
    ///
    /// # Errors
    /// The other node's words, a file that ends early or is not what was listed, storage errors.
    pub async fn run(self, from: NodeId, source: &Source, disk: &Arc<dyn Disk>, io: &IoPool) -> Result<()> {
        let part = part_of(&self.to, &self.listed);
        let (file, mut at) = on(io, {
            let (disk, part, whole) = (disk.clone(), part.clone(), self.listed.bytes);
            move || begin(disk.as_ref(), &part, whole)
        })
        .await?;
        while at < self.listed.bytes {
            let bytes = (self.listed.bytes - at).min(u64::from(RANGE_BYTES_MAX)) as u32;
            source.throttle.take(u64::from(bytes)).await;
            let range = FileRange { group: self.group, path: self.listed.path.clone(), offset: at, bytes };
            let chunk = source.files.read(from, range).await;
            let chunk =
                chunk.map_err(|why| Error::Elsewhere { path: self.listed.path.clone(), why: why.into() })?;
            if chunk.is_empty() || chunk.len() > bytes as usize {
                let got = chunk.len();
                return Err(
                    self.failed(format!("{got} bytes came for the {bytes} at {at} of {}", self.listed.bytes))
                );
            }
            let length = chunk.len() as u64;
            let file = file.clone();
            on(io, move || Ok(file.write_at(at, &chunk)?)).await?;
            at += length;
        }
        let disk = disk.clone();
        on(io, move || self.end(disk.as_ref(), file.as_ref(), &part)).await
    }

    fn end(&self, disk: &dyn Disk, file: &dyn DiskFile, part: &str) -> Result<()> {
        if let Err(error) = file.sync_data() {
            // What the kernel dropped is unknown, and a second sync may answer Ok without it (I7): all of it anew.
            disk.remove_file(part)?;
            return Err(error.into());
        }
        let pulled = FileManifest { path: part.to_owned(), ..self.listed.clone() };
        if let Err(error) = (self.check)(disk, &pulled) {
            // Nothing of it can be trusted: the next attempt begins with an empty file.
            disk.remove_file(part)?;
            return Err(self.failed(format!("what came is not what was listed: {error}")));
        }
        failpoint::hit("snapshot.before_rename")?;
        disk.rename(part, &self.to)?;
        if let Err(error) = disk.sync_dir(self.to.rsplit_once('/').map_or("", |(dir, _)| dir)) {
            // The next attempt would take the name for durable.
            disk.remove_file(&self.to)?;
            return Err(error.into());
        }
        Ok(())
    }

    fn failed(&self, why: String) -> Error {
        Error::Pull { path: self.listed.path.clone(), why }
    }
}

/// Opens the temporary file; says how much of it is there.
fn begin(disk: &dyn Disk, part: &str, whole: u64) -> Result<(Arc<dyn DiskFile>, u64)> {
    if let Some((dir, _)) = part.rsplit_once('/') {
        disk.create_dir_all(dir)?;
    }
    let file = disk.open(part, OpenMode::OpenOrCreate)?;
    let mut length = file.len()?;
    if length > whole {
        file.truncate(0)?;
        length = 0;
    }
    Ok((file, length))
}

/// Work for a thread that may wait for the disk.
pub(super) async fn on<T: Send + 'static>(
    io: &IoPool,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    io.run(work).await.map_err(|error| Error::Broken(format!("snapshot: {error}")))?
}
