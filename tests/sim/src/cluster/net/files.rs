//! Files of other nodes, over the same network.

use super::{Fate, Net};
use async_trait::async_trait;
use bytes::Bytes;
use vecraft_rpc::files::{FileRange, FilesElsewhere};
use vecraft_types::{Code, Error, NodeId, Result};

/// What a node reads of others.
pub struct WiredFiles {
    /// The network.
    pub net: Net,
    /// The node that reads.
    pub from: u64,
}

#[async_trait]
impl FilesElsewhere for WiredFiles {
    async fn read(&self, node: NodeId, range: FileRange) -> Result<Bytes> {
        let gone = || Error::new(Code::ReplicaUnavailable, format!("node {node} does not answer"));
        for (from, to) in [(self.from, node.0), (node.0, self.from)] {
            match self.net.fate(from, to) {
                Fate::Lost | Fate::Breaks => return Err(gone()),
                Fate::Arrives { after } => tokio::time::sleep(after).await,
            }
        }
        let files = self.net.0.lock().files.get(&node.0).cloned().ok_or_else(gone)?;
        files.read(range).await
    }
}
