//! What is gone for good, for those who hold what may be left of it.

use crate::metastore::Metastore;
use async_trait::async_trait;
use std::collections::BTreeSet;
use vecraft_rpc::services::DroppedCollections;
use vecraft_types::{CollectionId, Result};

#[async_trait]
impl DroppedCollections for Metastore {
    async fn dropped(&self, among: BTreeSet<CollectionId>) -> Result<BTreeSet<CollectionId>> {
        self.catch_up().await?;
        Ok(self.read(|state| among.into_iter().filter(|id| state.is_dropped(*id)).collect()))
    }
}
