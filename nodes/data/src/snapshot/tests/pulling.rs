//! Files on the way.

use super::rig::*;
use std::sync::atomic::Ordering;
use vecraft_rpc::files::RANGE_BYTES_MAX;
use vecraft_storage::Disk;

/// A node with one file of three ranges and a bit.
async fn large() -> Origin {
    let mut origin = Origin::new().await;
    origin.create(shard(3)).await;
    for part in 0..13 {
        origin.insert(shard(3), part * 1_000..part * 1_000 + 1_000).await;
    }
    origin.flush(shard(3)).await;
    origin
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_that_was_cut_off_goes_on_where_it_was() {
    let origin = large().await;
    let (snapshot, _offer) = origin.offer();
    let receiver = Receiver::new(&origin);
    receiver.wire.answers_left.store(2, Ordering::SeqCst);
    let why = receiver.fetch(&snapshot).await.unwrap_err().to_string();
    assert!(why.contains("cut the wire") && why.contains("groups/1/3-0/"), "{why}");
    assert_eq!(files(&receiver.disk).iter().filter(|path| path.ends_with(".part")).count(), 1);

    receiver.wire.answers_left.store(-1, Ordering::SeqCst);
    receiver.fetch(&snapshot).await.unwrap();
    let offsets: Vec<u64> = receiver.wire.asked.lock().iter().map(|range| range.offset).collect();
    let range = u64::from(RANGE_BYTES_MAX);
    assert_eq!(offsets, [0, range, 2 * range, 3 * range], "no range twice");
    receiver.wire.asked.lock().clear();
    receiver.fetch(&snapshot).await.unwrap();
    assert!(receiver.wire.asked.lock().is_empty(), "all is here");
    receiver.install(&snapshot).await.unwrap();
    assert_eq!(content(&receiver.views, &[shard(3)]), content(&origin.views, &[shard(3)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_bytes_are_never_taken_for_the_file() {
    let origin = large().await;
    let (snapshot, _offer) = origin.offer();
    let receiver = Receiver::new(&origin);
    receiver.wire.is_noisy.store(true, Ordering::SeqCst);
    let why = receiver.fetch(&snapshot).await.unwrap_err().to_string();
    assert!(why.contains("not what was listed"), "{why}");
    assert!(files(&receiver.disk).is_empty(), "nothing of it is kept");
    assert!(receiver.install(&snapshot).await.is_err(), "what was not fetched is not installed");

    receiver.wire.is_noisy.store(false, Ordering::SeqCst);
    receiver.fetch(&snapshot).await.unwrap();
    receiver.install(&snapshot).await.unwrap();
    assert_eq!(content(&receiver.views, &[shard(3)]), content(&origin.views, &[shard(3)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_a_file_whose_sync_failed_is_pulled_anew() {
    let origin = large().await;
    let (snapshot, _offer) = origin.offer();
    let mut receiver = Receiver::new(&origin);
    receiver.disk.fail_syncs(1);
    let why = receiver.fetch(&snapshot).await.unwrap_err().to_string();
    assert!(why.contains("injected"), "{why}");
    assert!(files(&receiver.disk).is_empty(), "nothing of it is kept");
    receiver.fetch(&snapshot).await.unwrap();
    receiver.install(&snapshot).await.unwrap();
    receiver.crash();
    assert_eq!(content(&receiver.views, &[shard(3)]), content(&origin.views, &[shard(3)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_a_snapshot_that_does_not_fit_is_refused_before_it_fills_the_disk() {
    let origin = large().await;
    let (snapshot, _offer) = origin.offer();
    let receiver = Receiver::new(&origin);
    receiver.disk.set_capacity(Some(65 << 20));
    let why = receiver.fetch(&snapshot).await.unwrap_err().to_string();
    assert!(why.contains("64 MiB must stay"), "{why}");
    assert!(receiver.wire.asked.lock().is_empty() && !receiver.disk.exists("groups").unwrap());
    receiver.disk.set_capacity(None);
    receiver.fetch(&snapshot).await.unwrap();
}
