//! The answering side: says who this node is, and takes a cluster's id once.

use super::hello;
use crate::directory::Directory;
use crate::identity::Phase;
use async_trait::async_trait;
use std::sync::Arc;
use vecraft_config::Config;
use vecraft_rpc::node::{Forming, NodeHello, serve_forming};
use vecraft_rpc::peer::Door;
use vecraft_types::{Code, Error, Result};

/// See the [module](self). Served while forming, and for ever after: an empty node must hear that the others are formed.
#[derive(Clone)]
pub struct FormingDoor {
    config: Arc<Config>,
    directory: Arc<Directory>,
}

impl FormingDoor {
    pub fn new(config: Config, directory: Arc<Directory>) -> FormingDoor {
        FormingDoor { config: Arc::new(config), directory }
    }

    /// What serves a connection of the forming channel.
    pub fn door(&self) -> Door {
        let service = self.clone();
        Arc::new(move |accepted| {
            let service = service.clone();
            Box::pin(async move { serve_forming(accepted.stream, Arc::new(service)).await })
        })
    }
}

#[async_trait]
impl Forming for FormingDoor {
    fn hello(&self) -> NodeHello {
        hello(&self.config, &self.directory)
    }

    async fn form(&self, cluster: u128) -> Result<()> {
        let directory = self.directory.clone();
        let begun = tokio::task::spawn_blocking(move || {
            let mut identity = directory.identity.lock();
            match identity.phase {
                Phase::Empty => identity.begin(directory.kv.as_ref(), cluster).map_err(|e| e.to_string()),
                _ if identity.cluster_id == cluster => Ok(()),
                _ => Err(format!("this node belongs to cluster {} already", identity.cluster_id_text())),
            }
        });
        let refused = |why: String| Error::new(Code::Internal, why);
        begun.await.map_err(|e| refused(e.to_string()))?.map_err(refused)
    }
}
