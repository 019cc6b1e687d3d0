//! Random histories: the same log gives the same state, ids are never reused, names are unique.

use super::*;
use crate::answers;
use proptest::prelude::*;
use std::collections::BTreeSet;
use vecraft_types::{ClientId, GroupId, IndexId, Metric, PartitionId, RequestId};

fn id() -> impl Strategy<Value = CollectionId> {
    (1u64..8).prop_map(CollectionId)
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![Just("a"), Just("b"), Just("c"), Just("-bad-")].prop_map(str::to_owned)
}

/// Some under a few names, so that they come again.
fn change() -> impl Strategy<Value = MetaChange> {
    let request = |sequence| RequestId { client: ClientId(1), sequence, part: 0 };
    prop_oneof![
        3 => plain_change(),
        1 => (1u64..6, plain_change()).prop_map(move |(sequence, change)| {
            MetaChange::Once { request: request(sequence), change: Box::new(change) }
        }),
    ]
}

fn plain_change() -> impl Strategy<Value = MetaChange> {
    use MetaChange::*;
    let index_type = prop_oneof![Just("FLAT"), Just("HNSW"), Just("NOPE")].prop_map(str::to_owned);
    prop_oneof![
        4 => (name(), 0u32..4, any::<bool>()).prop_map(|(name, shards, one)| {
            let candidates = if one { vec![GroupId(1)] } else { Vec::new() };
            CreateCollection { request: Box::new(vecraft_types::api::CreateCollection { shards, ..request(&name) }), candidates }
        }),
        2 => (name(), 0u32..4).prop_map(|(name, shards)| CreateCollectionOn {
            request: Box::new(vecraft_types::api::CreateCollection { shards, ..request(&name) }),
            groups: vec![GroupId(2), GroupId(7), GroupId(1)],
        }),
        4 => id().prop_map(CollectionReady),
        2 => id().prop_map(DropCollection),
        2 => id().prop_map(CollectionGone),
        2 => (id(), name()).prop_map(|(collection, name)| CreatePartition { collection, name }),
        2 => (id(), name()).prop_map(|(collection, name)| DropPartition { collection, name }),
        1 => (id(), (1u64..20).prop_map(PartitionId)).prop_map(|(collection, partition)| PartitionGone { collection, partition }),
        2 => (id(), name(), index_type).prop_map(|(collection, name, index_type)| CreateIndex {
            collection,
            field: "vector".into(),
            name,
            index_type,
            metric: Some(Metric::L2),
            params: BTreeMap::new(),
        }),
        1 => (id(), name()).prop_map(|(collection, name)| DropIndex { collection, field: "vector".into(), name }),
        1 => (id(), (1u64..20).prop_map(PartitionId)).prop_map(|(collection, partition)| DropPartitionOf { collection, partition }),
        1 => (id(), (1u64..20).prop_map(IndexId)).prop_map(|(collection, index)| DropIndexOf { collection, index }),
        1 => (id(), any::<bool>()).prop_map(|(collection, loaded)| SetLoaded { collection, loaded }),
        1 => (id(), 0u32..3).prop_map(|(collection, replicas)| SetReplicas { collection, replicas }),
        1 => (0u32..3).prop_map(|count| AllocateReplicaIds { count }),
        1 => (0u64..1_000_000).prop_map(|count| AllocateRowIds { count }),
        1 => (0u32..2).prop_map(|count| AddPoolGroups { count, nodes: vec![NodeId(1)] }),
        1 => (4u64..7).prop_map(|id| AdmitQueryOnly {
            node: NodeRow { id: NodeId(id), address: format!("host:{id}") },
            directory: 5,
            is_listed: true,
        }),
        1 => (1u64..4).prop_map(|id| RegisterNode(NodeRow { id: NodeId(id), address: format!("host:{id}") })),
    ]
}

fn commands() -> impl Strategy<Value = Vec<MetaCommand>> {
    // Clocks that jump in both directions.
    let command =
        (0u64..1 << 40, change()).prop_map(|(at, change)| MetaCommand { suggested: Timestamp(at), change });
    prop::collection::vec(command, 0..120)
}

/// Everything ever seen, to notice what comes twice.
#[derive(Default)]
struct Seen {
    collections: BTreeSet<CollectionId>,
    partitions: BTreeMap<PartitionId, CollectionId>,
    row_ids_end: i64,
    replicas_end: u64,
    last: Timestamp,
}

