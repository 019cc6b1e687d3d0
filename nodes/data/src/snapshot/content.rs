//! A checkpoint in words for another node: what the store holds of it, and which files.

use super::files::is_of_group;
use super::pins::{Pin, Pins};
use crate::checkpoint::{GroupRecord, ShardRecord, decode, encode, group_key, read_digest, shard_key};
use crate::error::{Error, Result};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use vecraft_raft_host::{Mark, Offer};
use vecraft_segment::{FileManifest, decode_deletes};
use vecraft_storage::{KeyRange, Kv, Table};
use vecraft_types::{GroupId, LogPosition};

/// A message between nodes has at most 64 MiB; this leaves room around it. States and delete lists of four million
/// deleted rows are below; above it the group has nothing to offer and says so, and a replica that is too far behind
/// stays behind.
const CONTENT_BYTES_MAX: usize = 56 << 20;
/// A checkpoint that was written while it was read is read again, so often at most.
const READ_TRIES: u32 = 8;

/// See the [module](self).
#[derive(Serialize, Deserialize)]
pub(crate) struct Content {
    pub group: GroupId,
    pub record: GroupRecord,
    /// The running hash at its position (I23).
    pub chain: Option<u64>,
    pub shards: Vec<ShardRecord>,
    /// Rows of `Table::Deletes`, key and value as they are: ids of groups, shards and segments are the same everywhere.
    pub deletes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What the group offers to a replica that is too far behind; `None` before its first checkpoint. The caller holds the
/// machine's lock: a checkpoint takes it between writing its records and removing files, so what is read here is
/// pinned before it could go.
///
/// # Errors
/// Storage errors, records that do not decode, a checkpoint too large to be described.
pub(crate) fn offer(kv: &dyn Kv, group: GroupId, pins: &Arc<Pins>) -> Result<Option<Offer>> {
    let Some(content) = Content::read(kv, group)? else { return Ok(None) };
    let bytes = encode(&format!("group {group} as a snapshot"), &content)?;
    if bytes.len() > CONTENT_BYTES_MAX {
        return Err(Error::TooLarge { group, bytes: bytes.len(), max: CONTENT_BYTES_MAX });
    }
    let pin: Pin = pins.pin(content.files().map(|file| file.path.clone()));
    let mark = Mark::decode(&content.record.mark)?;
    Ok(Some(Offer { mark, content: bytes.into(), pin: Some(Arc::new(pin)) }))
}

impl Content {
    /// The group's newest checkpoint. Its records change in one batch, but are read one by one: the group's own, which
    /// differs in every checkpoint, is looked at before and after.
    fn read(kv: &dyn Kv, group: GroupId) -> Result<Option<Content>> {
        let key = group_key(group);
        for _ in 0..READ_TRIES {
            let Some(before) = kv.get(Table::Group, &key)? else { return Ok(None) };
            let chain = read_digest(kv, group)?;
            let shards = kv.scan(Table::Shard, &KeyRange::prefix(&key))?;
            let deletes = kv.scan(Table::Deletes, &KeyRange::prefix(&key))?;
            if kv.get(Table::Group, &key)?.as_ref() != Some(&before) {
                continue;
            }
            let shards = shards.iter().map(|(_, bytes)| decode(&format!("a shard of group {group}"), bytes));
            return Ok(Some(Content {
                group,
                chain,
                record: decode(&format!("group {group}"), &before)?,
                shards: shards.collect::<Result<_>>()?,
                deletes,
            }));
        }
        Err(Error::Broken(format!(
            "group {group}: its checkpoint changed {READ_TRIES} times while it was read"
        )))
    }

    /// Reads what another node sent, and believes nothing of it that would lead out of the group.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &Bytes, group: GroupId, at: LogPosition) -> Result<Content> {
        let content: Content = decode(&format!("group {group} as a snapshot"), bytes)?;
        content.check(group, at).map_err(|why| Error::Snapshot { group, why })?;
        Ok(content)
    }

    fn check(&self, group: GroupId, at: LogPosition) -> std::result::Result<(), String> {
        if (self.group, self.record.position) != (group, at) {
            return Err(format!("it is of group {} at {}", self.group, self.record.position));
        }
        if let Some(foreign) = self.files().find(|file| !is_of_group(group, &file.path)) {
            return Err(format!("{:?} is no file of this group", foreign.path));
        }
        let keys: BTreeSet<Vec<u8>> =
            self.shards.iter().map(|shard| shard_key(group, shard.state.id)).collect();
        if keys.len() != self.shards.len() {
            return Err("it names a shard twice".to_owned());
        }
        for (key, list) in &self.deletes {
            let is_known = key.len().checked_sub(8).is_some_and(|shard| keys.contains(&key[..shard]));
            if !is_known || decode_deletes(list).is_none() {
                return Err(format!("the delete list {key:02x?} is of no shard of it, or unreadable"));
            }
        }
        Ok(())
    }

    /// Its files, as the offering node names them.
    pub fn files(&self) -> impl Iterator<Item = &FileManifest> {
        self.shards.iter().flat_map(|shard| shard.files.values()).flat_map(|segment| &segment.files)
    }

    /// The same, to be named anew.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut FileManifest> {
        self.shards
            .iter_mut()
            .flat_map(|shard| shard.files.values_mut())
            .flat_map(|segment| &mut segment.files)
    }
}
