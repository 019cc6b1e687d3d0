//! Offer, fetch, install.

use super::rig::*;
use std::time::Duration;
use vecraft_raft_host::Machine;
use vecraft_rpc::files::{FileRange, GroupFiles};
use vecraft_segment::ViewRegistry;
use vecraft_state::shard::ShardCommand;
use vecraft_storage::{Disk, OpenMode};
use vecraft_types::{Code, GroupId, KeyIndex, PartitionId, Timestamp};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i5_a_snapshot_is_the_checkpoint_with_sealed_and_growing_rows_and_deletes() {
    let (a, b) = (shard(3), shard(4));
    let mut origin = Origin::new().await;
    origin.create(a).await;
    origin.create(b).await;
    origin.insert(a, 0..400).await;
    origin.flush(a).await;
    origin.insert(a, 300..500).await;
    origin.delete(a, 10..20).await;
    origin.insert(b, 0..50).await;
    // I18: what the moment showed is deleted and replaced, and in the snapshot all the same.
    let moment = Timestamp::from_millis(1 << 43);
    let command = ShardCommand::PinRead { timestamp: moment, newest_partition: PartitionId(u64::MAX) };
    let pinned = origin.group().propose(a, command, Duration::from_secs(30)).await.unwrap().position;
    let at_moment = content(&origin.views, &[a]);
    origin.delete(a, 20..40).await;
    origin.insert(a, 480..490).await;
    origin.checkpoint().await;
    let at_checkpoint = content(&origin.views, &[a, b]);
    let state = origin.group().machine.lock().replica.state.clone();
    origin.insert(a, 1_000..1_100).await;
    let (snapshot, _offer) = origin.offer();

    let mut receiver = Receiver::new(&origin);
    receiver.fetch(&snapshot).await.unwrap();
    assert!(content(&receiver.views, &[a, b]).iter().all(Option::is_none), "nothing is shown yet");
    receiver.install(&snapshot).await.unwrap();
    assert_eq!(
        content(&receiver.views, &[a, b]),
        at_checkpoint,
        "exactly the checkpoint, the rest is the log's"
    );
    assert_eq!(receiver.machine.lock().replica.state, state);
    assert_eq!(receiver.machine.lock().checkpoint().unwrap(), snapshot.mark);
    assert_eq!(receiver.routes.group_of(b), Some(GROUP));

    receiver.crash();
    assert_eq!(content(&receiver.views, &[a, b]), at_checkpoint, "I4: synced when installed");
    assert_eq!(receiver.machine.lock().checkpoint().unwrap(), snapshot.mark);
    let rows = receiver.machine.lock().replica.shards[&a].keys.len();
    assert_eq!(rows, 470, "the key index is rebuilt");
    let found = receiver.machine.lock().replica.pinned(a, moment, &[]);
    assert_eq!(found, Some(Ok(pinned)));
    let then = ViewRegistry::new();
    then.publish(receiver.views.get(a).unwrap().at(pinned, moment).unwrap());
    assert_eq!(content(&then, &[a]), at_moment);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_snapshot_pulls_only_what_is_new_and_what_it_does_not_have_is_gone() {
    let (a, b, c) = (shard(3), shard(4), shard(5));
    let mut origin = Origin::new().await;
    origin.create(a).await;
    origin.create(b).await;
    origin.insert(a, 0..400).await;
    origin.insert(b, 0..50).await;
    origin.flush(a).await;
    let receiver = Receiver::new(&origin);
    let (first, offer) = origin.offer();
    receiver.fetch(&first).await.unwrap();
    receiver.install(&first).await.unwrap();
    drop(offer);

    origin.drop_shard(b).await;
    origin.create(c).await;
    origin.insert(c, 0..30).await;
    origin.insert(a, 500..520).await;
    origin.checkpoint().await;
    receiver.wire.asked.lock().clear();
    let (second, _offer) = origin.offer();
    receiver.fetch(&second).await.unwrap();
    let asked: Vec<String> = receiver.wire.asked.lock().iter().map(|range| range.path.clone()).collect();
    assert_eq!(asked.len(), 2, "the tails of two shards, not the sealed file: {asked:?}");
    receiver.install(&second).await.unwrap();
    assert_eq!(content(&receiver.views, &[a, b, c]), content(&origin.views, &[a, b, c]));
    assert!(receiver.views.get(b).is_none() && receiver.routes.group_of(b).is_none());
    assert_eq!(files(&receiver.disk), files(&origin.disk), "nothing unnamed is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i5_an_offer_keeps_its_files_until_it_is_dropped() {
    let (a, b) = (shard(3), shard(4));
    let mut origin = Origin::new().await;
    origin.create(a).await;
    origin.create(b).await;
    origin.insert(a, 0..400).await;
    origin.insert(b, 0..400).await;
    origin.checkpoint().await;
    let (snapshot, offer) = origin.offer();
    let promised = files(&origin.disk);
    origin.insert(a, 400..500).await;
    origin.drop_shard(b).await;
    origin.checkpoint().await;
    assert!(
        promised.iter().all(|path| origin.disk.exists(path).unwrap()),
        "superseded and dropped, yet pinned"
    );
    let receiver = Receiver::new(&origin);
    receiver.fetch(&snapshot).await.unwrap();
    receiver.install(&snapshot).await.unwrap();
    assert_eq!(
        content(&receiver.views, &[a, b]).into_iter().flatten().map(|rows| rows.len()).sum::<usize>(),
        800
    );
    drop(offer);
    origin.insert(a, 500..510).await;
    origin.checkpoint().await;
    assert!(
        promised.iter().all(|path| !origin.disk.exists(path).unwrap()),
        "they go with a later checkpoint"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i22_a_file_of_the_same_name_with_other_bytes_stays_until_the_snapshot_is_in_force() {
    let a = shard(3);
    let mut origin = Origin::new().await;
    origin.create(a).await;
    origin.insert(a, 0..400).await;
    origin.flush(a).await;
    let (snapshot, _offer) = origin.offer();
    let mut receiver = Receiver::new(&origin);
    let taken = &files(&origin.disk)[0];
    receiver.disk.create_dir_all("groups/1/3-0").unwrap();
    receiver.disk.open(taken, OpenMode::Create).unwrap().append(b"of a replica that diverged").unwrap();
    receiver.fetch(&snapshot).await.unwrap();
    assert_eq!(receiver.disk.read_all(taken).unwrap(), b"of a replica that diverged");
    receiver.install(&snapshot).await.unwrap();
    assert!(!receiver.disk.exists(taken).unwrap(), "now nothing names it");
    receiver.crash();
    assert_eq!(content(&receiver.views, &[a]), content(&origin.views, &[a]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_files_of_the_group_are_read_and_only_such_are_taken() {
    let a = shard(3);
    let mut origin = Origin::new().await;
    origin.create(a).await;
    origin.insert(a, 0..10).await;
    origin.flush(a).await;
    let path = files(&origin.disk).remove(0);
    let io = vecraft_runtime::pools::IoPool::new("test-io", tokio::runtime::Handle::current(), 1);
    let served = crate::snapshot::DiskFiles::new(std::sync::Arc::new(origin.disk.clone()), io);
    let read = async |group: u64, path: &str, offset: u64, bytes: u32| {
        served.read(FileRange { group: GroupId(group), path: path.to_owned(), offset, bytes }).await
    };
    let whole = origin.disk.read_all(&path).unwrap();
    assert_eq!(read(1, &path, 0, 100).await.unwrap(), whole[..100]);
    assert_eq!(read(1, &path, 90, 1 << 20).await.unwrap(), whole[90..], "what is left of it");
    assert!(read(1, &path, 1 << 40, 10).await.unwrap().is_empty(), "after its end");
    for foreign in [
        "log/1.log",
        "kv/CURRENT",
        "/etc/hosts",
        "groups/2/3-0/1.seg",
        "groups/1",
        "groups/1/",
        "groups/11/3-0/1.seg",
        "groups/1/../../kv/CURRENT",
        "groups/1/./1.seg",
        "groups/1//1.seg",
        "groups/1/..\\kv",
        "",
        "groups/1/a\0b",
    ] {
        let refused = read(1, foreign, 0, 10).await.unwrap_err();
        assert_eq!(refused.code, Code::InvalidParameter, "{foreign:?}: {refused}");
    }
    assert_eq!(read(1, "groups/1/3-0/77.seg", 0, 10).await.unwrap_err().code, Code::Io);
    assert_eq!(read(2, &path, 0, 10).await.unwrap_err().code, Code::InvalidParameter);

    // A snapshot of another group, and one with a path that leads away.
    let (snapshot, _offer) = origin.offer();
    let read = crate::snapshot::content::Content::decode;
    let mut content = read(&snapshot.content, GROUP, snapshot.mark.position()).unwrap();
    content.files_mut().for_each(|file| file.path = "groups/1/../../kv/CURRENT".to_owned());
    let mut evil = snapshot.clone();
    evil.content = content.encode().unwrap();
    let receiver = Receiver::new(&origin);
    let refused = receiver.fetch(&evil).await.unwrap_err().to_string();
    assert!(refused.contains("no file of this group"), "{refused}");
    assert!(receiver.install(&evil).await.is_err());
}
