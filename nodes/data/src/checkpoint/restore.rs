//! From the newest checkpoint back to a replica.

use super::read_digest;
use super::record::*;
use super::unnamed::remove_unnamed;
use crate::digest::Digest;
use crate::error::Result;
use crate::replica::{GroupReplica, Held, Routes, ShardReplica};
use crate::snapshot::wanted::resume;
use std::sync::Arc;
use vecraft_segment::exec::{self, Cancel};
use vecraft_segment::{Deletes, GrowingOptions, SealedSegment, Segment, ViewRegistry, decode_deletes};
use vecraft_storage::{Disk, KeyRange, Kv, Table};
use vecraft_types::{GroupId, KeyIndex, SegmentId, ShardId};

/// Reads a group's newest checkpoint, publishes its views and removes files that neither it nor a fetch under way
/// names (I13).
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
    let (mut replica, mark) = load(disk, kv, group, routes, views, options)?;
    replica.fetched = resume(disk.as_ref(), kv, group, replica.applied, &replica.pins);
    remove_unnamed(disk.as_ref(), &replica)?;
    replica.publish_all();
    Ok((replica, mark))
}

/// Reads a group's newest checkpoint and changes nothing that anybody sees but the routes.
///
/// # Errors
/// As [`restore`].
pub(crate) fn load(
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
        replica.digest = Digest::restored(record.position, read_digest(kv, group)?);
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

/// The mark of a group's newest checkpoint.
///
/// # Errors
/// Storage errors; a record that is damaged.
pub fn checkpoint_mark(kv: &dyn Kv, group: GroupId) -> Result<Option<Vec<u8>>> {
    let Some(bytes) = kv.get(Table::Group, &group_key(group))? else { return Ok(None) };
    Ok(Some(decode::<GroupRecord>(&format!("group {group}"), &bytes)?.mark))
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
        let is_growing = record.state.segments.get(&segment).is_some_and(|s| s.phase.is_growing());
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
