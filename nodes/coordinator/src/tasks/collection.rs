//! Create and drop a collection, set its load flag.

use super::Ddl;
use vecraft_rpc::services::DropTarget;
use vecraft_state::meta::{MetaChange, MetaOutcome};
use vecraft_types::api::{CreateCollection, SetLoaded};
use vecraft_types::{Error, Result};

impl Ddl {
    /// Intent, a CreateShard entry in every shard's log, done (I11). The same collection again succeeds once its
    /// shards exist.
    ///
    /// # Errors
    /// What apply refuses; or why a shard could not be made, and then the reconcile task goes on with it.
    pub async fn create_collection(&self, request: CreateCollection) -> Result<()> {
        let candidates = self.shards.groups().into_iter().map(|(group, _)| group).collect();
        let change = MetaChange::CreateCollection { request: Box::new(request), candidates };
        match self.metastore.propose(change).await? {
            MetaOutcome::Collection { id, .. } => self.finish(id).await,
            other => Err(Error::internal(format!("the metastore answered create with {other:?}"))),
        }
    }

    /// Drops whatever holds the name. A missing collection is no error.
    ///
    /// # Errors
    /// When the metastore cannot be reached.
    pub async fn drop_collection(&self, name: String) -> Result<()> {
        match self.find(name).await? {
            Some(id) => self.drop_exactly(DropTarget::Collection(id)).await,
            None => Ok(()),
        }
    }

    /// Sets or clears the load flag, and before it how many replicas answer reads: a load that asks for too many
    /// changes nothing.
    ///
    /// # Errors
    /// Collection not found; more replicas than there are; the metastore cannot be reached.
    pub async fn set_loaded(&self, request: SetLoaded) -> Result<()> {
        let collection = self.resolve(&request.collection).await?;
        if let Some(replicas) = request.replicas.filter(|_| request.loaded) {
            self.metastore.propose(MetaChange::SetReplicas { collection, replicas }).await?;
        }
        self.metastore.propose(MetaChange::SetLoaded { collection, loaded: request.loaded }).await?;
        Ok(())
    }
}
