//! A receiver that is restarted in the middle of a fetch.

use super::rig::*;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use vecraft_raft_host::Incoming;
use vecraft_storage::{Disk, Kv, OpenMode, Table};
use vecraft_types::LogPosition;

/// A node with three column files of three ranges and a bit each.
async fn three_files() -> Origin {
    let mut origin = Origin::new().await;
    origin.create(shard(3)).await;
    for file in 0..3 {
        for part in 0..13 {
            let first = file * 13_000 + part * 1_000;
            origin.insert(shard(3), first..first + 1_000).await;
        }
        origin.flush(shard(3)).await;
    }
    origin
}

/// Fetches until so many ranges came, then the wire is cut.
async fn fetch_some(receiver: &Receiver, snapshot: &Incoming, ranges: i64) {
    receiver.wire.answers_left.store(ranges, Ordering::SeqCst);
    receiver.fetch(snapshot).await.unwrap_err();
    receiver.wire.answers_left.store(-1, Ordering::SeqCst);
}

/// How many bytes of each file came over the wire since the last call.
fn came(receiver: &Receiver) -> BTreeMap<String, u64> {
    let mut came = BTreeMap::new();
    for range in receiver.wire.asked.lock().drain(..) {
        *came.entry(range.path).or_default() += u64::from(range.bytes);
    }
    came
}

fn lengths(origin: &Origin) -> BTreeMap<String, u64> {
    let length = |path: &String| origin.disk.open(path, OpenMode::Read).unwrap().len().unwrap();
    files(&origin.disk).into_iter().map(|path| (path.clone(), length(&path))).collect()
}

fn parts(receiver: &Receiver) -> Vec<String> {
    files(&receiver.disk).into_iter().filter(|path| path.ends_with(".part")).collect()
}

