//! Compactions, segments and replicas as clients ask for them and read them.

use super::fake::Fake;
use super::{context, refused};
use crate::proto::common::{CompactionState, CompactionTaskState, SegmentState};
use crate::proto::milvus as pb;
use crate::{compaction, replicas, segments};
use std::sync::Arc;
use vecraft_types::api::*;
use vecraft_types::*;

const BOOKS: i64 = 7;

/// Four segments: 1 and 2 become 4, and 3 grows.
pub fn told(asked: Option<AskedInfo>) -> CollectionSegments {
    let (shard, partition) = (ShardId { collection: CollectionId(7), index: 0 }, PartitionId(1));
    let segment = |id, standing, is_searched| SegmentInfo {
        shard,
        id: SegmentId(id),
        partition,
        rows: id * 10,
        standing,
        is_searched,
        indexed: if id == 1 { vec![FieldId(102)] } else { vec![] },
        memory_bytes: id * 100,
    };
    let segments = vec![
        segment(1, SegmentStanding::Replaced, true),
        segment(2, SegmentStanding::Replaced, true),
        segment(3, SegmentStanding::Growing, true),
        segment(4, SegmentStanding::Flushed, false),
    ];
    let (inputs, output) = (vec![SegmentId(1), SegmentId(2)], SegmentId(4));
    let merges = vec![MergeInfo { shard, partition, inputs, output, is_written: true, seconds_left: None }];
    CollectionSegments { collection: CollectionId(7), segments, merges, asked }
}

fn books() -> pb::ManualCompactionRequest {
    pb::ManualCompactionRequest { collection_name: "books".to_owned(), ..Default::default() }
}

#[tokio::test]
async fn a_compaction_is_named_by_its_collection_and_sized_in_megabytes() {
    let fake = Arc::new(Fake::default());
    let sizes = [(0, None), (1, Some(1 << 20)), (1_024, Some(1 << 30)), (i64::MAX, Some(u64::MAX))];
    for (target_size, bytes_max) in sizes {
        let request = pb::ManualCompactionRequest { target_size, ..books() };
        assert_eq!(compaction::compact(context(&fake), request).await.unwrap().compaction_id, BOOKS);
        let collection = CollectionName::Name("books".to_owned());
        assert_eq!(fake.compacted.lock().take(), Some(CompactRequest { collection, bytes_max }));
    }
    let by_id = pb::ManualCompactionRequest { collection_id: BOOKS, ..Default::default() };
    compaction::compact(context(&fake), by_id).await.unwrap();
    let asked = fake.compacted.lock().take().unwrap();
    assert_eq!(asked.collection, CollectionName::Id(CollectionId(7)));
}

#[tokio::test]
async fn what_compactions_cannot_do_is_refused_by_name_and_not_asked_for() {
    let fake = Arc::new(Fake::default());
    let cases: [(&str, i32, pb::ManualCompactionRequest); 7] = [
        ("is_clustering", 1100, pb::ManualCompactionRequest { major_compaction: true, ..books() }),
        ("is_l0", 1100, pb::ManualCompactionRequest { l0_compaction: true, ..books() }),
        ("partition_id", 1100, pb::ManualCompactionRequest { partition_id: 3, ..books() }),
        ("channel", 1100, pb::ManualCompactionRequest { channel: "x".to_owned(), ..books() }),
        ("segment_ids", 1100, pb::ManualCompactionRequest { segment_ids: vec![1], ..books() }),
        ("target_size is -1", 1100, pb::ManualCompactionRequest { target_size: -1, ..books() }),
        ("no collection", 1101, pb::ManualCompactionRequest::default()),
    ];
    for (name, code, request) in cases {
        refused(compaction::compact(context(&fake), request).await, code, &[name]);
    }
    assert!(fake.compacted.lock().is_none());
}

#[tokio::test]
async fn a_state_is_undefined_until_somebody_asks_and_for_ids_that_mean_nothing() {
    let fake = Arc::new(Fake::default());
    let state = async |id| {
        let request = pb::GetCompactionStateRequest { compaction_id: id };
        let told = compaction::state(context(&fake), request).await.unwrap();
        assert_eq!((told.failed_plan_no, told.timeout_plan_no), (0, 0));
        (told.state(), told.executing_plan_no, told.completed_plan_no)
    };
    use CompactionState::*;
    assert_eq!(state(BOOKS).await, (UndefinedState, 0, 0));
    *fake.asked.lock() = Some(AskedInfo { is_done: false, finished: 2, under_way: 1 });
    assert_eq!(state(BOOKS).await, (Executing, 1, 2));
    *fake.asked.lock() = Some(AskedInfo { is_done: true, finished: 3, under_way: 0 });
    assert_eq!(state(BOOKS).await, (Completed, 0, 3));
    for unknown in [0, -1, 8, i64::MAX, i64::MIN] {
        assert_eq!(state(unknown).await, (UndefinedState, 0, 0), "{unknown}");
    }
}

