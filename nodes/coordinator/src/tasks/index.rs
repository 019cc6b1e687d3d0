//! Create an index: an entry of the metastore only. The shards' own logs name what is built (I13).

use super::Ddl;
use crate::messages::Named;
use vecraft_state::meta::MetaChange;
use vecraft_types::api::CreateIndex;
use vecraft_types::{CollectionId, Result};

impl Ddl {
    /// Writes the wish; whoever owns segments builds it. On the collection of this id, not on what has its name by the time
    /// the request comes again.
    ///
    /// # Errors
    /// What apply refuses (unknown field, type, parameter; another index there); the metastore cannot be reached.
    pub async fn make_index(&self, asked: Named<(CollectionId, CreateIndex)>) -> Result<()> {
        let (collection, CreateIndex { field, name, index_type, metric, params, .. }) = asked.wish;
        let change = MetaChange::CreateIndex { collection, field, name, index_type, metric, params };
        self.propose_once(asked.request, change).await?;
        Ok(())
    }
}
