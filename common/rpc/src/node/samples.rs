//! Bytes between nodes, as this version of the protocol has them.
//!
//! A test that fails here, or does not compile any more, says: a program of the last release would not read this. Then
//! [`VERSION`] goes up, unless this release has raised it already, and the sample follows.

#![allow(clippy::unwrap_used)]

use super::{HelloPhase, LetGo, NodeHello, NodeServiceRequest};
use crate::codec;
use crate::membership::{GroupChange, GroupReport, JoinRequest, Joined, NodeReport};
use crate::peer::hello::VERSION;
use crate::services::{DropTarget, PinReply, ShardPin};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use vecraft_types::api::SetLoaded;
use vecraft_types::{
    ClientId, CollectionId, GroupId, IndexId, NodeId, PartitionId, ReplicaId, RequestId, Timestamp,
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
    let request = RequestId { client: ClientId(6), sequence: 7, part: 0 };
    let create =
        NodeServiceRequest::CreatePartition { request, collection: CollectionId(1), name: "p".to_owned() };
    check(create, &[1, 9, 6, 7, 0, 1, 1, b'p']);
    let wish = SetLoaded { collection: "c".to_owned(), loaded: true, replicas: None };
    check(NodeServiceRequest::SetLoaded { collection: CollectionId(1), wish }, &[1, 11, 1, 1, b'c', 1, 0]);
}
