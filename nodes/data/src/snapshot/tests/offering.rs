//! Describing a checkpoint takes as long as it takes, and nobody waits for it.

use super::rig::{GROUP, Origin, Receiver, files, shard};
use crate::snapshot::content::Content;
use crate::{DataMachine, Surroundings};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::mpsc::{Receiver as Wakes, SyncSender, sync_channel};
use std::time::Duration;
use vecraft_raft_host::Machine;
use vecraft_storage::{Disk, KeyRange, Kv, Result, SimKv, Table, Visit, WriteBatch};

const PATIENCE: Duration = Duration::from_secs(30);

/// A store whose first reader of delete lists stands until it is let go.
#[derive(Debug)]
struct Halting {
    inner: SimKv,
    halt: Mutex<Option<(SyncSender<()>, Wakes<()>)>>,
}

impl Kv for Halting {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.inner.get(table, key)
    }

    fn visit(&self, table: Table, range: &KeyRange, visit: &mut Visit<'_>) -> Result<()> {
        let halt = if table == Table::Deletes { self.halt.lock().take() } else { None };
        if let Some((stands, go)) = halt {
            stands.send(()).unwrap();
            go.recv_timeout(PATIENCE).expect("never let go");
        }
        self.inner.visit(table, range, visit)
    }

    fn write(&self, batch: &WriteBatch, sync: bool) -> Result<()> {
        self.inner.write(batch, sync)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i5_describing_holds_up_nobody_and_a_checkpoint_in_the_middle_does_not_tear_it() {
    let shard = shard(3);
    let mut origin = Origin::new().await;
    origin.create(shard).await;
    origin.insert(shard, 0..400).await;
    origin.flush(shard).await;
    origin.delete(shard, 0..10).await;
    origin.checkpoint().await;
    let receiver = Receiver::new(&origin);
    let (first, _first_offer) = origin.offer();
    receiver.fetch(&first).await.unwrap();
    receiver.install(&first).await.unwrap();

    let ((stands, standing), (let_go, go)) = (sync_channel(1), sync_channel(1));
    let halting = Halting { inner: receiver.kv.clone(), halt: Mutex::new(Some((stands, go))) };
    let around: Surroundings = receiver.machine.lock().around.clone();
    receiver.machine.lock().around = Surroundings { kv: Arc::new(halting), ..around };
    let machine = receiver.machine.clone();
    let offering = tokio::task::spawn_blocking(move || DataMachine::offer(&machine));
    standing.recv_timeout(PATIENCE).expect("it reads the delete lists");
    assert!(receiver.machine.try_lock().is_some(), "nothing can be applied while a checkpoint is described");

    // Another checkpoint takes its place, and its files.
    origin.insert(shard, 400..800).await;
    origin.delete(shard, 20..300).await;
    origin.flush(shard).await;
    origin.checkpoint().await;
    let (second, _second_offer) = origin.offer();
    receiver.fetch(&second).await.unwrap();
    receiver.install(&second).await.unwrap();
    let_go.send(()).unwrap();
    let offer = tokio::time::timeout(PATIENCE, offering).await.unwrap().unwrap().unwrap();
    assert_eq!(offer.mark.position(), second.mark.position(), "read again: one checkpoint, the newest");
    let content = Content::decode(&offer.content, GROUP, offer.mark.position()).unwrap();
    let named: Vec<String> = content.files().map(|file| file.path.clone()).collect();
    assert!(
        named.iter().all(|path| receiver.disk.exists(path).unwrap()),
        "{named:?}, {:?}",
        files(&receiver.disk)
    );
}
