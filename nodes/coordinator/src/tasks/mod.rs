//! One verb a file. Each may be interrupted anywhere: what is left is in `MetaState::pending` (I11).

mod allocate_ids;
#[cfg(test)]
pub(crate) mod by_name;
mod collection;
mod drop_exactly;
mod index;
mod partition;
mod reconcile;
mod run_job;

use crate::block::IdBlock;
use crate::locks::Locks;
use crate::metastore::Metastore;
use std::sync::Arc;
use tokio::sync::Notify;
use vecraft_rpc::services::ShardAdmin;
use vecraft_state::meta::{MetaChange, MetaOutcome};
use vecraft_types::{CollectionId, Error, RequestId, Result};

/// What the tasks share.
pub struct Ddl {
    metastore: Metastore,
    shards: Arc<dyn ShardAdmin>,
    locks: Locks,
    ids: tokio::sync::Mutex<IdBlock>,
    /// Something was left undone.
    unfinished: Notify,
}

impl Ddl {
    /// Tasks over this metastore and these shards.
    pub fn new(metastore: Metastore, shards: Arc<dyn ShardAdmin>) -> Ddl {
        Ddl {
            metastore,
            shards,
            locks: Locks::default(),
            ids: tokio::sync::Mutex::default(),
            unfinished: Notify::new(),
        }
    }

    /// Proposes what is to be done once under the request's name (I10).
    async fn propose_once(&self, request: RequestId, change: MetaChange) -> Result<MetaOutcome> {
        self.metastore.propose(MetaChange::Once { request, change: Box::new(change) }).await
    }

    /// The collection of a name as of now: everything committed before the call is seen (I19).
    ///
    /// # Errors
    /// When the metastore cannot be reached.
    pub async fn find(&self, name: String) -> Result<Option<CollectionId>> {
        self.metastore.catch_up().await?;
        Ok(self.metastore.read(|state| state.collection_named(&name).map(|row| row.id)))
    }

    /// Does what is left to do for a collection, now; on failure the reconcile task goes on with it, so what was asked may
    /// be done yet.
    async fn finish(&self, id: CollectionId) -> Result<()> {
        let finished = self.run_jobs_of(id).await;
        if let Err(error) = &finished {
            tracing::warn!(collection = %id, %error, "DDL left unfinished, it will be tried again");
            self.unfinished.notify_one();
        }
        finished.map_err(Error::unanswered)
    }
}
