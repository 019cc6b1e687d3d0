//! Many groups on one log: sharing syncs, restarts, back-pressure, failures, and the cache.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use openraft::vote::RaftLeaderId;
use vecraft_log_store::{
    Entry, EntryPayload, Error, GroupLog, LeaderId, LogHealth, LogId, LogOptions, NodeLog, Payload,
    TypeConfig, Vote, WriterMode,
};
use vecraft_storage::{Disk, RealDisk, SimDisk};
use vecraft_types::{GroupId, ReplicaId};

fn small() -> LogOptions {
    LogOptions {
        segment_bytes: 64 << 10,
        preallocate_bytes: 16 << 10,
        reserve_bytes: 16 << 10,
        reserve_segments: 0,
        mark_after: Duration::from_millis(20),
        ..LogOptions::default()
    }
}

fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(LeaderId::new(term, 1), index)
}

fn entry(index: u64, bytes: usize) -> Entry {
    let payload = Bytes::from(vec![index as u8; bytes]);
    Entry { log_id: log_id(1, index), payload: EntryPayload::Normal(Payload(payload)) }
}

/// Appends and returns what resolves when the callback fires.
async fn start_append(
    log: &mut GroupLog,
    entries: Vec<Entry>,
) -> impl Future<Output = std::io::Result<()>> + use<> {
    let (tx, rx) = <TypeConfig as TypeConfigExt>::oneshot::<std::io::Result<()>>();
    log.append(entries, IOFlushed::signal(tx)).await.unwrap();
    async move { rx.await.unwrap() }
}

async fn append(log: &mut GroupLog, index: u64, bytes: usize) {
    start_append(log, vec![entry(index, bytes)]).await.await.unwrap();
}

