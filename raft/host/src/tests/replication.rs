//! An entry gets to a majority, and a replica that was away gets it later.

use super::rig::{Cluster, GROUP, WAIT, identity, replica, set, until};
use crate::network::message::{self, Ask, Question, Refused, Reply};
use crate::{Birth, Error};
use std::time::Duration;
use vecraft_rpc::peer::{Channel, DialOptions, Lane, Peers};
use vecraft_types::{NodeId, ReplicaId};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_replica_applies_the_same_entries() {
    let cluster = Cluster::new(3, 3).await;
    let leader = cluster.leader().await;
    let group = cluster.group(leader);
    for n in 0..100 {
        set(group, &format!("k{n}"), &"v".repeat(n * 100), WAIT).await.unwrap();
    }
    let pages = cluster.agree(&[1, 2, 3], |pages| pages.len() == 100).await;
    assert_eq!(pages["k99"].len(), 9_900);
    until("the leader hears of its followers' progress", async || {
        let progress = group.progress();
        progress.len() == 2 && progress.iter().all(|p| p.lag == 0 && p.is_voter && p.heard_ms_ago.is_some())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_nothing_is_acknowledged_without_a_majority_and_five_stand_two_deaths() {
    let mut cluster = Cluster::new(5, 5).await;
    cluster.write("before", "1").await;
    let leader = cluster.leader().await;
    let followers: Vec<u64> = (1..=5).filter(|id| *id != leader).collect();
    cluster.kill(followers[0]).await;
    cluster.kill(followers[1]).await;
    cluster.write("with three of five", "1").await;
    cluster.kill(followers[2]).await;
    let alone = set(cluster.group(leader), "with two of five", "1", Duration::from_secs(2)).await;
    assert!(matches!(alone, Err(Error::Deadline { .. } | Error::NoMajority { .. })), "{alone:?}");
    cluster.restart(followers[0]).await;
    cluster.write("with three again", "1").await;
    let live = cluster.live();
    cluster.agree(&live, |pages| pages.contains_key("with three again")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_was_away_catches_up_from_the_log() {
    let mut cluster = Cluster::new(3, 3).await;
    cluster.write("first", "1").await;
    let leader = cluster.leader().await;
    let away = (1..=3).find(|id| *id != leader).unwrap();
    cluster.kill(away).await;
    for n in 0..300 {
        cluster.write(&format!("k{n}"), "while away").await;
    }
    cluster.restart(away).await;
    cluster.agree(&[1, 2, 3], |pages| pages.len() == 301).await;
    cluster.group(away).recovered(WAIT).await.unwrap();
    assert_eq!(cluster.node(away).shelf.installed.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i16_a_read_index_on_a_follower_includes_every_acknowledged_write() {
    let cluster = Cluster::new(3, 3).await;
    let leader = cluster.leader().await;
    for n in 0..50 {
        let value = n.to_string();
        let at = cluster.write("counter", &value).await;
        for id in (1..=3).filter(|id| *id != leader) {
            let position = cluster.read_index(id).await;
            assert!(position >= at, "{position} on node {id}, acknowledged {at}");
            cluster.group(id).wait_published(position, WAIT).await.unwrap();
            let seen: u64 = cluster.pages(id)["counter"].parse().unwrap();
            assert!(seen >= n, "node {id} read {seen} after {n} was acknowledged");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_names_the_leader_and_its_node() {
    let cluster = Cluster::new(3, 3).await;
    cluster.write("a", "1").await;
    let leader = cluster.leader().await;
    let follower = (1..=3).find(|id| *id != leader).unwrap();
    until("the follower knows", async || cluster.group(follower).leader().is_some()).await;
    let refused = set(cluster.group(follower), "b", "1", WAIT).await;
    assert_eq!(refused, Err(Error::NotLeader { group: GROUP, leader: Some(super::rig::location(leader)) }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_a_question_for_another_replica_is_refused_by_name() {
    let mut cluster = Cluster::new(3, 3).await;
    cluster.write("a", "1").await;
    cluster.kill(2).await;
    // Node 2 itself asks, so that the handshake is in order.
    let peers = Peers::new(identity(2), DialOptions::default());
    peers.book().set(NodeId(1), cluster.links.open(2, 1).await);
    let lane = Lane::new(peers, NodeId(1), Channel::Raft, 0);
    let ask = async |group, to| {
        let question = Question { group, from: replica(2), to, ask: Ask::ReadIndex };
        let frame = message::encode(&question, Vec::new()).unwrap();
        match message::decode_reply(&lane.call(frame, WAIT).await.unwrap()).unwrap() {
            Reply::Refused(why) => why,
            other => panic!("{other:?}"),
        }
    };
    let stale = Refused::WrongReplica { group: GROUP, wanted: ReplicaId(99), running: replica(1) };
    assert_eq!(ask(GROUP, ReplicaId(99)).await, stale);
    assert_eq!(ask(vecraft_types::GroupId(5), replica(1)).await, Refused::NoGroup(vecraft_types::GroupId(5)));
    let garbage = lane.call(vecraft_rpc::peer::Frame::new(vec![1, 0, 0, 0, 77]), WAIT).await.unwrap();
    let garbage = message::decode_reply(&garbage).unwrap();
    assert!(matches!(garbage, Reply::Refused(Refused::Malformed(_))), "{garbage:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_a_replica_without_its_state_does_not_start() {
    let mut cluster = Cluster::new(3, 3).await;
    cluster.write("a", "1").await;
    cluster.kill(3).await;
    let (log, _) = vecraft_log_store::NodeLog::open(
        std::sync::Arc::new(vecraft_storage::SimDisk::new(9)),
        "log",
        vecraft_log_store::LogOptions::default(),
    )
    .unwrap();
    let host = crate::Host::new(log).unwrap();
    let machine = super::notebook::Notebook::open(&super::notebook::Shelf::default());
    let spec = crate::GroupSpec { group: GROUP, node: NodeId(3), replica: replica(3), birth: Birth::Resume };
    let refused = host.start_group(spec, std::sync::Arc::new(parking_lot::Mutex::new(machine))).await;
    assert!(matches!(refused, Err(Error::Stopped { .. })));
}
