//! The leader goes, and writes go on.

use super::rig::{Cluster, WAIT, replica, until};
use crate::Error;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_leader_takes_over_and_nothing_acknowledged_is_lost() {
    let mut cluster = Cluster::new(3, 3).await;
    let mut pauses = Vec::new();
    for round in 0..3 {
        for n in 0..50 {
            cluster.write(&format!("{round}-{n}"), "v").await;
        }
        let leader = cluster.leader().await;
        cluster.kill(leader).await;
        let died = Instant::now();
        cluster.write(&format!("after-{round}"), "v").await;
        println!("round {round}: writes again {:?} after the leader's death", died.elapsed());
        assert!(died.elapsed() < WAIT / 2);
        pauses.push(died.elapsed());
        cluster.restart(leader).await;
    }
    cluster.agree(&[1, 2, 3], |pages| pages.len() == 153).await;
    // By the clock alone nobody asks for votes before the lease and the shortest wait after it are over.
    assert!(pauses.iter().min().unwrap() < &Duration::from_millis(1_250), "{pauses:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_that_wrongly_believe_their_leader_gone_do_not_disturb_it() {
    let cluster = Cluster::new(3, 3).await;
    cluster.write("a", "1").await;
    let leader = cluster.leader().await;
    for _ in 0..5 {
        for id in (1..=3).filter(|id| *id != leader) {
            cluster.running(id).host.network().tell_gone(vecraft_types::NodeId(leader));
        }
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(500) {
            cluster.group(leader).read_index().await.unwrap();
            assert!(cluster.group(leader).is_leader(), "the leader was disturbed");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_at_once_come_back_with_everything_acknowledged() {
    let mut cluster = Cluster::new(3, 3).await;
    for n in 0..100 {
        cluster.write(&n.to_string(), "v").await;
    }
    for id in 1..=3 {
        cluster.kill(id).await;
    }
    for id in 1..=3 {
        cluster.restart(id).await;
    }
    for id in 1..=3 {
        cluster.group(id).recovered(WAIT).await.unwrap();
        assert_eq!(cluster.pages(id).len(), 100, "node {id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_handed_its_own_place_goes_on() {
    let cluster = Cluster::new(1, 1).await;
    cluster.write("a", "1").await;
    let leader = cluster.leader().await;
    cluster.group(leader).transfer_leader(replica(leader), WAIT).await.unwrap();
    cluster.write("b", "1").await;
    cluster.group(leader).read_index().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_handed_over_on_request_without_a_pause() {
    let cluster = Cluster::new(3, 3).await;
    cluster.write("a", "1").await;
    let leader = cluster.leader().await;
    let next = (1..=3).find(|id| *id != leader).unwrap();
    let stranger = cluster.group(leader).transfer_leader(vecraft_types::ReplicaId(99), WAIT).await;
    assert!(matches!(stranger, Err(Error::Refused { .. })));
    let asked = Instant::now();
    cluster.group(leader).transfer_leader(replica(next), WAIT).await.unwrap();
    cluster.write("b", "1").await;
    println!("handed over and written in {:?}", asked.elapsed());
    until("the next one leads", async || cluster.group(next).is_leader()).await;
    let not_leader = cluster.group(leader).transfer_leader(replica(next), WAIT).await;
    assert!(matches!(not_leader, Err(Error::NotLeader { leader: Some(_), .. })));
}
