//! What a directory remembers of its part in the cluster, beside its identity: its replica of group 0, which of the
//! pool's replicas its records and files belong to, and the random bits by which it is known when it joins (I1).
//!
//! A replica of the pool is written down before it first starts here, and crossed out when nothing of it is left: so
//! files of one replica are never taken for those of another.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vecraft_rpc::codec;
use vecraft_runtime::random::Random;
use vecraft_storage::{KeyRange, Kv, Table, WriteBatch};
use vecraft_types::{GroupId, ReplicaId};

const META: &[u8] = b"replica of the metastore";
const DIRECTORY: &[u8] = b"directory";
const POOL: &[u8] = b"replica here of group ";

/// This node's replica of group 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetaReplica {
    pub replica: ReplicaId,
    /// It joined a cluster that existed; until the leader has reached it, it has no state.
    pub joins: bool,
}

/// The replica of group 0, once this directory knows.
pub fn meta_replica(kv: &dyn Kv) -> Result<Option<MetaReplica>, Error> {
    kv.get(Table::Node, META)?.map(|bytes| codec::decode(&bytes).map_err(unreadable)).transpose()
}

/// Adds the replica of group 0 to a batch.
pub fn put_meta_replica(batch: &mut WriteBatch, replica: MetaReplica) -> Result<(), Error> {
    batch.put(Table::Node, META, codec::encode(&replica).map_err(unreadable)?);
    Ok(())
}

/// Writes the replica of group 0 down.
pub fn store_meta_replica(kv: &dyn Kv, replica: MetaReplica) -> Result<(), Error> {
    let mut batch = WriteBatch::new();
    put_meta_replica(&mut batch, replica)?;
    Ok(kv.write(&batch, true)?)
}

/// The random bits of this directory, drawn once.
pub fn directory_id(kv: &dyn Kv, random: &dyn Random) -> Result<u128, Error> {
    if let Some(bytes) = kv.get(Table::Node, DIRECTORY)? {
        return codec::decode(&bytes).map_err(unreadable);
    }
    // Zero stands for "unknown".
    let drawn = random.next_u128().max(1);
    kv.put(Table::Node, DIRECTORY, &codec::encode(&drawn).map_err(unreadable)?, true)?;
    Ok(drawn)
}

/// The replicas of pool groups whose records and files are here.
pub fn pool_replicas(kv: &dyn Kv) -> Result<BTreeMap<GroupId, ReplicaId>, Error> {
    let rows = kv.scan(Table::Node, &KeyRange::prefix(POOL))?;
    rows.iter().map(|(_, value)| codec::decode(value).map_err(unreadable)).collect()
}

/// Writes down, synced, that a replica of a pool group begins here.
pub fn begin_pool_replica(kv: &dyn Kv, group: GroupId, replica: ReplicaId) -> Result<(), Error> {
    let row = codec::encode(&(group, replica)).map_err(unreadable)?;
    Ok(kv.put(Table::Node, &pool_key(group), &row, true)?)
}

/// Crosses a group's replica out: nothing of it is here.
pub fn end_pool_replica(kv: &dyn Kv, group: GroupId) -> Result<(), Error> {
    let mut batch = WriteBatch::new();
    batch.delete(Table::Node, pool_key(group));
    Ok(kv.write(&batch, true)?)
}

fn pool_key(group: GroupId) -> Vec<u8> {
    [POOL, &group.0.to_be_bytes()].concat()
}

fn unreadable(error: codec::Error) -> Error {
    Error::Identity(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vecraft_runtime::random::SeededRandom;
    use vecraft_storage::SimKv;

    #[test]
    fn i1_what_is_written_down_survives_the_power() {
        let kv = SimKv::new(1);
        let random = SeededRandom::new(7);
        let directory = directory_id(&kv, &random).unwrap();
        let meta = MetaReplica { replica: ReplicaId(9), joins: true };
        store_meta_replica(&kv, meta).unwrap();
        begin_pool_replica(&kv, GroupId(3), ReplicaId(12)).unwrap();
        begin_pool_replica(&kv, GroupId(4), ReplicaId(13)).unwrap();
        end_pool_replica(&kv, GroupId(4)).unwrap();
        kv.crash();
        assert_eq!(directory_id(&kv, &random).unwrap(), directory);
        assert_eq!(meta_replica(&kv).unwrap(), Some(meta));
        assert_eq!(pool_replicas(&kv).unwrap(), BTreeMap::from([(GroupId(3), ReplicaId(12))]));
    }
}
