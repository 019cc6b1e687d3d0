//! Where the catalogue on this node is newer than a pool group on it, and the entries that make the group fit again (I11).
//!
//! Group 0 is small and arrives at once, a pool group's copy takes its time. So a lone survivor may know of a collection
//! whose shard it never got, and of a partition that was dropped, whose rows it still has. The coordinator has done its work
//! on both and will not do it again. Unmended, the one would never answer and the other's rows would come back.
//!
//! What this does *not* do: it brings no row back, and it touches nothing that the catalogue does not know, which may be
//! older than the group just as well ([`MetaState::unseen`]). What is still being made or dropped is the coordinator's.

use crate::Error;
use bytes::Bytes;
use std::fmt;
use vecraft_data::StoppedShards;
use vecraft_rpc::codec;
use vecraft_state::meta::MetaState;
use vecraft_state::shard::{ShardCommand, ShardEntry};
use vecraft_types::{CollectionDescriptor, DdlPhase, GroupId, PartitionId, ShardId, Timestamp};

/// One difference.
pub(super) struct Amend {
    group: GroupId,
    shard: ShardId,
    collection: String,
    command: ShardCommand,
}

impl Amend {
    /// All of one group.
    pub fn of_group(catalogue: &MetaState, group: GroupId, here: &StoppedShards) -> Vec<Amend> {
        let ready = catalogue.collections().filter(|row| row.phase == DdlPhase::Ready);
        let amends = ready.flat_map(|row| {
            let shards = row.shards.iter().filter(|placed| placed.group == group);
            shards.flat_map(|placed| {
                let amend =
                    |command| Amend { group, shard: placed.shard, collection: row.name.clone(), command };
                commands(catalogue, row, placed.shard, here).into_iter().map(amend)
            })
        });
        amends.collect()
    }

    /// As an entry of the group's log.
    pub fn entry(&self, suggested: Timestamp) -> Result<Bytes, Error> {
        let entry = ShardEntry { shard: self.shard, suggested, command: self.command.clone() };
        Ok(Bytes::from(codec::encode(&entry).map_err(Error::other("write down a shard"))?))
    }
}

fn commands(
    catalogue: &MetaState,
    row: &CollectionDescriptor,
    shard: ShardId,
    here: &StoppedShards,
) -> Vec<ShardCommand> {
    let Some(partitions) = here.partitions(shard) else {
        return vec![ShardCommand::Create { schema: row.schema.clone() }];
    };
    // One that the catalogue gave, and has no more, was dropped. Of a later one it does not know yet.
    let is_dropped = |id: &&PartitionId| {
        id.0 < catalogue.root().next.partition && !row.partitions.iter().any(|kept| kept.id == **id)
    };
    let dropped = partitions.iter().filter(is_dropped);
    dropped.map(|partition| ShardCommand::DropPartition { partition: *partition }).collect()
}

