//! Create a collection, set its load flag.

use super::Ddl;
use crate::messages::Named;
use crate::spread::{Led, spread};
use std::time::Duration;
use tokio::time::Instant;
use vecraft_state::meta::{MetaChange, MetaOutcome};
use vecraft_types::api::{CreateCollection, SetLoaded};
use vecraft_types::{CollectionId, Error, GroupId, Result};

/// How long a new collection waits for the leaders of groups to be known.
const LEADERS_MAX: Duration = Duration::from_millis(200);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

impl Ddl {
    /// Intent, a CreateShard entry in every shard's log, done (I11). The same collection again succeeds once its
    /// shards exist; the same request again makes nothing, also when the collection was dropped since (I10).
    ///
    /// # Errors
    /// What apply refuses; or why a shard could not be made, and then the reconcile task goes on with it.
    pub async fn make_collection(&self, asked: Named<CreateCollection>) -> Result<()> {
        let request = Box::new(asked.wish);
        let change = MetaChange::CreateCollectionOn { request, groups: self.offered().await };
        match self.propose_once(asked.request, change).await? {
            MetaOutcome::Collection { id, .. } => self.finish(id).await,
            other => Err(Error::internal(format!("the metastore answered create with {other:?}"))),
        }
    }

    /// The groups that take writes now, as far as this node knows, in the order in which they spread shards over leaders.
    /// None at all means that nobody knows: then every group may. Who leads a group without a replica here is asked of
    /// others while this waits a moment; a group that nobody leads is not waited for longer.
    async fn offered(&self) -> Vec<GroupId> {
        let until = Instant::now() + LEADERS_MAX;
        loop {
            let pool: Vec<(GroupId, u32)> = self.metastore.read(|state| {
                let pool = state.root().groups.iter().filter(|(id, _)| **id != GroupId::META);
                pool.map(|(id, row)| (*id, row.shards)).collect()
            });
            let led = |(group, shards): &(GroupId, u32)| {
                Some(Led { group: *group, leader: self.shards.leader_of(*group)?, shards: *shards })
            };
            let led: Vec<Led> = pool.iter().filter_map(led).collect();
            if led.len() == pool.len() || Instant::now() >= until {
                return spread(led);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sets or clears the load flag, and before it how many replicas answer reads: a load that asks for too many
    /// changes nothing. By id: a name, asked again after an answer that was lost, could be another collection's by then.
    ///
    /// # Errors
    /// Collection not found; more replicas than there are; the metastore cannot be reached.
    pub async fn set_loaded(&self, asked: (CollectionId, SetLoaded)) -> Result<()> {
        let (collection, wish) = asked;
        if let Some(replicas) = wish.replicas.filter(|_| wish.loaded) {
            self.metastore.propose(MetaChange::SetReplicas { collection, replicas }).await?;
        }
        self.metastore.propose(MetaChange::SetLoaded { collection, loaded: wish.loaded }).await?;
        Ok(())
    }
}
