//! Shards whose collection was dropped before they were made.

use super::rig::{GROUP, Rig, SHARD, until};
use crate::{DataGroup, remove_strays};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use vecraft_rpc::services::{DroppedCollections, ShardAdmin, ShardCreation};
use vecraft_runtime::shutdown::Shutdown;
use vecraft_types::*;

/// A catalogue that says this.
#[derive(Default)]
struct Catalogue {
    dropped: Mutex<BTreeSet<CollectionId>>,
    /// How many questions are refused first.
    silent: Mutex<usize>,
    asked: Mutex<usize>,
}

#[async_trait]
impl DroppedCollections for Catalogue {
    async fn dropped(&self, among: BTreeSet<CollectionId>) -> Result<BTreeSet<CollectionId>> {
        *self.asked.lock() += 1;
        let mut silent = self.silent.lock();
        if *silent > 0 {
            *silent -= 1;
            return Err(Error::new(Code::Unavailable, "no majority"));
        }
        Ok(self.dropped.lock().intersection(&among).copied().collect())
    }
}

impl Catalogue {
    fn drop_of(&self, shard: ShardId) {
        self.dropped.lock().insert(shard.collection);
    }

    fn asked(&self) -> usize {
        *self.asked.lock()
    }

    /// Watches over a group until the answer is dropped.
    fn watch(self: &Arc<Catalogue>, group: Arc<DataGroup>) -> Shutdown {
        let shutdown = Shutdown::new();
        tokio::spawn(remove_strays(group, self.clone(), shutdown.clone()));
        shutdown
    }
}

const OTHER: ShardId = ShardId { collection: CollectionId(4), index: 1 };

async fn make(rig: &Rig, shard: ShardId) {
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("v", DataType::FloatVector { dim: 2 }),
    ]);
    rig.node.create_shard(GROUP, ShardCreation { shard, schema }).await.unwrap();
}

fn here(rig: &Rig) -> Vec<ShardId> {
    rig.group().machine.lock().replica.shard_ids()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i11_a_shard_that_is_made_after_its_collection_was_dropped_goes_and_stays_away() {
    let mut rig = Rig::new().await;
    let catalogue = Arc::new(Catalogue::default());
    let stop = catalogue.watch(rig.group());
    until("the look at the start", || catalogue.asked() == 1).await;
    make(&rig, OTHER).await;
    until("a look after a shard was made", || catalogue.asked() == 2).await;
    assert_eq!(here(&rig), [SHARD, OTHER], "what the catalogue has is left alone");

    // Dropped by the coordinator; the call that makes it was on its way all the time.
    catalogue.drop_of(OTHER);
    rig.node.drop_shard(GROUP, OTHER).await.unwrap();
    *catalogue.silent.lock() = 2;
    make(&rig, OTHER).await;
    until("it is gone", || here(&rig) == [SHARD]).await;
    assert!(catalogue.asked() >= 5, "it asked again until it was answered");
    stop.trigger("the test says so");
    rig.crash().await;
    assert_eq!(here(&rig), [SHARD]);
    rig.insert(0..3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i11_a_crash_before_the_look_leaves_it_to_the_next_life() {
    let mut rig = Rig::new().await;
    let catalogue = Arc::new(Catalogue::default());
    catalogue.drop_of(OTHER);
    make(&rig, OTHER).await;
    rig.insert(0..3).await;
    rig.flush().await;
    rig.crash().await;
    assert_eq!(here(&rig), [SHARD, OTHER]);
    let _watched = catalogue.watch(rig.group());
    until("it is gone", || here(&rig) == [SHARD]).await;
    rig.crash().await;
    assert_eq!(here(&rig), [SHARD]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_without_a_reason_nobody_is_asked() {
    let mut rig = Rig::new().await;
    let catalogue = Arc::new(Catalogue::default());
    let _watched = catalogue.watch(rig.group());
    until("the look at the start", || catalogue.asked() == 1).await;
    for key in 0..20 {
        rig.insert(key..key + 1).await;
    }
    rig.flush().await;
    assert_eq!(catalogue.asked(), 1);
    // A replica that does not lead leaves it to the one that does.
    let follower = Rig::follower().await;
    let idle = remove_strays(follower.group(), catalogue.clone(), Shutdown::new());
    let mut idle = Box::pin(idle);
    for _ in 0..100 {
        assert!(futures::poll!(&mut idle).is_pending());
    }
    assert_eq!(catalogue.asked(), 1);
}