fn is_noted(receiver: &Receiver) -> bool {
    let key = crate::checkpoint::fetch_key(GROUP);
    receiver.kv.get(Table::Group, &key).unwrap().is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_goes_on_where_it_was_after_the_receiver_was_killed() {
    let mut origin = three_files().await;
    let (snapshot, _offer) = origin.offer();
    let all = lengths(&origin);
    let mut receiver = Receiver::new(&origin);
    fetch_some(&receiver, &snapshot, 6).await;
    let before = came(&receiver);
    assert_eq!((before.len(), parts(&receiver).len()), (2, 1), "one file whole, one in part: {before:?}");

    receiver.restart();
    assert_eq!(parts(&receiver).len(), 1);
    assert!(content(&receiver.views, &[shard(3)])[0].is_none(), "nothing of it is shown");
    // By now there is a newer checkpoint to offer: with one file more, a tail.
    origin.insert(shard(3), 50_000..50_100).await;
    origin.checkpoint().await;
    let (newer, _offer) = origin.offer();
    receiver.fetch(&newer).await.unwrap();
    let mut both = before.clone();
    for (path, bytes) in came(&receiver) {
        *both.entry(path).or_default() += bytes;
    }
    let now = lengths(&origin);
    assert_eq!(now.len(), all.len() + 1);
    assert_eq!(both, now, "no byte twice");
    receiver.install(&newer).await.unwrap();
    assert_eq!(content(&receiver.views, &[shard(3)]), content(&origin.views, &[shard(3)]));
    assert!(!is_noted(&receiver));
    receiver.crash();
    assert_eq!(files(&receiver.disk), files(&origin.disk), "nothing unnamed is left");
    assert_eq!(content(&receiver.views, &[shard(3)]), content(&origin.views, &[shard(3)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_after_a_power_cut_whole_files_are_gone_on_with_and_torn_ones_are_not_believed() {
    let origin = three_files().await;
    let (snapshot, _offer) = origin.offer();
    let mut receiver = Receiver::new(&origin);
    fetch_some(&receiver, &snapshot, 6).await;
    let first = came(&receiver).into_keys().next().unwrap();
    let part = parts(&receiver).remove(0);
    receiver.crash();
    // What a file system may show of bytes that were never synced: the length, and no content.
    let torn = receiver.disk.open(&part, OpenMode::Create).unwrap();
    torn.write_at(0, &vec![0; 2 << 20]).unwrap();

    let why = receiver.fetch(&snapshot).await.unwrap_err().to_string();
    assert!(why.contains("not what was listed"), "{why}");
    assert!(parts(&receiver).is_empty());
    receiver.fetch(&snapshot).await.unwrap();
    let again = came(&receiver);
    assert!(!again.contains_key(&first), "the whole file had been synced: {again:?}");
    receiver.install(&snapshot).await.unwrap();
    receiver.crash();
    assert_eq!(content(&receiver.views, &[shard(3)]), content(&origin.views, &[shard(3)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_file_is_verified_again_after_a_restart() {
    let origin = three_files().await;
    let (snapshot, _offer) = origin.offer();
    let mut receiver = Receiver::new(&origin);
    fetch_some(&receiver, &snapshot, 6).await;
    let whole = files(&receiver.disk).into_iter().find(|path| path.ends_with(".seg")).unwrap();
    let file = receiver.disk.open(&whole, OpenMode::Write).unwrap();
    let mut byte = [0];
    file.read_at(1_000_000, &mut byte).unwrap();
    file.write_at(1_000_000, &[byte[0] ^ 1]).unwrap();
    receiver.restart();
    receiver.fetch(&snapshot).await.unwrap();
    receiver.install(&snapshot).await.unwrap();
    assert_eq!(content(&receiver.views, &[shard(3)]), content(&origin.views, &[shard(3)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_a_file_whose_sync_may_have_failed_is_pulled_anew_after_a_restart() {
    let origin = three_files().await;
    let (snapshot, _offer) = origin.offer();
    let mut receiver = Receiver::new(&origin);
    fetch_some(&receiver, &snapshot, 3).await;
    // The last part came, the sync began, and the process did not live to see how it ended.
    let part = parts(&receiver).remove(0);
    let path = receiver.wire.asked.lock()[0].path.clone();
    let whole = origin.disk.read_all(&path).unwrap();
    receiver.disk.open(&part, OpenMode::Write).unwrap().write_at(0, &whole).unwrap();
    came(&receiver);
    receiver.restart();
    assert!(parts(&receiver).is_empty());
    receiver.fetch(&snapshot).await.unwrap();
    assert_eq!(came(&receiver), lengths(&origin), "that file too, from its first byte");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_newer_snapshot_does_not_name_goes_when_its_fetch_begins() {
    let mut origin = three_files().await;
    origin.create(shard(4)).await;
    origin.insert(shard(4), 0..10).await;
    origin.insert(shard(3), 50_000..50_100).await;
    origin.checkpoint().await;
    let (snapshot, offer) = origin.offer();
    let mut receiver = Receiver::new(&origin);
    receiver.fetch(&snapshot).await.unwrap();
    let fetched = files(&receiver.disk);
    receiver.restart();
    assert_eq!(files(&receiver.disk), fetched, "wanted, so all of it stays");
    drop(offer);

    origin.drop_shard(shard(4)).await;
    origin.insert(shard(3), 50_100..50_200).await;
    origin.checkpoint().await;
    let (newer, _offer) = origin.offer();
    fetch_some(&receiver, &newer, 0).await;
    let kept = files(&receiver.disk);
    let named = files(&origin.disk);
    assert_eq!(kept.iter().filter(|path| path.ends_with(".seg")).count(), 3, "{kept:#?}");
    assert!(
        kept.iter().all(|path| path.ends_with(".part") || named.contains(path)),
        "{kept:#?} for {named:#?}"
    );
    receiver.restart();
    assert_eq!(files(&receiver.disk), kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_came_further_by_itself_keeps_nothing() {
    let mut origin = three_files().await;
    let (snapshot, _offer) = origin.offer();
    let mut receiver = Receiver::new(&origin);
    fetch_some(&receiver, &snapshot, 6).await;
    assert!(is_noted(&receiver));
    // Another leader's log reached it, and it wrote a checkpoint of its own.
    let beyond = LogPosition(snapshot.mark.position().0 + 1);
    receiver.checkpoint_at(beyond, &snapshot.mark);
    assert!(!is_noted(&receiver) && receiver.machine.lock().replica.fetched.is_none());
    receiver.restart();
    assert!(files(&receiver.disk).is_empty());

    // A record that says nothing is no reason not to start.
    origin.insert(shard(3), 50_000..50_100).await;
    origin.checkpoint().await;
    let (newer, _offer) = origin.offer();
    fetch_some(&receiver, &newer, 6).await;
    let key = crate::checkpoint::fetch_key(GROUP);
    receiver.kv.put(Table::Group, &key, b"\xff\xff\xff", true).unwrap();
    receiver.restart();
    assert!(files(&receiver.disk).is_empty());
    receiver.fetch(&newer).await.unwrap();
    receiver.install(&newer).await.unwrap();
    assert_eq!(content(&receiver.views, &[shard(3)]), content(&origin.views, &[shard(3)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_let_go_leaves_no_fetch_behind() {
    let origin = three_files().await;
    let (snapshot, _offer) = origin.offer();
    let receiver = Receiver::new(&origin);
    fetch_some(&receiver, &snapshot, 6).await;
    crate::erase(&receiver.disk, &receiver.kv, GROUP).unwrap();
    assert!(!is_noted(&receiver) && files(&receiver.disk).is_empty());
}
