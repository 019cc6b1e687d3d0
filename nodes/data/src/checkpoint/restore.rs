//! From the newest checkpoint back to a replica.

use super::record::*;
use crate::error::Result;
use crate::replica::{GroupReplica, Held, Routes, ShardReplica};
use std::collections::BTreeSet;
use std::sync::Arc;
use vecraft_segment::exec::{self, Cancel};
use vecraft_segment::{
    Deletes, GrowingOptions, SealedSegment, Segment, SegmentManifest, ViewRegistry, decode_deletes,
};
use vecraft_state::shard::SegmentPhase;
use vecraft_storage::{Disk, KeyRange, Kv, Table};
use vecraft_types::{GroupId, KeyIndex, SegmentId, ShardId};

/// Reads a group's newest checkpoint, publishes its views and removes files that it does not name (I13).
/// Returns the replica and the mark, or an empty replica and none when there is no checkpoint.
///
/// # Errors
/// A record or file that is missing or damaged: the replica must not serve, the error says which.
pub fn restore(
    disk: &Arc<dyn Disk>,
    kv: &dyn Kv,
    group: GroupId,
    routes: Arc<Routes>,
    views: Arc<ViewRegistry>,
    options: GrowingOptions,
) -> Result<(GroupReplica, Option<Vec<u8>>)> {
    let mut replica = GroupReplica::new(group, routes, views, options);
    let mut mark = None;
    if let Some(bytes) = kv.get(Table::Group, &group_key(group))? {
        let record: GroupRecord = decode(&format!("group {group}"), &bytes)?;
        replica.applied = record.position;
        replica.state.last_timestamp = record.last_timestamp;
        mark = Some(record.mark);
        for (_, bytes) in kv.scan(Table::Shard, &KeyRange::prefix(&group_key(group)))? {
            restore_shard(
                disk,
                kv,
                &mut replica,
                decode(&format!("a shard of group {group}"), &bytes)?,
                options,
            )?;
        }
    }
    remove_unnamed(disk, &replica)?;
    replica.shard_ids().into_iter().for_each(|id| replica.publish(id, replica.applied));
    Ok((replica, mark))
}

/// The shards that a group's newest checkpoint has, read from its keys alone: for a group whose files are damaged.
///
/// # Errors
/// Storage errors.
pub fn checkpointed_shards(kv: &dyn Kv, group: GroupId) -> Result<Vec<ShardId>> {
    let keys = kv.scan(Table::Shard, &KeyRange::prefix(&group_key(group)))?;
    Ok(keys.iter().filter_map(|(key, _)| shard_of(key)).collect())
}

fn restore_shard(
    disk: &Arc<dyn Disk>,
    kv: &dyn Kv,
    replica: &mut GroupReplica,
    record: ShardRecord,
    options: GrowingOptions,
) -> Result<()> {
    let id = record.state.id;
    let mut shard = ShardReplica::new(record.state.schema.clone());
    shard.checkpointed = replica.applied;
    for (segment, file) in record.files {
        let is_growing =
            record.state.segments.get(&segment).is_some_and(|s| s.phase == SegmentPhase::Growing);
        let opened = if is_growing {
            let growing = vecraft_segment::restore(disk.as_ref(), &file, shard.schema.clone(), options)?;
            Segment::Growing(Arc::new(growing))
        } else {
            let deletes = Arc::new(Deletes::new());
            let sealed = SealedSegment::open(disk.as_ref(), &file, shard.schema.clone(), deletes)?;
            Segment::Sealed(Arc::new(sealed))
        };
        if let Some(bytes) = kv.get(Table::Deletes, &deletes_key(replica.group, id, segment))? {
            restore_deletes(&opened, segment, &bytes)?;
        }
        shard.segments.insert(segment, Held { segment: opened, file: Some(file) });
    }
    // I5: the key index is not stored, the key columns are.
    let view = shard.view(id, replica.applied, replica.state.last_timestamp);
    let keys = &mut shard.keys;
    exec::visit_keys(&view, None, None, Cancel::never(), &mut |key, row| keys.add(key, row))?;
    replica.shards.insert(id, shard);
    replica.routes.add(id, replica.group);
    replica.state.shards.insert(id, record.state);
    Ok(())
}

fn restore_deletes(segment: &Segment, id: SegmentId, bytes: &[u8]) -> Result<()> {
    let list = decode_deletes(bytes)
        .ok_or_else(|| crate::Error::Broken(format!("the delete list of segment {id} is unreadable")))?;
    list.into_iter().for_each(|(row, position)| {
        segment.deletes().delete(row, position);
    });
    Ok(())
}

/// Half-written, superseded and dropped files: whatever no record names.
fn remove_unnamed(disk: &Arc<dyn Disk>, replica: &GroupReplica) -> Result<()> {
    let root = group_dir(replica.group);
    if !disk.exists(&root)? {
        return Ok(());
    }
    let named: BTreeSet<String> = replica
        .shards
        .values()
        .flat_map(|shard| shard.segments.values())
        .filter_map(|held| held.file.as_ref())
        .flat_map(|file: &SegmentManifest| file.files.iter().map(|f| f.path.clone()))
        .collect();
    let shards: BTreeSet<String> = replica.shards.keys().map(|id| shard_dir(replica.group, *id)).collect();
    for dir in disk.list(&root)?.into_iter().filter(|entry| entry.is_dir) {
        let path = format!("{root}/{}", dir.name);
        if !shards.contains(&path) {
            disk.remove_dir_all(&path)?;
            continue;
        }
        for file in disk.list(&path)? {
            let file = format!("{path}/{}", file.name);
            if !named.contains(&file) {
                tracing::info!(file, "removing a file that no checkpoint names");
                disk.remove_file(&file)?;
            }
        }
    }
    Ok(())
}
