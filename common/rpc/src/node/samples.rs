//! Bytes between nodes, as this version of the protocol has them.
//!
//! A test that fails here, or does not compile any more, says: a program of the last release would not read this. Then
//! [`VERSION`] goes up, unless this release has raised it already, and the sample follows.

#![allow(clippy::unwrap_used)]

use super::{HelloPhase, LetGo, NodeHello, NodeServiceRequest};
use crate::codec;
use crate::membership::{GroupChange, GroupReport, JoinRequest, Joined, NodeReport};
use crate::peer::hello::VERSION;
use crate::services::{
    DropTarget, Nearer, PinReply, ShardCompact, ShardExplain, ShardExplained, ShardKey, ShardPin,
    ShardSegments, ShardStats,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use vecraft_types::api::{
    AskedInfo, KeyExplanation, KeyVerdict, MergeInfo, SegmentExplanation, SegmentInfo, SegmentPhase,
    SegmentStanding, SegmentStrategy, SetLoaded, ShardExplanation, WayTaken,
};
use vecraft_types::{
    ClientId, CollectionId, FieldId, GroupId, IndexId, NodeId, PartitionId, PrimaryKey, ReplicaId, RequestId,
    SegmentId, ShardId, Timestamp,
};

#[track_caller]
fn check(value: impl Serialize, bytes: &[u8]) {
    assert_eq!(codec::encode(&value).unwrap(), bytes);
}

#[test]
fn messages_are_those_of_this_version() {
    assert_eq!(VERSION, 2, "then look at every sample here");
    let phase = HelloPhase::Formed { cluster: 7 };
    check(
        NodeHello { node: NodeId(3), config_hash: 5, version: "v".to_owned(), phase },
        &[1, 3, 5, 1, b'v', 2, 7],
    );
    check(HelloPhase::Told { cluster: 7 }, &[1, 3, 7]);
    check(LetGo { is_removed: true, speaks_for: vec![7] }, &[1, 1, 1, 7]);
    let request = JoinRequest {
        node: NodeId(3),
        address: "h:1".to_owned(),
        directory: 9,
        cluster_name: "c".to_owned(),
        is_listed: true,
        is_query_only: false,
        replication: 4,
        groups_per_node: 2,
    };
    check(request, &[1, 3, 3, b'h', b':', b'1', 9, 1, b'c', 1, 0, 4, 2]);
    let joined = Joined { cluster: 7, replica: ReplicaId(8), nodes: vec![(NodeId(1), "a".to_owned())] };
    check(joined, &[1, 7, 8, 1, 1, 1, b'a']);
    let group = GroupReport {
        group: GroupId(1),
        leader: ReplicaId(2),
        guard: vec![3],
        voters: BTreeMap::from([(ReplicaId(2), NodeId(4))]),
        learners: BTreeMap::new(),
        is_joint: false,
        is_committed: true,
        near: BTreeSet::from([ReplicaId(2)]),
        behind: BTreeMap::from([(ReplicaId(5), 6)]),
    };
    let report = NodeReport {
        leads: vec![group],
        unfit: None,
        unfit_in: BTreeMap::new(),
        out_of_service: BTreeMap::new(),
    };
    check(report, &[1, 1, 1, 2, 1, 3, 1, 2, 4, 0, 0, 1, 1, 2, 1, 5, 6, 0, 0, 0]);
    check(GroupChange::Lead(ReplicaId(2)), &[1, 3, 2]);
    let (shard, partition) = (ShardId::default(), PartitionId(4));
    let segment = SegmentInfo {
        shard,
        id: SegmentId(3),
        partition,
        rows: 5,
        standing: SegmentStanding::Replaced,
        is_searched: true,
        indexed: vec![FieldId(6)],
        memory_bytes: 7,
    };
    let (inputs, output) = (vec![SegmentId(3)], SegmentId(8));
    let merge = MergeInfo { shard, partition, inputs, output, is_written: true, seconds_left: Some(6) };
    let asked = AskedInfo { is_done: true, finished: 9, under_way: 2 };
    let segments = ShardSegments { segments: vec![segment], merges: vec![merge], asked: Some(asked) };
    check(segments, &[1, 1, 0, 0, 3, 4, 5, 3, 1, 1, 6, 7, 1, 0, 0, 4, 1, 3, 8, 1, 1, 6, 1, 1, 9, 2]);
    let stats = ShardStats {
        rows: BTreeMap::from([(PartitionId(4), 5)]),
        segments: vec![(SegmentId(3), 5, true)],
        pending_index_rows: BTreeMap::from([(IndexId(6), 5)]),
        damage: None,
        position: Default::default(),
        timestamp: Timestamp(7),
        index_failures: BTreeMap::from([(IndexId(6), "w".to_owned())]),
    };
    check(stats, &[1, 1, 4, 5, 1, 3, 5, 1, 1, 6, 5, 0, 0, 7, 1, 6, 1, b'w']);
}

/// One that were put in between would give all behind it another number.
#[test]
fn verbs_keep_their_numbers() {
    check(NodeServiceRequest::Stats { shard: Default::default() }, &[1, 2, 0, 0]);
    check(NodeServiceRequest::Digest { group: GroupId(1) }, &[1, 15, 1]);
    check(NodeServiceRequest::Relieve { group: GroupId(1) }, &[1, 26, 1]);
    let target = DropTarget::Index { collection: CollectionId(1), index: IndexId(2) };
    check(NodeServiceRequest::DropExactly { target }, &[1, 28, 2, 1, 2]);
    let (shard, newest_partition) = (Default::default(), PartitionId(6));
    let pin = ShardPin { shard, timestamp: Timestamp(5), newest_partition, deadline_ms: 7 };
    check(NodeServiceRequest::Pin { pin }, &[1, 29, 0, 0, 5, 6, 7]);
    check(PinReply::Passed(Timestamp(5)), &[1, 1, 5]);
    let ask = ShardCompact { shard, bytes_max: 5, deadline_ms: 7 };
    check(NodeServiceRequest::Compact { ask }, &[1, 30, 0, 0, 5, 7]);
    check(NodeServiceRequest::Segments { shard }, &[1, 31, 0, 0]);
    let request = RequestId { client: ClientId(6), sequence: 7, part: 0 };
    let create =
        NodeServiceRequest::CreatePartition { request, collection: CollectionId(1), name: "p".to_owned() };
    check(create, &[1, 9, 6, 7, 0, 1, 1, b'p']);
    let wish = SetLoaded { collection: "c".to_owned(), loaded: true, replicas: None };
    check(NodeServiceRequest::SetLoaded { collection: CollectionId(1), wish }, &[1, 11, 1, 1, b'c', 1, 0]);
}

/// What travels when a search explains itself; when not, one byte says so at the end of the question and of the answer.
#[test]
fn explanations_are_those_of_this_version() {
    let none: Option<ShardExplain> = None;
    check(none, &[1, 0]);
    let key = PrimaryKey::Int64(-3);
    check(ShardExplain { keys: vec![key.clone()], distances: vec![1.0] }, &[1, 1, 0, 5, 1, 0, 0, 128, 63]);
    let way = WayTaken { strategy: SegmentStrategy::ListsProbed, searches: 2 };
    let segment = SegmentExplanation {
        segment: SegmentId(3),
        partition: PartitionId(4),
        phase: SegmentPhase::Sealed,
        rows: 5,
        deleted_rows: 6,
        matches: 7,
        estimated_matches: 8,
        strategy: SegmentStrategy::ListsProbed,
        why: "w".to_owned(),
        ways: vec![way],
        exact_distances: 9,
        code_distances: 10,
        centroid_distances: 11,
        bytes_touched: 12,
        filter_us: 13,
        search_us: 14,
        ..SegmentExplanation::default()
    };
    check(&segment, &[1, 3, 4, 1, 5, 6, 7, 8, 0, 0, 6, 1, b'w', 1, 6, 2, 0, 9, 10, 11, 12, 0, 13, 14]);
    let shard = ShardExplanation {
        shard: 1,
        round: 2,
        node: NodeId(3),
        group: Some(GroupId(4)),
        timestamp: Timestamp(5),
        admission_us: 6,
        barrier_us: 7,
        execute_us: 8,
        fetch_us: 9,
        keys_us: 10,
        proxy_us: 11,
        ..ShardExplanation::default()
    };
    check(&shard, &[1, 1, 2, 3, 1, 4, 0, 5, 6, 7, 8, 9, 10, 11, 0]);
    let told = KeyExplanation { rank: Some(17), ..KeyExplanation::new(key, KeyVerdict::BeyondLimit) };
    let key = ShardKey { told, distance: None };
    check(&key, &[1, 0, 5, 2, 0, 0, 0, 0, 1, 17, 0, 0, 0, 0, 0, 1, 0]);
    let nearer = vec![Nearer { rows: 1, as_near: 2 }];
    let explained = ShardExplained { shard: ShardExplanation::default(), keys: Vec::new(), nearer };
    check(explained, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2]);
}
