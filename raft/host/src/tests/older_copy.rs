//! I1: a replica is started on an older copy of its own directory. What it had acknowledged since must not be lost by its
//! vote.

use super::rig::{Cluster, replica, until};
use std::time::Duration;
use vecraft_storage::{Disk, OpenMode, SimDisk};

/// The log as it is on the disk of a node that is down.
fn copied(from: &SimDisk, seed: u64) -> SimDisk {
    let to = SimDisk::new(seed);
    to.create_dir_all("log").unwrap();
    for entry in from.list("log").unwrap() {
        let path = format!("log/{}", entry.name);
        let file = to.open(&path, OpenMode::Create).unwrap();
        file.write_at(0, &from.read_all(&path).unwrap()).unwrap();
        file.sync_data().unwrap();
    }
    to.sync_dir("log").unwrap();
    to
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_an_older_copy_neither_counts_nor_votes_and_nothing_acknowledged_is_lost() {
    let mut cluster = Cluster::new(3, 3).await;
    cluster.write("before", "1").await;
    let leader = cluster.leader().await;
    let [old, behind] = [1, 2, 3].into_iter().filter(|id| *id != leader).collect::<Vec<_>>()[..] else {
        panic!("three nodes");
    };
    cluster.agree(&[1, 2, 3], |pages| pages.len() == 1).await;
    cluster.kill(old).await;
    let copy = copied(&cluster.node(old).disk, 77);
    cluster.restart(old).await;
    // These rest on the leader and on the node that will forget them.
    cluster.links.isolate(behind, true);
    for n in 0..50 {
        cluster.write_among(&[leader], &format!("k{n}"), "v").await;
    }
    cluster.kill(old).await;
    cluster.nodes[old as usize - 1].disk = copy;
    cluster.restart(old).await;

    let forfeited = cluster.node(old).shelf.forfeited.clone();
    until("it was told, and wrote it down", async || forfeited.lock().is_some()).await;
    let why = forfeited.lock().clone().unwrap();
    assert!(why.contains("its log ends at entry") && why.contains("empty directory"), "{why}");
    cluster.group(old).ended().await;
    let group = cluster.group(leader);
    assert_eq!(group.gone_back(), 1);
    let progress = group.progress().into_iter().find(|p| p.follower.replica == replica(old)).unwrap();
    assert!(progress.has_gone_back && progress.lag > 50, "{progress:?}");
    assert!(!group.report().unwrap().near.contains(&replica(old)), "it is no copy that a plan may count on");

    // Who knows what was acknowledged dies. The two that are left would be a majority.
    cluster.kill(leader).await;
    cluster.links.isolate(behind, false);
    let window = tokio::time::Instant::now() + Duration::from_secs(6);
    while tokio::time::Instant::now() < window {
        assert!(!cluster.group(behind).is_leader(), "elected by a replica that forgot what it acknowledged");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    cluster.restart(leader).await;
    cluster.write_among(&[leader, behind], "after", "1").await;
    let pages = cluster.agree(&[leader, behind], |pages| pages.contains_key("after")).await;
    assert_eq!(pages.len(), 52, "all that was acknowledged is there");
}

/// The heartbeat alone tells, without a write: nobody has to wait for one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_the_leader_goes_on_and_the_newest_directory_is_welcome_again() {
    let mut cluster = Cluster::new(3, 3).await;
    cluster.write("before", "1").await;
    let leader = cluster.leader().await;
    let old = (1..=3).find(|id| *id != leader).unwrap();
    cluster.agree(&[1, 2, 3], |pages| pages.len() == 1).await;
    cluster.kill(old).await;
    let copy = copied(&cluster.node(old).disk, 78);
    cluster.restart(old).await;
    for n in 0..20 {
        cluster.write(&format!("k{n}"), "v").await;
    }
    cluster.agree(&[1, 2, 3], |pages| pages.len() == 21).await;
    cluster.kill(old).await;
    let newest = std::mem::replace(&mut cluster.nodes[old as usize - 1].disk, copy);
    cluster.restart(old).await;
    let group = cluster.group(leader).clone();
    until("noticed", async || group.gone_back() == 1).await;
    cluster.group(old).ended().await;
    cluster.write("meanwhile", "1").await;

    cluster.kill(old).await;
    cluster.nodes[old as usize - 1].disk = newest;
    cluster.restart(old).await;
    cluster.agree(&[1, 2, 3], |pages| pages.len() == 22).await;
    until("forgiven", async || group.gone_back() == 0).await;
}