#[tokio::test]
async fn plans_say_which_segments_become_which() {
    let fake = Arc::new(Fake::default());
    *fake.asked.lock() = Some(AskedInfo { is_done: false, finished: 0, under_way: 1 });
    let by_id = pb::GetCompactionPlansRequest { compaction_id: BOOKS, ..Default::default() };
    let by_name = pb::GetCompactionPlansRequest { collection_name: "books".to_owned(), ..Default::default() };
    for request in [by_id, by_name] {
        let told = compaction::plans(context(&fake), request).await.unwrap();
        assert_eq!(told.state(), CompactionState::Executing);
        let [merge] = &told.merge_infos[..] else { panic!("{told:?}") };
        assert_eq!((&merge.sources[..], merge.target, &merge.targets[..]), (&[1, 2][..], 4, &[4][..]));
        assert_eq!((merge.state(), merge.trigger_id), (CompactionTaskState::Indexing, BOOKS));
        assert_eq!(
            (merge.channel.as_str(), merge.partition_id, merge.collection_id),
            ("7-shard-0", 1, BOOKS)
        );
    }
    let unknown = pb::GetCompactionPlansRequest { compaction_id: 8, ..Default::default() };
    let told = compaction::plans(context(&fake), unknown).await.unwrap();
    assert_eq!((told.state(), told.merge_infos.len()), (CompactionState::UndefinedState, 0));
    let missing = pb::GetCompactionPlansRequest { collection_name: "films".to_owned(), ..Default::default() };
    refused(compaction::plans(context(&fake), missing).await, 100, &["films"]);
}

#[tokio::test]
async fn a_collection_consists_of_outputs_and_searches_read_inputs() {
    let fake = Arc::new(Fake::default());
    let persistent = async |states: &[SegmentState]| {
        let states = states.iter().map(|state| i32::from(*state)).collect();
        let collection_name = "books".to_owned();
        let request = pb::GetPersistentSegmentInfoRequest { collection_name, states, ..Default::default() };
        segments::persistent(context(&fake), request).await.unwrap().infos
    };
    use SegmentState::*;
    let flushed = persistent(&[]).await;
    assert_eq!(flushed.iter().map(|one| (one.segment_id, one.state())).collect::<Vec<_>>(), [(4, Flushed)]);
    let only = &flushed[0];
    assert_eq!((only.num_rows, only.is_sorted, &only.compaction_from[..]), (40, true, &[1, 2][..]));
    assert_eq!((only.collection_id, only.partition_id, only.insert_channel.as_str()), (7, 1, "7-shard-0"));
    let ids =
        |infos: Vec<pb::PersistentSegmentInfo>| infos.iter().map(|one| one.segment_id).collect::<Vec<_>>();
    assert_eq!(ids(persistent(&[Growing, Flushed]).await), [3, 4]);
    assert_eq!(ids(persistent(&[Dropped]).await), [1, 2]);
    assert!(persistent(&[Sealed]).await.is_empty());

    let request =
        pb::GetQuerySegmentInfoRequest { collection_name: "books".to_owned(), ..Default::default() };
    let loaded = segments::loaded(context(&fake), request.clone()).await.unwrap().infos;
    let told: Vec<_> = loaded.iter().map(|one| (one.segment_id, one.state(), one.mem_size)).collect();
    assert_eq!(told, [(1, Sealed, 100), (2, Sealed, 200), (3, Growing, 300)]);
    // Who takes the writes is first.
    assert_eq!((&loaded[0].node_ids[..], loaded[0].node_id), (&[2, 1][..], 2));
    *fake.is_nowhere.lock() = true;
    refused(segments::loaded(context(&fake), request).await, 503, &["7/0"]);
    let missing =
        pb::GetPersistentSegmentInfoRequest { collection_name: "films".to_owned(), ..Default::default() };
    refused(segments::persistent(context(&fake), missing).await, 100, &["films"]);
}

#[tokio::test]
async fn replicas_are_the_nodes_that_read_each_shard() {
    let fake = Arc::new(Fake::default());
    let request =
        pb::GetReplicasRequest { collection_id: BOOKS, with_shard_nodes: true, ..Default::default() };
    let told = replicas::replicas(context(&fake), request.clone()).await.unwrap().replicas;
    let nodes: Vec<_> = told.iter().map(|one| (one.replica_id, &one.node_ids[..])).collect();
    assert_eq!(nodes, [(1, &[2][..]), (2, &[1][..])]);
    let [shard] = &told[0].shard_replicas[..] else { panic!("{told:?}") };
    assert_eq!((shard.leader_id, shard.leader_addr.as_str(), &shard.node_ids[..]), (2, "two:1", &[2][..]));
    assert_eq!((shard.dm_channel_name.as_str(), &told[0].partition_ids[..]), ("7-shard-0", &[1, 2][..]));
    // Asked by name, where another collection is: its nodes are not this one's.
    *fake.is_made_anew.lock() = true;
    refused(replicas::replicas(context(&fake), request.clone()).await, 100, &["books", "another"]);
    *fake.is_made_anew.lock() = false;
    *fake.is_nowhere.lock() = true;
    refused(replicas::replicas(context(&fake), request).await, 503, &["no node"]);
    let missing = pb::GetReplicasRequest { collection_id: 8, ..Default::default() };
    refused(replicas::replicas(context(&fake), missing).await, 100, &["8"]);
    refused(replicas::replicas(context(&fake), pb::GetReplicasRequest::default()).await, 1101, &[]);
}
