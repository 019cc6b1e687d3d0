//! What a checkpoint stores, and under which keys.

use crate::error::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vecraft_rpc::codec;
use vecraft_segment::SegmentManifest;
use vecraft_state::shard::ShardState;
use vecraft_types::{CollectionId, GroupId, LogPosition, SegmentId, ShardId, Timestamp};

/// One row of `Table::Group`: the group's C.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// C.
    pub position: LogPosition,
    /// I9: no later entry may get a smaller one.
    pub last_timestamp: Timestamp,
    /// Log id and membership at C, opaque to us.
    pub mark: Vec<u8>,
}

/// One row of `Table::Shard`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardRecord {
    /// The machine's state.
    pub state: ShardState,
    /// The file of each segment: column file when sealed, tail file when growing. A segment without rows has none.
    pub files: BTreeMap<SegmentId, SegmentManifest>,
}

pub fn group_key(group: GroupId) -> Vec<u8> {
    group.0.to_be_bytes().to_vec()
}

/// Where the group's running hash at C is: eight bytes; not there when nobody can say (I23). A record of its own, so that
/// checkpoints of programs without one stay readable.
pub fn digest_key(group: GroupId) -> Vec<u8> {
    [&group_key(group)[..], b"digest"].concat()
}

/// What a fetch of a snapshot that is under way wants; not there when there is none.
pub fn fetch_key(group: GroupId) -> Vec<u8> {
    [&group_key(group)[..], b"fetch"].concat()
}

pub fn shard_key(group: GroupId, shard: ShardId) -> Vec<u8> {
    let mut key = group_key(group);
    key.extend_from_slice(&shard.collection.0.to_be_bytes());
    key.extend_from_slice(&shard.index.to_be_bytes());
    key
}

/// The shard of a [`shard_key`].
pub fn shard_of(key: &[u8]) -> Option<ShardId> {
    let (_, rest) = key.split_first_chunk::<8>()?;
    let (collection, rest) = rest.split_first_chunk::<8>()?;
    let index = u32::from_be_bytes(rest.try_into().ok()?);
    Some(ShardId { collection: CollectionId(u64::from_be_bytes(*collection)), index })
}

pub fn deletes_key(group: GroupId, shard: ShardId, segment: SegmentId) -> Vec<u8> {
    let mut key = shard_key(group, shard);
    key.extend_from_slice(&segment.0.to_be_bytes());
    key
}

/// Directory of a group's files.
pub fn group_dir(group: GroupId) -> String {
    format!("groups/{group}")
}

/// Directory of a shard's files.
pub fn shard_dir(group: GroupId, shard: ShardId) -> String {
    format!("groups/{group}/{}-{}", shard.collection, shard.index)
}

pub fn encode<T: Serialize>(what: &str, value: &T) -> Result<Vec<u8>> {
    codec::encode(value).map_err(|source| Error::Codec { what: what.to_owned(), source })
}

pub fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T> {
    codec::decode(bytes).map_err(|source| Error::Codec { what: what.to_owned(), source })
}