impl fmt::Display for Amend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Amend { group, shard, collection, command } = self;
        match command {
            ShardCommand::DropPartition { partition } => write!(
                f,
                "collection {collection}, shard {shard} of group {group}: still holds rows of partition {partition}, which was \
                 dropped; they are dropped again"
            ),
            _ => write!(
                f,
                "collection {collection}, shard {shard} of group {group}: had not arrived here, ALL ITS ROWS ARE LOST; it is made \
                 anew, empty"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeMap;
    use vecraft_state::meta::{ClusterId, MetaChange, MetaCommand, NodeRow};
    use vecraft_types::api::CreateCollection;
    use vecraft_types::{CollectionId, CollectionSchema, DataType, FieldSchema, NodeId, RequestId};

    const GROUP: GroupId = GroupId(1);

    fn change(state: &mut MetaState, change: MetaChange) {
        state.apply(MetaCommand { suggested: Timestamp::ZERO, change }).outcome.unwrap();
    }

    fn schema() -> CollectionSchema {
        CollectionSchema::new(vec![
            FieldSchema::new("id", DataType::Int64).primary(false),
            FieldSchema::new("v", DataType::FloatVector { dim: 2 }),
        ])
    }

    /// Collections 1, 2, ... of one shard each, with partitions 1, 2, ...
    fn catalogue(names: &[&str]) -> MetaState {
        let mut state = MetaState::default();
        let node = NodeRow { id: NodeId(1), address: String::new() };
        change(&mut state, MetaChange::Bootstrap { cluster: ClusterId(7), node, pool_groups: 1 });
        for name in names {
            let request = CreateCollection {
                name: (*name).to_owned(),
                schema: schema(),
                shards: 1,
                properties: BTreeMap::new(),
                default_consistency: 2,
            };
            let candidates = Vec::new();
            change(&mut state, MetaChange::CreateCollection { request: Box::new(request), candidates });
        }
        state
    }

    fn shard(collection: u64) -> ShardId {
        ShardId { collection: CollectionId(collection), index: 0 }
    }

    fn run(here: &mut StoppedShards, shard: ShardId, command: ShardCommand) {
        let entry = ShardEntry { shard, suggested: Timestamp::ZERO, command };
        here.apply(&codec::encode(&entry).unwrap());
    }

    fn insert(partition: u64) -> ShardCommand {
        ShardCommand::Insert {
            request: RequestId::default(),
            schema_version: 1,
            partition: PartitionId(partition),
            batch: Bytes::new(),
            is_upsert: false,
        }
    }

    #[test]
    fn i11_a_shard_that_never_arrived_is_made_and_nothing_else_is_touched() {
        let mut state = catalogue(&["here", "lost", "unborn", "gone"]);
        for id in [1, 2, 4] {
            change(&mut state, MetaChange::CollectionReady(CollectionId(id)));
        }
        change(&mut state, MetaChange::DropCollection(CollectionId(4)));
        let mut here = StoppedShards::default();
        run(&mut here, shard(1), ShardCommand::Create { schema: schema() });
        // Of a later history than the catalogue's.
        run(&mut here, shard(99), ShardCommand::Create { schema: schema() });
        let amends = Amend::of_group(&state, GROUP, &here);
        let words: Vec<String> = amends.iter().map(ToString::to_string).collect();
        assert!(words.len() == 1 && words[0].contains("collection lost, shard 2/0 of group 1"), "{words:?}");
        assert!(words[0].contains("ALL ITS ROWS ARE LOST"), "{words:?}");
        here.apply(&amends[0].entry(Timestamp(5)).unwrap());
        assert!(Amend::of_group(&state, GROUP, &here).is_empty(), "done again it does nothing");
        assert!(Amend::of_group(&state, GroupId(2), &StoppedShards::default()).is_empty());
        run(&mut here, shard(1), ShardCommand::Drop);
        assert_eq!(Amend::of_group(&state, GROUP, &here).len(), 1);
    }

    #[test]
    fn i11_rows_of_a_dropped_partition_do_not_come_back_and_those_of_an_unknown_one_stay() {
        let mut state = catalogue(&["books"]);
        let collection = CollectionId(1);
        change(&mut state, MetaChange::CollectionReady(collection));
        for name in ["old", "kept"] {
            change(&mut state, MetaChange::CreatePartition { collection, name: name.to_owned() });
        }
        change(&mut state, MetaChange::DropPartition { collection, name: "old".to_owned() });
        let mut here = StoppedShards::default();
        run(&mut here, shard(1), ShardCommand::Create { schema: schema() });
        for partition in [1, 2, 3, 99] {
            run(&mut here, shard(1), insert(partition));
        }
        let amends = Amend::of_group(&state, GROUP, &here);
        let [amend] = amends.as_slice() else { panic!("{} differences", amends.len()) };
        assert_eq!(amend.command, ShardCommand::DropPartition { partition: PartitionId(2) });
        assert!(amend.to_string().contains("partition 2, which was dropped"), "{amend}");
        here.apply(&amend.entry(Timestamp(5)).unwrap());
        assert!(Amend::of_group(&state, GROUP, &here).is_empty());
    }
}