async fn indexes(log: &mut GroupLog) -> Vec<u64> {
    log.try_get_log_entries(..).await.unwrap().iter().map(|entry| entry.log_id.index).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_share_syncs_and_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(dir.path()).unwrap());
    let (node, _) = NodeLog::open(Arc::clone(&disk), "log", small()).unwrap();
    let mut tasks = Vec::new();
    for group in 0..8 {
        let mut log = node.group(GroupId(group), ReplicaId(group));
        tasks.push(tokio::spawn(async move {
            log.save_vote(&Vote::new_committed(1, group)).await.unwrap();
            for index in 0..50 {
                append(&mut log, index, 500).await;
            }
            log.save_committed(Some(log_id(1, 49))).await.unwrap();
            log.purge(log_id(1, 9)).await.unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let metrics = node.metrics();
    assert!(metrics.batches > 0 && metrics.batches < 8 * 51, "{metrics:?}");
    assert!(metrics.segments > 1 && metrics.live_ratio() <= 1.0);
    node.close();
    assert!(matches!(node.health(), LogHealth::Serving));
    drop(node);

    let (node, recovered) = NodeLog::open(disk, "log", small()).unwrap();
    assert_eq!(recovered.len(), 8);
    for group in recovered {
        assert_eq!(
            (group.vote.unwrap().term, group.purged.unwrap().index, group.last.unwrap().index),
            (1, 9, 49)
        );
        assert_eq!(group.committed.unwrap().index, 49, "lazy, yet written at the latest when closing");
        let mut log = node.group(group.key.group, group.key.replica);
        assert_eq!(indexes(&mut log).await, (10..50).collect::<Vec<_>>());
        assert_eq!(log.read_committed().await.unwrap(), Some(log_id(1, 49)));
    }
}

#[tokio::test]
async fn limited_reads_stop_by_bytes_but_give_at_least_one_also_from_the_files() {
    for cache_bytes in [1 << 20, 0] {
        let options = LogOptions { read_bytes: 2500, cache_bytes, writer: WriterMode::Inline, ..small() };
        let (node, _) = NodeLog::open(Arc::new(SimDisk::new(1)), "log", options).unwrap();
        let mut log = node.group(GroupId(1), ReplicaId(1));
        for index in 0..10 {
            append(&mut log, index, if index == 5 { 9000 } else { 1000 }).await;
        }
        assert_eq!(node.metrics().cache_bytes == 0, cache_bytes == 0);
        let first = log.limited_get_log_entries(0, 10).await.unwrap();
        assert_eq!(first.len(), 2, "cache {cache_bytes}");
        let large = log.limited_get_log_entries(5, 10).await.unwrap();
        assert_eq!(large.len(), 1, "cache {cache_bytes}");
        assert_eq!(large[0].payload, entry(5, 9000).payload);
        assert_eq!(log.try_get_log_entries(0..10).await.unwrap().len(), 10);
    }
}

#[tokio::test]
async fn entries_are_readable_before_they_are_durable_and_a_full_disk_holds_the_callback() {
    let disk = SimDisk::new(1);
    let options = LogOptions { writer: WriterMode::Inline, ..small() };
    let (node, _) = NodeLog::open(Arc::new(disk.clone()), "log", options.clone()).unwrap();
    let mut log = node.group(GroupId(1), ReplicaId(1));
    append(&mut log, 0, 100).await;
    disk.set_capacity(Some(0));
    let fired = Arc::new(AtomicUsize::new(0));
    let waiting = start_append(&mut log, vec![entry(1, 20_000)]).await;
    let seen = Arc::clone(&fired);
    let waiting = tokio::spawn(async move {
        let outcome = waiting.await;
        seen.fetch_add(1, Ordering::SeqCst);
        outcome
    });
    tokio::task::yield_now().await;
    assert_eq!(node.health(), LogHealth::Stalled);
    assert_eq!(fired.load(Ordering::SeqCst), 0, "held, not failed (I7)");
    assert_eq!(indexes(&mut log).await, [0, 1]);
    let more = start_append(&mut log, vec![entry(2, 10)]).await;
    disk.set_capacity(None);
    node.tick();
    waiting.await.unwrap().unwrap();
    more.await.unwrap();
    assert_eq!(node.health(), LogHealth::Serving);
    disk.crash();
    drop((node, log));
    let (node, _) = NodeLog::open(Arc::new(disk), "log", options).unwrap();
    assert_eq!(indexes(&mut node.group(GroupId(1), ReplicaId(1))).await, [0, 1, 2]);
}

#[tokio::test]
async fn a_purge_passes_the_batch_that_a_full_disk_holds() {
    let disk = SimDisk::new(1);
    let options = LogOptions { writer: WriterMode::Inline, ..small() };
    let (node, _) = NodeLog::open(Arc::new(disk.clone()), "log", options).unwrap();
    let mut log = node.group(GroupId(1), ReplicaId(1));
    for index in 0..100 {
        append(&mut log, index, 3000).await;
    }
    disk.set_capacity(Some(1 << 30));
    let used = (1 << 30) - disk.free_bytes().unwrap();
    // Nothing is free but the reserved rest of the newest segment: enough for a purge, not for 20,000 bytes.
    disk.set_capacity(Some(used));
    let waiting = start_append(&mut log, vec![entry(100, 20_000)]).await;
    node.tick();
    assert!(node.is_stalled());
    let segments = node.metrics().segments;
    log.purge(log_id(1, 98)).await.unwrap();
    node.tick();
    waiting.await.unwrap();
    assert!(!node.is_stalled());
    assert!(node.metrics().segments < segments);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_writer_thread_tries_a_full_disk_again_by_itself() {
    let disk = SimDisk::new(1);
    let (node, _) = NodeLog::open(Arc::new(disk.clone()), "log", small()).unwrap();
    let mut log = node.group(GroupId(1), ReplicaId(1));
    append(&mut log, 0, 100).await;
    disk.set_capacity(Some(0));
    let waiting = start_append(&mut log, vec![entry(1, 20_000)]).await;
    while !node.is_stalled() {
        tokio::task::yield_now().await;
    }
    disk.set_capacity(None);
    waiting.await.unwrap();
    assert!(!node.is_stalled());
}

#[tokio::test]
async fn a_failed_sync_ends_every_group() {
    let disk = SimDisk::new(1);
    let options = LogOptions { writer: WriterMode::Inline, ..small() };
    let (node, _) = NodeLog::open(Arc::new(disk.clone()), "log", options).unwrap();
    let mut one = node.group(GroupId(1), ReplicaId(1));
    let mut two = node.group(GroupId(2), ReplicaId(2));
    append(&mut one, 0, 10).await;
    disk.fail_syncs(1);
    assert!(start_append(&mut one, vec![entry(1, 10)]).await.await.is_err());
    assert!(matches!(node.health(), LogHealth::Failed { .. }));
    assert!(two.save_vote(&Vote::new(3, 2)).await.is_err(), "other groups too (I7)");
    assert!(node.remove_group(GroupId(2), ReplicaId(2)).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_is_bounded_and_a_larger_request_passes_alone() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(dir.path()).unwrap());
    let options = LogOptions { queue_bytes: 10_000, ..small() };
    let (node, _) = NodeLog::open(disk, "log", options).unwrap();
    let mut log = node.group(GroupId(1), ReplicaId(1));
    let mut waiting = Vec::new();
    for index in 0..40 {
        waiting.push(
            start_append(&mut log, vec![entry(index, if index % 10 == 0 { 30_000 } else { 3_000 })]).await,
        );
        assert!(node.metrics().queue_bytes <= 10_000);
    }
    for done in waiting {
        done.await.unwrap();
    }
    assert_eq!(indexes(&mut log).await.len(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_group_is_gone_for_good_and_its_log_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(dir.path()).unwrap());
    let (node, _) = NodeLog::open(Arc::clone(&disk), "log", small()).unwrap();
    let mut log = node.group(GroupId(1), ReplicaId(1));
    append(&mut log, 0, 10).await;
    node.remove_group(GroupId(1), ReplicaId(1)).await.unwrap();
    node.remove_group(GroupId(1), ReplicaId(1)).await.unwrap();
    assert!(matches!(log.read(0, 10, 100), Err(Error::Removed(_))));
    assert!(log.save_vote(&Vote::new(3, 2)).await.is_err());
    let mut other = node.group(GroupId(1), ReplicaId(2));
    other.save_vote(&Vote::new(1, 2)).await.unwrap();
    drop((log, other, node));
    let (_node, recovered) = NodeLog::open(disk, "log", small()).unwrap();
    assert_eq!(recovered.iter().map(|group| group.key.replica.0).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn truncated_entries_do_not_come_back_whatever_the_cache_holds() {
    for cache_bytes in [1 << 20, 300, 0] {
        let disk = SimDisk::new(1);
        let options = LogOptions { cache_bytes, writer: WriterMode::Inline, ..small() };
        let (node, _) = NodeLog::open(Arc::new(disk.clone()), "log", options.clone()).unwrap();
        let mut log = node.group(GroupId(1), ReplicaId(1));
        for index in 0..10 {
            append(&mut log, index, 100).await;
        }
        log.truncate_after(Some(log_id(1, 3))).await.unwrap();
        assert_eq!(indexes(&mut log).await, [0, 1, 2, 3], "cache {cache_bytes}");
        let again = Entry { log_id: log_id(2, 4), payload: EntryPayload::Blank };
        start_append(&mut log, vec![again]).await.await.unwrap();
        assert_eq!(indexes(&mut log).await, [0, 1, 2, 3, 4]);
        drop((node, log));
        disk.crash();
        let (node, _) = NodeLog::open(Arc::new(disk), "log", options).unwrap();
        let entries = node.group(GroupId(1), ReplicaId(1)).try_get_log_entries(..).await.unwrap();
        assert_eq!(entries.last().unwrap().log_id, log_id(2, 4));
        assert_eq!(entries.len(), 5);
    }
}

#[tokio::test]
async fn a_hole_is_refused_before_anything_is_written() {
    let options = LogOptions { writer: WriterMode::Inline, ..small() };
    let (node, _) = NodeLog::open(Arc::new(SimDisk::new(1)), "log", options).unwrap();
    let mut log = node.group(GroupId(1), ReplicaId(1));
    append(&mut log, 0, 10).await;
    assert!(log.append([entry(2, 10)], IOFlushed::noop()).await.is_err());
    assert!(log.append([entry(1, 10), entry(3, 10)], IOFlushed::noop()).await.is_err());
    assert_eq!(indexes(&mut log).await, [0]);
    append(&mut log, 1, 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_at_rest_has_no_entries_in_memory_and_reads_them_all_the_same() {
    let (node, _) = NodeLog::open(Arc::new(SimDisk::new(1)), "log", small()).unwrap();
    let mut log = node.group(GroupId(1), ReplicaId(1));
    for round in 0..2 {
        for index in round * 10..round * 10 + 10 {
            append(&mut log, index, 1_000).await;
        }
        // A pause while it was written may have looked like rest before.
        while node.metrics().cache_bytes > 0 {
            tokio::time::timeout(Duration::from_secs(20), node.rested()).await.unwrap();
        }
        assert_eq!(indexes(&mut log).await, (0..round * 10 + 10).collect::<Vec<_>>());
    }
}

/// Needs a file system that reserves space; on others it finds nothing to complain about.
// What is reserved only the system's own figures say.
#[allow(clippy::disallowed_methods)]
#[tokio::test]
async fn what_was_reserved_behind_a_segment_that_is_over_is_given_back() {
    use std::os::unix::fs::MetadataExt;
    const MIB: usize = 1 << 20;
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(RealDisk::new(dir.path()).unwrap());
    let sizes = LogOptions { segment_bytes: 20 << 20, preallocate_bytes: 16 << 20, ..small() };
    let (node, _) = NodeLog::open(disk, "log", LogOptions { writer: WriterMode::Inline, ..sizes }).unwrap();
    let mut log = node.group(GroupId(1), ReplicaId(1));
    for index in 0..18 {
        append(&mut log, index, MIB).await;
    }
    append(&mut log, 18, 3 * MIB).await;
    let files =
        std::fs::read_dir(dir.path().join("log")).unwrap().map(|file| file.unwrap().metadata().unwrap());
    let mut over: Vec<_> = files.filter(|file| file.len() > 10 << 20).collect();
    let file = over.pop().unwrap();
    assert!(
        over.is_empty() && file.blocks() * 512 < file.len() + (64 << 10),
        "{} for {}",
        file.blocks() * 512,
        file.len()
    );
}
