//! What other nodes may ask.

use crate::node::DataNode;
use async_trait::async_trait;
use vecraft_rpc::services::{GroupDigest, GroupDigests};
use vecraft_types::{GroupId, Result};

#[async_trait]
impl GroupDigests for DataNode {
    async fn digest(&self, group: GroupId) -> Result<GroupDigest> {
        Ok(self.group(group)?.machine.lock().replica.digest())
    }
}