impl Seen {
    fn check(&mut self, state: &MetaState, command: &MetaCommand, reply: &MetaReply, before: &MetaState) {
        assert!(reply.timestamp > self.last && reply.timestamp == state.root().last, "I9");
        self.last = reply.timestamp;
        for row in state.collections() {
            let is_new = before.collection(row.id).is_none();
            assert!(!is_new || self.collections.insert(row.id), "collection {} given twice", row.id);
            for partition in &row.partitions {
                let owner = *self.partitions.entry(partition.id).or_insert(row.id);
                assert_eq!(owner, row.id, "partition {} given twice", partition.id);
            }
            let names: BTreeSet<_> = row.partitions.iter().map(|partition| &partition.name).collect();
            assert_eq!(names.len(), row.partitions.len());
            let fields: BTreeSet<_> = row.indexes.iter().map(|index| index.spec.field).collect();
            assert_eq!(fields.len(), row.indexes.len());
        }
        let live: Vec<_> = state.collections().filter(|row| row.phase != DdlPhase::Dropping).collect();
        let names: BTreeSet<_> = live.iter().map(|row| &row.name).collect();
        assert_eq!(names.len(), live.len(), "names are unique among those that live");
        assert!(
            live.iter().all(|row| state.collection_named(&row.name).is_some_and(|found| found.id == row.id))
        );
        let shards: usize = state.collections().map(|row| row.shards.len()).sum();
        assert_eq!(shards, state.root().groups.values().map(|row| row.shards as usize).sum::<usize>());
        let change = match &command.change {
            MetaChange::Once { request, .. } if before.requests().look_up(request) != answers::Seen::New => {
                assert_eq!(
                    state,
                    &MetaState { root: state.root().clone(), ..before.clone() },
                    "I10: done twice"
                );
                assert_eq!(state.root().next, before.root().next, "I10: done twice");
                return;
            }
            MetaChange::Once { change, .. } => change.as_ref(),
            change => change,
        };
        match (change, &reply.outcome) {
            (MetaChange::AllocateRowIds { count }, Ok(MetaOutcome::RowIds(first))) => {
                assert!(*first >= self.row_ids_end && *first > 0, "row ids given twice");
                self.row_ids_end = first + *count as i64;
            }
            (MetaChange::AllocateReplicaIds { count }, Ok(MetaOutcome::Replicas(first))) => {
                assert!(first.0 >= self.replicas_end, "I1: replica ids given twice");
                self.replicas_end = first.0 + u64::from(*count);
            }
            (MetaChange::AddPoolGroups { .. }, _) => {
                self.replicas_end = self.replicas_end.max(state.root().next.replica)
            }
            // What is refused changes nothing but the time.
            (_, Err(_)) => {
                assert_eq!((&state.collections, &state.names), (&before.collections, &before.names));
                assert_eq!(state.root().groups, before.root().groups);
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn p2_the_same_log_gives_the_same_state(commands in commands()) {
        let (mut one, mut two) = (bootstrapped(), bootstrapped());
        let mut seen = Seen { last: one.root().last, ..Seen::default() };
        for command in commands {
            let before = one.clone();
            let reply = one.apply(command.clone());
            seen.check(&one, &command, &reply, &before);
            prop_assert_eq!(&two.apply(command), &reply);
            // The second copy is restarted from its rows each time.
            let rows: Vec<_> = two.collections().map(|row| (**row).clone()).collect();
            let (placement, requests) = (two.placement().clone(), two.requests().clone());
            two = MetaState::restore(two.root().clone(), rows, Some(placement), requests);
            prop_assert_eq!(&one, &two);
        }
    }

    #[test]
    fn doing_every_pending_job_leaves_none(commands in commands()) {
        let mut state = bootstrapped();
        commands.into_iter().for_each(|command| _ = state.apply(command));
        for job in state.pending() {
            let done = match &job {
                Job::CreateShards(row) => MetaChange::CollectionReady(row.id),
                Job::DropShards(row) => MetaChange::CollectionGone(row.id),
                Job::DropPartition { collection, partition } => {
                    MetaChange::PartitionGone { collection: collection.id, partition: *partition }
                }
            };
            // Twice: a leader may die between the work and its record.
            prop_assert!(reply(&mut state, done.clone()).outcome.is_ok());
            prop_assert!(reply(&mut state, done).outcome.is_ok());
        }
        prop_assert_eq!(state.pending(), []);
    }
}
