//! A checkpoint in words for another node: what the store holds of it, and which files.
//!
//! ```text
//! rows     "" = codec of Head | key = shard record, of each shard | key = delete list, as the store has them
//! ```
//! As long as it has to be: a group's delete lists grow with what was ever deleted. Both ends hold it in memory; it
//! travels in parts (`vecraft_raft_host`).

use super::files::is_of_group;
use super::pins::{Pin, Pins};
use crate::checkpoint::{GroupRecord, ShardRecord, decode, encode, group_key, read_digest, shard_key};
use crate::error::{Error, Result};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;
use vecraft_raft_host::{Mark, Offer};
use vecraft_rpc::rows;
use vecraft_segment::{FileManifest, decode_deletes};
use vecraft_storage::{KeyRange, Kv, Table};
use vecraft_types::{GroupId, LogPosition};

/// A checkpoint that was written while it was read is read again, so often at most.
const READ_TRIES: u32 = 8;

/// Its first row: group, record, running hash, number of shards.
type Head = (GroupId, GroupRecord, Option<u64>, u64);

/// See the [module](self).
pub(crate) struct Content {
    pub group: GroupId,
    pub record: GroupRecord,
    /// The running hash at its position (I23).
    pub chain: Option<u64>,
    pub shards: Vec<ShardRecord>,
    /// Rows of `Table::Deletes`, key and value as they are: ids of groups, shards and segments are the same everywhere.
    pub deletes: Vec<(Bytes, Bytes)>,
}

/// What the group offers to a replica that is too far behind; `None` before its first checkpoint. Blocks for long, and
/// needs no lock: a checkpoint writes its records before it removes files. So when the group's record is the same after
/// the files were pinned as before anything was read, what was read is of one moment and none of its files has gone.
///
/// # Errors
/// Storage errors, records that do not decode.
pub(crate) fn offer(kv: &dyn Kv, group: GroupId, pins: &Arc<Pins>) -> Result<Option<Offer>> {
    let key = group_key(group);
    for _ in 0..READ_TRIES {
        let Some(before) = kv.get(Table::Group, &key)? else { return Ok(None) };
        let content = Content::read(kv, group, &before)?;
        let pin: Pin = pins.pin(content.files().map(|file| file.path.clone()));
        if kv.get(Table::Group, &key)?.as_ref() == Some(&before) {
            let mark = Mark::decode(&content.record.mark)?;
            return Ok(Some(Offer { mark, content: content.encode()?, pin: Some(Arc::new(pin)) }));
        }
    }
    Err(Error::Broken(format!("group {group}: its checkpoint changed {READ_TRIES} times while it was read")))
}

impl Content {
    /// The checkpoint whose group record is this one, if nothing changes meanwhile: its records change in one batch, but
    /// are read one by one.
    fn read(kv: &dyn Kv, group: GroupId, record: &[u8]) -> Result<Content> {
        let prefix = KeyRange::prefix(&group_key(group));
        let chain = read_digest(kv, group)?;
        let shards = kv.scan(Table::Shard, &prefix)?;
        let shards = shards.iter().map(|(_, bytes)| decode(&format!("a shard of group {group}"), bytes));
        let deletes = kv.scan(Table::Deletes, &prefix)?;
        Ok(Content {
            group,
            chain,
            record: decode(&format!("group {group}"), record)?,
            shards: shards.collect::<Result<_>>()?,
            deletes: deletes.into_iter().map(|(key, list)| (key.into(), list.into())).collect(),
        })
    }

    /// Its bytes.
    ///
    /// # Errors
    /// Records that cannot be encoded, a bug.
    pub fn encode(&self) -> Result<Bytes> {
        let group = self.group;
        let no_row = |error: rows::Error| Error::Broken(format!("group {group} as a snapshot: {error}"));
        let lists: usize = self.deletes.iter().map(|(key, list)| key.len() + list.len() + 8).sum();
        let mut out = Vec::with_capacity(lists + (1 << 10));
        let head: (_, _, _, u64) = (group, &self.record, self.chain, self.shards.len() as u64);
        rows::push(&mut out, b"", &encode(&format!("group {group} as a snapshot"), &head)?)
            .map_err(no_row)?;
        for shard in &self.shards {
            let record = encode(&format!("a shard of group {group} as a snapshot"), shard)?;
            rows::push(&mut out, &shard_key(group, shard.state.id), &record).map_err(no_row)?;
        }
        for (key, list) in &self.deletes {
            rows::push(&mut out, key, list).map_err(no_row)?;
        }
        Ok(out.into())
    }

    fn parse(mut bytes: Bytes, group: GroupId) -> Result<Content> {
        let wrong = |why: String| Error::Snapshot { group, why };
        let torn = |error: rows::Error| wrong(error.to_string());
        let (_, head) =
            rows::take(&mut bytes).map_err(torn)?.ok_or_else(|| wrong("it is empty".to_owned()))?;
        let (named, record, chain, shards_told): Head =
            decode(&format!("group {group} as a snapshot"), &head)?;
        let mut shards = Vec::new();
        for told in 0..shards_told {
            let row = rows::take(&mut bytes).map_err(torn)?;
            let (_, record) = row.ok_or_else(|| wrong(format!("it has {told} shards of {shards_told}")))?;
            shards.push(decode(&format!("a shard of group {group} as a snapshot"), &record)?);
        }
        Ok(Content { group: named, record, chain, shards, deletes: rows::rest(bytes).map_err(torn)? })
    }

    /// Reads what another node sent, and believes nothing of it that would lead out of the group.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &Bytes, group: GroupId, at: LogPosition) -> Result<Content> {
        let content = Content::parse(bytes.clone(), group)?;
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
