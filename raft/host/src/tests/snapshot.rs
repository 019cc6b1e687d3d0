//! A replica that is further behind than the log reaches (I4, I5).

use super::rig::{Cluster, WAIT, location, until};
use crate::Birth;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Beyond what is kept for followers.
const LARGE: usize = 1 << 20;

async fn checkpoint(cluster: &Cluster, id: u64) {
    let running = cluster.running(id);
    let mark = running.machine.lock().checkpoint_now();
    running.group.checkpointed(&mark).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i5_an_empty_replica_joins_by_a_snapshot_and_then_the_log() {
    let mut cluster = Cluster::new(4, 3).await;
    let leader = cluster.leader().await;
    let value = "x".repeat(LARGE);
    for n in 0..45 {
        cluster.write("large", &value).await;
        cluster.write(&format!("k{n}"), "v").await;
    }
    for n in 0..100 {
        cluster.write(&format!("small{n}"), "v").await;
    }
    checkpoint(&cluster, leader).await;
    cluster.write("after the checkpoint", "v").await;
    // The group was not told of this one: it is offered all the same.
    cluster.running(leader).machine.lock().checkpoint_now();

    cluster.node(4).shelf.failing_fetches.store(2, Ordering::SeqCst);
    cluster.start(4, Birth::Join).await;
    let group = cluster.group(leader);
    group.add_learner(cluster.membership(leader), location(4), WAIT).await.unwrap();
    cluster.agree(&[1, 2, 3, 4], |pages| pages.contains_key("after the checkpoint")).await;
    assert_eq!(
        cluster.node(4).shelf.installed.load(Ordering::SeqCst),
        1,
        "by snapshot, after two failed fetches"
    );
    let at = cluster.read_index(4).await;
    cluster.group(4).wait_published(at, WAIT).await.unwrap();

    // And it goes on from there after a crash.
    cluster.write("later", "v").await;
    cluster.kill(4).await;
    cluster.restart(4).await;
    cluster.agree(&[1, 2, 3, 4], |pages| pages.contains_key("later")).await;
    assert_eq!(cluster.node(4).shelf.installed.load(Ordering::SeqCst), 1);
}

/// The snapshot of a lone voter says that there is one voter; whoever installed it is another replica, and its log is empty
/// until it is told of the next entry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_a_replica_that_dies_right_after_a_lone_voters_snapshot_starts_again() {
    let mut cluster = Cluster::new(2, 1).await;
    for n in 0..200 {
        cluster.write(&format!("k{n}"), "v").await;
    }
    checkpoint(&cluster, 1).await;
    cluster.start(2, Birth::Join).await;
    *cluster.node(2).shelf.dies_installed.lock() = Some(cluster.node(2).disk.clone());
    let group = cluster.group(1);
    // It is not there when this is done.
    let _ = group.add_learner(cluster.membership(1), location(2), Duration::from_secs(1)).await;
    let installed = cluster.node(2).shelf.installed.clone();
    until("installed", async || installed.load(Ordering::SeqCst) == 1).await;
    cluster.kill(2).await;

    cluster.restart(2).await;
    cluster.write("later", "v").await;
    cluster.agree(&[1, 2], |pages| pages.len() == 201).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_a_follower_within_the_reserve_catches_up_without_a_snapshot() {
    let mut cluster = Cluster::new(3, 3).await;
    cluster.write("first", "v").await;
    let leader = cluster.leader().await;
    let away = (1..=3).find(|id| *id != leader).unwrap();
    cluster.kill(away).await;
    for n in 0..500 {
        cluster.write(&format!("k{n}"), "v").await;
    }
    checkpoint(&cluster, leader).await;
    cluster.restart(away).await;
    cluster.agree(&[1, 2, 3], |pages| pages.len() == 501).await;
    assert_eq!(cluster.node(away).shelf.installed.load(Ordering::SeqCst), 0, "the log still reached");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_lags_behind_the_purge_gets_a_snapshot() {
    let mut cluster = Cluster::new(3, 3).await;
    cluster.write("first", "v").await;
    let leader = cluster.leader().await;
    let away = (1..=3).find(|id| *id != leader).unwrap();
    cluster.kill(away).await;
    let value = "x".repeat(LARGE);
    for _ in 0..45 {
        cluster.write("large", &value).await;
    }
    for n in 0..100 {
        cluster.write(&format!("small{n}"), "v").await;
    }
    for id in (1..=3).filter(|id| *id != away) {
        until("applied", async || cluster.pages(id).len() == 102).await;
        checkpoint(&cluster, id).await;
    }
    // What is on its way to the absent one is not purged under it: the leader does so at its next attempt.
    for id in (1..=3).filter(|id| *id != away) {
        let log = cluster.running(id).host.log().clone();
        until("purged", async || log.metrics().live_bytes < 40 << 20).await;
    }
    cluster.restart(away).await;
    cluster.agree(&[1, 2, 3], |pages| pages.len() == 102).await;
    assert_eq!(cluster.node(away).shelf.installed.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i5_a_description_of_thousands_of_parts_reaches_a_replica_that_dies_in_the_middle() {
    let mut cluster = Cluster::describing(4, 3, 256).await;
    let leader = cluster.leader().await;
    let value = "x".repeat(LARGE);
    for _ in 0..45 {
        cluster.write("large", &value).await;
    }
    for n in 0..100 {
        cluster.write(&format!("small{n}"), "v").await;
    }
    checkpoint(&cluster, leader).await;

    cluster.start(4, Birth::Join).await;
    let group = cluster.group(leader).clone();
    let members = cluster.membership(leader);
    let adding = group.clone();
    let added = tokio::spawn(async move { adding.add_learner(members, location(4), WAIT).await });
    until("some of it has come", async || {
        let come = cluster.group(4).copies().bytes;
        assert!(come < LARGE as u64, "it is not to be killed after the last part");
        come > 0
    })
    .await;
    assert!(group.copies().bytes > LARGE as u64, "what is shown is counted (I21)");
    cluster.kill(4).await;
    assert_eq!(cluster.node(4).shelf.installed.load(Ordering::SeqCst), 0);
    until("somebody is told that copies fail", async || {
        let copies = group.copies();
        copies.failures >= 3 && copies.failing == 1
    })
    .await;

    cluster.start(4, Birth::Join).await;
    added.await.unwrap().unwrap();
    cluster.agree(&[1, 2, 3, 4], |pages| pages.len() == 101).await;
    assert_eq!(cluster.node(4).shelf.installed.load(Ordering::SeqCst), 1, "from its first byte again");
    until("nothing is held for a copy any more", async || {
        let (given, taken) = (group.copies(), cluster.group(4).copies());
        (given.failing, given.bytes, taken.bytes) == (0, 0, 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i5_a_description_longer_than_any_message_arrives() {
    let mut cluster = Cluster::new(2, 1).await;
    let value = "x".repeat(LARGE);
    for n in 0..70 {
        cluster.write(&format!("large{n}"), &value).await;
    }
    for n in 0..100 {
        cluster.write(&format!("small{n}"), "v").await;
    }
    checkpoint(&cluster, 1).await;
    cluster.start(2, Birth::Join).await;
    cluster.group(1).add_learner(cluster.membership(1), location(2), WAIT).await.unwrap();
    cluster.agree(&[1, 2], |pages| pages.len() == 170).await;
    assert_eq!(cluster.node(2).shelf.installed.load(Ordering::SeqCst), 1);
}
