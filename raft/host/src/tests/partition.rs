//! A replica is cut off: it neither disturbs the others nor answers as if it knew.

use super::rig::{Cluster, WAIT, until};
use crate::Error;
use std::time::Duration;
use tokio::time::Instant;

/// Long enough for several elections.
const A_WHILE: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_was_cut_off_returns_without_an_election() {
    let cluster = Cluster::new(3, 3).await;
    cluster.write("a", "1").await;
    let leader = cluster.leader().await;
    let cut = (1..=3).find(|id| *id != leader).unwrap();
    let others: Vec<u64> = (1..=3).filter(|id| *id != cut).collect();
    cluster.links.isolate(cut, true);
    let began = Instant::now();
    let mut n = 0;
    while began.elapsed() < A_WHILE {
        cluster.write_among(&others, &format!("k{n}"), "v").await;
        n += 1;
        assert!(cluster.group(cut).read_index().await.is_err(), "a Strong read on a replica that is cut off");
    }
    assert!(cluster.pages(cut).len() < n);
    cluster.links.isolate(cut, false);
    cluster.agree(&[1, 2, 3], |pages| pages.len() == n + 1).await;
    // Pre-vote: it asked for votes all the time and never raised the term.
    assert!(cluster.group(leader).is_leader(), "the leader was disturbed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i16_a_leader_that_was_cut_off_serves_no_stale_strong_read() {
    let cluster = Cluster::new(3, 3).await;
    cluster.write("a", "old").await;
    let old = cluster.leader().await;
    let others: Vec<u64> = (1..=3).filter(|id| *id != old).collect();
    cluster.links.isolate(old, true);
    cluster.write_among(&others, "a", "new").await;
    let began = Instant::now();
    while began.elapsed() < A_WHILE {
        let read = cluster.group(old).read_index().await;
        assert!(read.is_err(), "{read:?} from a leader that lost its majority");
    }
    let write = super::rig::set(cluster.group(old), "b", "lost", Duration::from_secs(1)).await;
    assert!(matches!(write, Err(Error::Deadline { .. } | Error::NoMajority { .. })), "{write:?}");
    cluster.links.isolate(old, false);
    until("the old leader follows and reads the new value", async || {
        let group = cluster.group(old);
        let Ok(at) = group.read_index().await else { return false };
        group.wait_published(at, WAIT).await.is_ok() && cluster.pages(old)["a"] == "new"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_cut_one_way_is_survived() {
    let cluster = Cluster::new(3, 3).await;
    cluster.write("a", "1").await;
    let leader = cluster.leader().await;
    let follower = (1..=3).find(|id| *id != leader).unwrap();
    cluster.links.cut(leader, follower, true);
    // The follower hears nothing but can ask for votes: pre-vote and the lease keep the leader in place.
    let began = Instant::now();
    let mut n = 0;
    while began.elapsed() < A_WHILE {
        cluster.write(&format!("k{n}"), "v").await;
        n += 1;
    }
    cluster.links.cut(leader, follower, false);
    cluster.agree(&[1, 2, 3], |pages| pages.len() == n + 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i10_a_write_that_waits_when_the_majority_goes_is_told_that_it_may_be_done() {
    let cluster = Cluster::new(3, 3).await;
    cluster.write("a", "1").await;
    let old = cluster.leader().await;
    let others: Vec<u64> = (1..=3).filter(|id| *id != old).collect();
    cluster.links.isolate(old, true);
    // Its lease is not over yet, so it takes the write; nobody will ever confirm it.
    let began = Instant::now();
    let write = super::rig::set(cluster.group(old), "b", "lost", Duration::from_secs(60)).await;
    let waited = began.elapsed();
    let Err(error @ Error::Unconfirmed { .. }) = write else { panic!("{write:?} after {waited:?}") };
    assert!(waited < Duration::from_secs(8), "{waited:?}");
    let public = vecraft_types::Error::from(error);
    assert!(public.may_be_done, "{public}");
    assert!(public.context.iter().any(|(key, value)| key == "group" && value == "1"), "{public}");
    // Nothing was taken back: the others decide.
    cluster.write_among(&others, "c", "2").await;
    cluster.links.isolate(old, false);
    cluster.agree(&[1, 2, 3], |pages| pages.len() == 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i15_a_read_that_waits_for_an_entry_is_told_when_nobody_leads_who_could_send_it() {
    let mut cluster = Cluster::new(3, 3).await;
    let last = cluster.write("a", "1").await;
    let left = (1..=3).find(|id| !cluster.group(*id).is_leader()).unwrap();
    for gone in (1..=3).filter(|id| *id != left) {
        cluster.kill(gone).await;
    }
    let (began, beyond) = (Instant::now(), vecraft_types::LogPosition(last.0 + 100));
    let waited = cluster.group(left).wait_published(beyond, Duration::from_secs(60)).await;
    assert!(matches!(waited, Err(Error::NotLeader { .. } | Error::Unreachable { .. })), "{waited:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
