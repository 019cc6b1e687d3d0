//! Replicas come and go, one joint change at a time (I2).

use super::rig::{Cluster, WAIT, location, replica, set, until, voters};
use crate::{Birth, Error, Group, Part};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;

fn ids(nodes: &[u64]) -> BTreeSet<vecraft_types::ReplicaId> {
    nodes.iter().map(|node| replica(*node)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i2_a_replacement_under_load_loses_nothing() {
    let mut cluster = Cluster::new(4, 3).await;
    cluster.write("first", "1").await;
    cluster.start(4, Birth::Join).await;
    let leader = cluster.leader().await;
    let leaving = (1..=3).rev().find(|id| *id != leader).unwrap();
    let staying: Vec<u64> = (1..=4).filter(|id| *id != leaving).collect();

    let group = cluster.group(leader).clone();
    let is_over = Arc::new(AtomicBool::new(false));
    let (written, mut so_far) = watch::channel(0);
    let writers: Vec<_> =
        (0..4).map(|w| tokio::spawn(write(group.clone(), w, is_over.clone(), written.clone()))).collect();
    // Each step has writes before and after it.
    let mut more = async || {
        let then = *so_far.borrow() + 200;
        so_far.wait_for(|now| *now >= then).await.map(drop).unwrap();
    };
    more().await;
    let expected = cluster.membership(leader);
    let with_learner = group.add_learner(expected, location(4), WAIT).await.unwrap();
    until("the learner is near the tip", async || {
        group.progress().iter().any(|p| p.follower == location(4) && !p.is_voter && p.lag < 50)
    })
    .await;
    more().await;
    let stale = group.change_voters(expected, &ids(&staying), WAIT).await;
    assert!(
        matches!(stale, Err(Error::MembersChanged { found: Some(found), .. }) if found == with_learner),
        "{stale:?}"
    );
    let after = group.change_voters(with_learner, &ids(&staying), WAIT).await.unwrap();
    more().await;
    is_over.store(true, Ordering::SeqCst);
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }

    until("the new members hold", async || {
        let members = group.members();
        members.id == Some(after)
            && members.voters == voters(staying.iter().copied())
            && members.learners.is_empty()
    })
    .await;
    cluster.kill(leaving).await;
    cluster.write("last", "1").await;
    let pages = cluster.agree(&staying, |pages| pages.contains_key("last")).await;
    for key in &acknowledged {
        assert!(pages.contains_key(key), "{key} was acknowledged and is gone");
    }
    println!("{} writes acknowledged during the change", acknowledged.len());
}

/// Writes until it is over; returns the keys that were acknowledged.
async fn write(
    group: Group,
    writer: u64,
    is_over: Arc<AtomicBool>,
    written: watch::Sender<u64>,
) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for n in 0.. {
        if is_over.load(Ordering::SeqCst) {
            break;
        }
        let key = format!("{writer}-{n}");
        if set(&group, &key, "v", Duration::from_secs(5)).await.is_ok() {
            acknowledged.push(key);
            written.send_modify(|written| *written += 1);
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_would_harm_are_refused_with_the_reason() {
    let cluster = Cluster::new(3, 3).await;
    cluster.write("a", "1").await;
    let leader = cluster.leader().await;
    let (group, expected) = (cluster.group(leader), cluster.membership(leader));
    for (voters, reason) in [
        (ids(&[]), "no voter would be left"),
        (ids(&[leader]), "2 of 3 voters would leave at once"),
        (ids(&[1, 2, 3, 4]), "replica 14 is no member"),
    ] {
        let refused = group.change_voters(expected, &voters, WAIT).await;
        let Err(Error::Refused { why, .. }) = refused else { panic!("{refused:?}") };
        assert!(why.contains(reason), "{why}");
    }
    assert!(matches!(group.add_learner(expected, location(1), WAIT).await, Err(Error::Refused { .. })));
    assert!(matches!(group.remove_learner(expected, replica(1), WAIT).await, Err(Error::Refused { .. })));
    let follower = cluster.group((1..=3).find(|id| *id != leader).unwrap());
    let not_leader = follower.change_voters(expected, &ids(&[1, 2]), WAIT).await;
    assert!(matches!(not_leader, Err(Error::NotLeader { .. })), "{not_leader:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i2_voters_of_whom_too_few_answer_are_refused_before_anything_is_written() {
    let mut cluster = Cluster::new(3, 3).await;
    cluster.write("a", "1").await;
    let leader = cluster.leader().await;
    let followers: Vec<u64> = (1..=3).filter(|id| *id != leader).collect();
    let expected = cluster.membership(leader);
    // Dead for less time than it takes to be missed: the change itself would never be decided.
    cluster.kill(followers[0]).await;
    let group = cluster.group(leader).clone();
    let with_the_dead = ids(&[leader, followers[0]]);
    let refused = group.change_voters(expected, &with_the_dead, WAIT).await;
    let Err(Error::Refused { why, .. }) = refused else { panic!("{refused:?}") };
    assert!(why.contains(&format!("replica {}", replica(followers[0]))), "{why}");
    cluster.write_among(&[leader, followers[1]], "b", "2").await;
    // Without the dead one two are left, and both answer.
    let changed = group.change_voters(expected, &ids(&[leader, followers[1]]), WAIT).await.unwrap();
    cluster.write_among(&[leader, followers[1]], "c", "3").await;
    cluster.restart(followers[0]).await;
    assert_eq!(group.members().id, Some(changed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p9_one_voter_becomes_three_and_one_again() {
    let mut cluster = Cluster::new(3, 1).await;
    for n in 0..20 {
        cluster.write(&format!("alone{n}"), "v").await;
    }
    for id in [2, 3] {
        cluster.start(id, Birth::Join).await;
        assert_eq!(cluster.group(id).standing().borrow().part, Part::Learner);
        let group = cluster.group(1);
        let set = group.add_learner(cluster.membership(1), location(id), WAIT).await.unwrap();
        assert_eq!(group.members().id, Some(set), "what was changed is known at once");
    }
    cluster.group(1).change_voters(cluster.membership(1), &ids(&[1, 2, 3]), WAIT).await.unwrap();
    cluster.write("three", "v").await;
    cluster.agree(&[1, 2, 3], |pages| pages.len() == 21).await;
    // The first one's clock runs again: its death is noticed, and it comes back.
    cluster.kill(1).await;
    cluster.write("without the first", "v").await;
    cluster.restart(1).await;
    cluster.agree(&[1, 2, 3], |pages| pages.len() == 22).await;

    let leader = cluster.leader().await;
    let other = (1..=3).find(|id| *id != leader).unwrap();
    let group = cluster.group(leader);
    group.change_voters(cluster.membership(leader), &ids(&[leader, other]), WAIT).await.unwrap();
    group.change_voters(cluster.membership(leader), &ids(&[leader]), WAIT).await.unwrap();
    for id in (1..=3).filter(|id| *id != leader) {
        cluster.kill(id).await;
    }
    cluster.write("alone again", "v").await;
    cluster.kill(leader).await;
    cluster.restart(leader).await;
    assert_eq!(cluster.pages(leader).len(), 23, "a lone voter has everything when it has started");
}
