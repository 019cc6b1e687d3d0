//! What a fetch that was cut off finds again when this node comes back from a restart.
//!
//! ```text
//! fetch begins ── record: position, list of files, synced ── old pin let go, what nobody wants goes ── pull ...
//!      restart ── record above this replica's checkpoint? ── its files are pinned, everything else unnamed goes (I13)
//!  install, or a checkpoint of this replica's own at or above its position ── the record goes in the same batch
//! ```
//! So no more is kept than the newest list names. Nothing of it is believed: a file that is here whole is verified to
//! its last byte before it is passed over, as in any fetch, and a file in parts when its last part came.
//!
//! A file in parts that has *all* its bytes is not kept. Its sync may have failed, and the process ended before it could
//! remove the file; a second sync might answer Ok without the bytes (I7). A shorter one was never synced.

use super::fetch::names;
use super::pins::{Pin, Pins};
use super::pull::part_of;
use crate::checkpoint::{decode, encode, fetch_key};
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use vecraft_segment::FileManifest;
use vecraft_storage::{Disk, Kv, Table, WriteBatch};
use vecraft_types::{GroupId, LogPosition};

/// The files of a snapshot that is being fetched.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// The snapshot's position.
    pub position: LogPosition,
    /// As the offering node lists them.
    pub files: Vec<FileManifest>,
}

/// Keeps what was fetched until the snapshot is installed or nobody needs it.
pub(crate) struct Fetched {
    pub position: LogPosition,
    _pin: Pin,
}

impl Wanted {
    fn read(kv: &dyn Kv, group: GroupId) -> Result<Option<Wanted>> {
        let bytes = kv.get(Table::Group, &fetch_key(group))?;
        bytes.map(|bytes| decode(&format!("the fetch of group {group}"), &bytes)).transpose()
    }

    /// Remembers it in the place of the fetch before.
    ///
    /// # Errors
    /// Storage errors.
    pub fn note(&self, kv: &dyn Kv, group: GroupId) -> Result<()> {
        let bytes = encode(&format!("the fetch of group {group}"), self)?;
        if kv.get(Table::Group, &fetch_key(group))?.is_some_and(|noted| noted[..] == bytes[..]) {
            return Ok(());
        }
        Ok(kv.put(Table::Group, &fetch_key(group), &bytes, true)?)
    }

    /// Its files, whole and in parts, under every name that they may have here.
    fn paths(&self) -> impl Iterator<Item = String> {
        let names = self.files.iter().flat_map(names);
        names.flat_map(|name| [part_of(&name.path, &name), name.path])
    }

    /// Keeps its files.
    pub fn pin(&self, pins: &Arc<Pins>) -> Fetched {
        Fetched { position: self.position, _pin: pins.pin(self.paths()) }
    }
}

/// The files that a group may have here beside those of its checkpoint, because a fetch is under way or may be gone on
/// with; none when the checkpoint, at this position, reaches as far.
///
/// # Errors
/// Storage errors, a record that cannot be read.
pub fn wanted_files(kv: &dyn Kv, group: GroupId, checkpoint: LogPosition) -> Result<BTreeSet<String>> {
    let wanted = Wanted::read(kv, group)?.filter(|wanted| wanted.position > checkpoint);
    Ok(wanted.iter().flat_map(Wanted::paths).collect())
}

/// Up to which entry a group's copy was being fetched when its node stopped, if one was.
///
/// # Errors
/// Storage errors, a record that cannot be read.
pub fn fetched_until(kv: &dyn Kv, group: GroupId) -> Result<Option<LogPosition>> {
    Ok(Wanted::read(kv, group)?.map(|wanted| wanted.position))
}

/// Nobody offers that copy any more: its files go at the next start, as all that nothing names (I13).
///
/// # Errors
/// Storage errors.
pub fn forget_fetch(kv: &dyn Kv, group: GroupId) -> Result<()> {
    let mut batch = WriteBatch::new();
    batch.delete(Table::Group, fetch_key(group));
    Ok(kv.write(&batch, true)?)
}

/// A checkpoint at this position is in the batch: a snapshot that reaches no further is not wanted any more.
pub(crate) fn forget_reached(batch: &mut WriteBatch, kv: &dyn Kv, group: GroupId, position: LogPosition) {
    match Wanted::read(kv, group) {
        Ok(None) => {}
        Ok(Some(wanted)) if wanted.position > position => {}
        // Of a record that cannot be read nobody can make use.
        Ok(Some(_)) | Err(_) => _ = batch.delete(Table::Group, fetch_key(group)),
    }
}

/// At start: what an earlier life of this node fetched, kept for the next fetch; none when nothing can be used. That is
/// no reason not to start: the fetch begins anew.
pub(crate) fn resume(
    disk: &dyn Disk,
    kv: &dyn Kv,
    group: GroupId,
    checkpoint: LogPosition,
    pins: &Arc<Pins>,
) -> Option<Fetched> {
    let kept = Wanted::read(kv, group).and_then(|wanted| {
        let Some(wanted) = wanted.filter(|wanted| wanted.position > checkpoint) else { return Ok(None) };
        prepare(disk, &wanted)?;
        Ok(Some(wanted.pin(pins)))
    });
    kept.unwrap_or_else(|error| {
        tracing::warn!(%group, %error, "what an earlier fetch of a snapshot left cannot be used: it begins anew");
        None
    })
}

/// Removes what may not be gone on with, and makes the names of the rest durable: the process may have ended between a
/// file's renaming and the sync of its directory.
fn prepare(disk: &dyn Disk, wanted: &Wanted) -> Result<()> {
    let mut dirs = BTreeSet::new();
    for name in wanted.files.iter().flat_map(names) {
        let dir = name.path.rsplit_once('/').map_or("", |(dir, _)| dir).to_owned();
        if !dirs.contains(&dir) && !disk.exists(&dir)? {
            continue;
        }
        dirs.insert(dir);
        let part = part_of(&name.path, &name);
        if disk.exists(&part)? && disk.open(&part, vecraft_storage::OpenMode::Read)?.len()? >= name.bytes {
            disk.remove_file(&part)?;
        }
    }
    dirs.iter().try_for_each(|dir| disk.sync_dir(dir))?;
    Ok(())
}
