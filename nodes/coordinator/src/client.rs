//! The coordinator as the other roles of this node see it.

use crate::actor::Coordinator;
use crate::messages::*;
use actix::{Handler, Message};
use async_trait::async_trait;
use std::time::Duration;
use vecraft_rpc::services::{CatalogueWriter, DropTarget};
use vecraft_runtime::actors::{AskError, Asked, RoleAddr, RoleEnd};
use vecraft_types::{Code, CollectionId, Error, RequestId, Result, api};

/// How long a DDL call may take: retries towards slow shards included.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Asks the coordinator of this process. Clones are the same.
#[derive(Clone)]
pub struct CoordinatorClient {
    role: RoleAddr<Coordinator>,
}

impl CoordinatorClient {
    pub(crate) fn new(role: RoleAddr<Coordinator>) -> CoordinatorClient {
        CoordinatorClient { role }
    }

    /// The actor behind, to watch it.
    pub fn role(&self) -> &RoleAddr<Coordinator> {
        &self.role
    }

    /// Lets calls in flight finish and stops the actor.
    pub async fn stop(&self) -> RoleEnd {
        self.role.stop().await
    }

    async fn ask<M, T>(&self, message: M) -> Result<T>
    where
        Coordinator: Handler<Asked<M>>,
        M: Message<Result = Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        self.role.ask(message, ANSWER_MAX).await.map_err(refused)?
    }
}

fn refused(error: AskError) -> Error {
    let text = error.to_string();
    match error {
        AskError::Busy { retry_after_ms, .. } => {
            Error::new(Code::RateLimited, text).retry_after(retry_after_ms)
        }
        AskError::Stopped { .. } => Error::new(Code::Unavailable, text),
        AskError::Lost { .. } => Error::new(Code::OutcomeUnknown, text).unanswered(),
        AskError::Deadline { .. } => Error::new(Code::Deadline, text).unanswered(),
    }
}

#[async_trait]
impl CatalogueWriter for CoordinatorClient {
    async fn create_collection(&self, request: RequestId, wish: api::CreateCollection) -> Result<()> {
        self.ask(CreateCollection(Named { request, wish })).await
    }

    async fn create_partition(
        &self,
        request: RequestId,
        collection: CollectionId,
        name: String,
    ) -> Result<()> {
        self.ask(CreatePartition(Named { request, wish: (collection, name) })).await
    }

    async fn create_index(
        &self,
        request: RequestId,
        collection: CollectionId,
        wish: api::CreateIndex,
    ) -> Result<()> {
        self.ask(CreateIndex(Named { request, wish: (collection, wish) })).await
    }

    async fn set_loaded(&self, collection: CollectionId, wish: api::SetLoaded) -> Result<()> {
        self.ask(SetLoaded((collection, wish))).await
    }

    async fn allocate_ids(&self, count: u64) -> Result<i64> {
        self.ask(AllocateIds(count)).await
    }

    async fn holder_of(&self, name: String) -> Result<Option<CollectionId>> {
        self.ask(HolderOf(name)).await
    }

    async fn drop_exactly(&self, target: DropTarget) -> Result<()> {
        self.ask(DropExactly(target)).await
    }
}
