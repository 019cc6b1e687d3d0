//! Files that nothing names: half-written, superseded and dropped ones (I13).

use super::record::{group_dir, shard_dir};
use crate::error::Result;
use crate::replica::GroupReplica;
use crate::snapshot::pins::{Garbage, Pins};
use std::collections::BTreeSet;
use vecraft_storage::Disk;

/// The files of a group that count, held still. It may grow old without harm as long as no checkpoint is written:
/// entries only take names away.
pub(crate) struct Named {
    root: String,
    /// Directories of the shards here.
    shards: BTreeSet<String>,
    /// Directories of shards dropped since the newest checkpoint: all in them stays until the next.
    dropped: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl GroupReplica {
    /// What the newest checkpoint names. Shards and segments dropped since then still count: a crash brings their
    /// records back, and the log drops them again.
    pub(crate) fn named(&self) -> Named {
        let mut files = self.named_files();
        files.extend(self.vanished.iter().cloned());
        Named {
            root: group_dir(self.group),
            shards: self.shards.keys().map(|id| shard_dir(self.group, *id)).collect(),
            dropped: self.dropped.iter().map(|id| shard_dir(self.group, *id)).collect(),
            files,
        }
    }
}

/// What is in the group's directory and not named.
///
/// # Errors
/// A directory that cannot be read.
pub(crate) fn unnamed(disk: &dyn Disk, named: &Named) -> Result<Vec<Garbage>> {
    let mut garbage = Vec::new();
    if !disk.exists(&named.root)? {
        return Ok(garbage);
    }
    for dir in disk.list(&named.root)?.into_iter().filter(|entry| entry.is_dir) {
        let path = format!("{}/{}", named.root, dir.name);
        if named.dropped.contains(&path) {
            continue;
        }
        if !named.shards.contains(&path) {
            garbage.push(Garbage::Dir(path));
            continue;
        }
        let files = disk.list(&path)?.into_iter().map(|file| format!("{path}/{}", file.name));
        garbage.extend(files.filter(|file| !named.files.contains(file)).map(Garbage::File));
    }
    Ok(garbage)
}

/// What is in the group's directory, not named and not pinned. In a directory of which something is pinned the rest is
/// as loose as elsewhere.
///
/// # Errors
/// A directory that cannot be read.
pub(crate) fn loose(disk: &dyn Disk, named: &Named, pins: &Pins) -> Result<Vec<Garbage>> {
    let mut loose = Vec::new();
    for garbage in unnamed(disk, named)? {
        match &garbage {
            Garbage::Dir(path) if pins.holds(&garbage) => {
                let files = disk.list(path)?.into_iter().filter(|entry| !entry.is_dir);
                loose.extend(files.map(|file| Garbage::File(format!("{path}/{}", file.name))));
            }
            _ => loose.push(garbage),
        }
    }
    Ok(pins.unheld(loose))
}

/// Removes what nothing names. What stays, because the disk refuses, is removed another time. Views that readers still
/// hold are safe: a removed file that is mapped stays readable until the last of them lets go.
pub(crate) fn remove(disk: &dyn Disk, garbage: &[Garbage]) {
    for garbage in garbage {
        let (path, removed) = match garbage {
            Garbage::File(path) => (path, disk.remove_file(path)),
            Garbage::Dir(path) => (path, disk.remove_dir_all(path)),
        };
        match removed {
            Err(error) if !error.is_not_found() => {
                tracing::warn!(path, %error, "cannot remove what no checkpoint names");
            }
            _ => tracing::debug!(path, "removed what no checkpoint names"),
        }
    }
}

/// Removes what neither a replica's newest checkpoint names nor anything pins; answers how many names there were. For who
/// writes no checkpoint meanwhile.
///
/// # Errors
/// A directory that cannot be read.
pub fn remove_unnamed(disk: &dyn Disk, replica: &GroupReplica) -> Result<usize> {
    let garbage = loose(disk, &replica.named(), &replica.pins)?;
    remove(disk, &garbage);
    Ok(garbage.len())
}
