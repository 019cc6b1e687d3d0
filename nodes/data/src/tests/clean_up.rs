//! I13: what nothing names goes while the node runs, and what anything names stays.

use super::rig::{GROUP, PARTITION, Rig, SHARD, until};
use crate::clean_up;
use std::time::Duration;
use vecraft_rpc::services::ShardAdmin;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_segment::exec::{self, Cancel};
use vecraft_storage::{Disk, OpenMode};

impl Rig {
    fn litter(&self, path: &str) {
        let (dir, _) = path.rsplit_once('/').unwrap();
        self.disk.create_dir_all(dir).unwrap();
        self.disk.open(path, OpenMode::Create).unwrap().write_at(0, b"left behind").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_unnamed_files_go_by_the_hour_and_named_ones_stay() {
    let mut rig = Rig::new().await;
    rig.insert(0..10).await;
    rig.flush().await;
    rig.insert(10..20).await;
    rig.group().checkpoint().await.unwrap();
    let named = rig.files();
    assert_eq!(named.len(), 2, "a column file and a tail: {named:?}");
    rig.litter("groups/1/3-0/tail-2-1.seg");
    rig.litter("groups/1/3-0/7.seg.tmp");
    rig.litter("groups/1/8-0/1.seg");

    let stop = Shutdown::new();
    let hour = Duration::from_millis(5);
    let running = tokio::spawn(clean_up(rig.node.clone(), hour, stop.clone()));
    until("only named files are left", || rig.files() == named).await;
    stop.trigger("the test is over");
    running.await.unwrap().unwrap();
    rig.crash().await;
    assert_eq!(rig.files(), named);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_dropped_rows_keep_the_files_that_the_checkpoint_names() {
    let mut rig = Rig::new().await;
    rig.insert(0..10).await;
    rig.flush().await;
    let named = rig.files();
    rig.node.drop_partition(GROUP, SHARD, PARTITION).await.unwrap();
    assert_eq!(rig.group().remove_unnamed().await.unwrap(), 0);
    rig.crash().await;
    rig.node.drop_shard(GROUP, SHARD).await.unwrap();
    assert_eq!(rig.group().remove_unnamed().await.unwrap(), 0);
    assert_eq!(rig.files(), named);
    rig.crash().await;
    rig.group().checkpoint().await.unwrap();
    assert!(rig.files().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_after_a_checkpoint_in_doubt_nothing_is_removed_until_the_next() {
    let mut rig = Rig::new().await;
    rig.insert(0..10).await;
    rig.kv.fail_writes(1);
    assert!(rig.group().checkpoint().await.is_err());
    let in_doubt = rig.files();
    assert_eq!(in_doubt.len(), 1);
    assert_eq!(rig.group().remove_unnamed().await.unwrap(), 0, "the store may have taken the record");
    rig.insert(10..20).await;
    rig.group().checkpoint().await.unwrap();
    assert_eq!(rig.group().remove_unnamed().await.unwrap(), 1);
    assert!(!rig.files().contains(&in_doubt[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_a_checkpoint_whose_caller_left_keeps_others_out_until_it_is_done() {
    let mut rig = Rig::new().await;
    rig.insert(0..10).await;
    rig.gate.set_closed(true);
    let (writer, cleaner) = (rig.group(), rig.group());
    let left = tokio::spawn(async move { writer.checkpoint().await });
    until("its files are written, its record is not", || rig.gate.waiting() == 1).await;
    left.abort();
    assert!(left.await.unwrap_err().is_cancelled());

    let mut cleaning = tokio::spawn(async move { cleaner.remove_unnamed().await.unwrap() });
    let early = tokio::time::timeout(Duration::from_millis(50), &mut cleaning).await;
    rig.gate.set_closed(false);
    assert!(early.is_err(), "removed {early:?} while files were not named yet");
    assert_eq!(cleaning.await.unwrap(), 0, "named by now");
    rig.crash().await;
    assert_eq!(rig.files().len(), 1);
    rig.group().checkpoint().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i5_files_of_a_snapshot_stay_while_it_is_sent() {
    let mut rig = Rig::new().await;
    rig.insert(0..10).await;
    rig.group().checkpoint().await.unwrap();
    let sent = rig.files();
    let pin = rig.group().machine.lock().replica.pins.pin(sent.clone());
    rig.insert(10..20).await;
    rig.group().checkpoint().await.unwrap();
    assert_eq!(rig.group().remove_unnamed().await.unwrap(), 0);
    assert!(rig.files().contains(&sent[0]), "superseded, and being sent");
    drop(pin);
    assert_eq!(rig.group().remove_unnamed().await.unwrap(), 1);
    assert!(!rig.files().contains(&sent[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_file_stays_readable_for_views_that_readers_hold() {
    let mut rig = Rig::new().await;
    rig.insert(0..10).await;
    rig.flush().await;
    let view = rig.node.views.get(SHARD).unwrap();
    rig.node.drop_partition(GROUP, SHARD, PARTITION).await.unwrap();
    rig.group().checkpoint().await.unwrap();
    assert!(rig.files().is_empty());
    assert_eq!(exec::keys(&view, None, None, Cancel::never()).unwrap().len(), 10);
}
