//! Create an index: an entry of the metastore only. The shards' own logs name what is built (I13).

use super::Ddl;
use vecraft_state::meta::MetaChange;
use vecraft_types::Result;
use vecraft_types::api::CreateIndex;

impl Ddl {
    /// Writes the wish; whoever owns segments builds it.
    ///
    /// # Errors
    /// What apply refuses (unknown field, type, parameter; another index there); the metastore cannot be reached.
    pub async fn create_index(&self, request: CreateIndex) -> Result<()> {
        let collection = self.resolve(&request.collection).await?;
        let CreateIndex { field, name, index_type, metric, params, .. } = request;
        let change = MetaChange::CreateIndex { collection, field, name, index_type, metric, params };
        self.metastore.propose(change).await?;
        Ok(())
    }
}
