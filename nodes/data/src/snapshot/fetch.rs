//! Bringing the files of a snapshot here, unseen.
//!
//! A file keeps the name it has on the other node when that name is free or holds the same bytes here already: sealed
//! files are equal on all replicas (I22), and a tail's name says up to which entry. When the name holds *other* bytes
//! the replicas differ; the file is not replaced, because this node's own checkpoint may name it and must stay whole
//! until the new one is in force (I3). The fetched one then gets its checksum into its name.

use super::Source;
use super::content::Content;
use super::pull::{Check, Pull, on};
use super::wanted::Wanted;
use crate::error::{Error, Result};
use crate::group::{Surroundings, remove_loose};
use crate::machine::{DataMachine, LastWrite};
use parking_lot::Mutex;
use std::sync::Arc;
use vecraft_raft_host::Incoming;
use vecraft_runtime::pools::IoPool;
use vecraft_segment::{FileManifest, match_file, verify_file};
use vecraft_storage::Disk;
use vecraft_types::GroupId;

/// Bytes that must stay free beside what is fetched: for the log, votes, checkpoints (I7).
const FREE_BYTES_MIN: u64 = 64 << 20;

/// The names a file may have here, the better one first.
pub(super) fn names(listed: &FileManifest) -> [FileManifest; 2] {
    let path = &listed.path;
    let stem = path.strip_suffix(".seg").unwrap_or(path);
    let other = format!("{stem}-{:016x}.seg", listed.checksum);
    [listed.clone(), FileManifest { path: other, ..listed.clone() }]
}

/// Fetches what is not here; the machine keeps the pin until the snapshot is installed or another one is fetched.
///
/// # Errors
/// Any: asking again goes on where it was.
pub(crate) async fn fetch(machine: Arc<Mutex<DataMachine>>, snapshot: Incoming) -> Result<()> {
    let (around, writing, group) = {
        let machine = machine.lock();
        (machine.around.clone(), machine.writing.clone(), machine.replica.group)
    };
    // Hundreds of megabytes of a large group: not on a thread that others wait for.
    let wanted = on(&around.io, {
        let (content, position) = (snapshot.content.clone(), snapshot.mark.position());
        move || {
            let content = Content::decode(&content, group, position)?;
            Ok(Wanted { position, files: content.files().cloned().collect() })
        }
    })
    .await?;
    // What a checkpoint under way removes is gone before we look, what a later one would remove is pinned.
    let no_checkpoint = writing.lock_owned().await;
    let missing = on(&around.io, {
        let around = around.clone();
        move || {
            want(&machine, &around, &no_checkpoint, group, &wanted)?;
            drop(no_checkpoint);
            missing(around.disk.as_ref(), group, wanted.files)
        }
    })
    .await?;
    pull_all(group, missing, &snapshot, &around.source, &around.disk, &around.io).await
}

/// From here on these files are wanted, also after a restart, and those of the fetch before no more.
fn want(
    machine: &Mutex<DataMachine>,
    around: &Surroundings,
    last: &LastWrite,
    group: GroupId,
    wanted: &Wanted,
) -> Result<()> {
    wanted.note(around.kv.as_ref(), group)?;
    {
        let mut machine = machine.lock();
        let fetched = wanted.pin(&machine.replica.pins);
        // An earlier fetch's files stay pinned until here, so that going on finds them.
        machine.replica.fetched = Some(fetched);
    }
    // Room for what is wanted. After a checkpoint in doubt the store may name files that the replica does not know of.
    if !last.is_in_doubt
        && let Err(error) = remove_loose(machine, around.disk.as_ref())
    {
        tracing::warn!(%group, %error, "cannot remove what an earlier fetch of a snapshot left");
    }
    Ok(())
}

/// Which files are to be pulled, and under which names. Those that are here are verified to the last byte: once the
/// snapshot is installed there is nothing else to go back to.
fn missing(disk: &dyn Disk, group: GroupId, listed: Vec<FileManifest>) -> Result<Vec<Pull>> {
    let mut missing = Vec::new();
    for listed in listed {
        let names = names(&listed);
        if names.iter().any(|name| verify_file(disk, name).is_ok()) {
            continue;
        }
        let [first, other] = names;
        let is_taken = disk.exists(&first.path)?;
        if is_taken {
            tracing::error!(%group, file = first.path, "a file of this replica differs from another node's: I22");
        }
        let check: Check = Arc::new(|disk, listed| Ok(verify_file(disk, listed)?));
        missing.push(Pull { group, to: if is_taken { other.path } else { first.path }, listed, check });
    }
    let bytes: u64 = missing.iter().map(|pull| pull.listed.bytes).sum();
    room_for(disk, bytes).map_err(|why| Error::Snapshot { group, why })?;
    Ok(missing)
}

/// Refuses what would not leave the disk enough.
pub(crate) fn room_for(disk: &dyn Disk, bytes: u64) -> std::result::Result<(), String> {
    let free = disk.free_bytes().map_err(|error| error.to_string())?;
    if bytes == 0 || free >= bytes.saturating_add(FREE_BYTES_MIN) {
        return Ok(());
    }
    Err(format!(
        "{} MiB are missing here and {} MiB are free, of which {} MiB must stay",
        bytes >> 20,
        free >> 20,
        FREE_BYTES_MIN >> 20
    ))
}

async fn pull_all(
    group: GroupId,
    missing: Vec<Pull>,
    snapshot: &Incoming,
    source: &Source,
    disk: &Arc<dyn Disk>,
    io: &IoPool,
) -> Result<()> {
    let bytes: u64 = missing.iter().map(|pull| pull.listed.bytes).sum();
    let files = missing.len();
    tracing::info!(%group, node = %snapshot.source, files, bytes, "pulling the files of a snapshot");
    for pull in missing {
        pull.run(snapshot.source, source, disk, io).await.map_err(|error| match error {
            Error::Pull { .. } | Error::Elsewhere { .. } => Error::Snapshot { group, why: error.to_string() },
            other => other,
        })?;
    }
    Ok(())
}

/// Gives every file of the snapshot the name that it has here.
///
/// # Errors
/// A file that is not here: it was not fetched.
pub(super) fn localise(disk: &dyn Disk, content: &mut Content) -> Result<()> {
    let group = content.group;
    for file in content.files_mut() {
        let here = names(file).into_iter().find(|name| match_file(disk, name).is_ok());
        let absent = || Error::Snapshot { group, why: format!("{} was not fetched", file.path) };
        *file = here.ok_or_else(absent)?;
    }
    Ok(())
}
