//! Files that nothing names: half-written, superseded and dropped ones (I13).

use super::record::{group_dir, shard_dir};
use crate::error::Result;
use crate::replica::GroupReplica;
use crate::snapshot::pins::Garbage;
use std::collections::BTreeSet;
use std::sync::Arc;
use vecraft_storage::Disk;

/// What is in the group's directory and not named by the checkpoint that the replica was made of.
///
/// # Errors
/// A directory that cannot be read.
pub fn unnamed(disk: &Arc<dyn Disk>, replica: &GroupReplica) -> Result<Vec<Garbage>> {
    let mut garbage = Vec::new();
    let root = group_dir(replica.group);
    if !disk.exists(&root)? {
        return Ok(garbage);
    }
    let named = replica.named_files();
    let shards: BTreeSet<String> = replica.shards.keys().map(|id| shard_dir(replica.group, *id)).collect();
    for dir in disk.list(&root)?.into_iter().filter(|entry| entry.is_dir) {
        let path = format!("{root}/{}", dir.name);
        if !shards.contains(&path) {
            garbage.push(Garbage::Dir(path));
            continue;
        }
        let files = disk.list(&path)?.into_iter().map(|file| format!("{path}/{}", file.name));
        garbage.extend(files.filter(|file| !named.contains(file)).map(Garbage::File));
    }
    Ok(garbage)
}

/// Removes what nothing names. What stays, because the disk refuses, is removed at the next start.
pub fn remove(disk: &dyn Disk, garbage: &[Garbage]) {
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
