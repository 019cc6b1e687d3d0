//! The answering side: says who this node is, takes a cluster's id once, and hands on who wants to join.

use super::{hello, lowest, no_agreement};
use crate::agreed;
use crate::directory::Directory;
use crate::identity::Phase;
use crate::recover::ancestors;
use async_trait::async_trait;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use vecraft_config::{Config, FormingMode};
use vecraft_coordinator::Metastore;
use vecraft_rpc::membership::{ClusterAdmin, JoinRequest, Joined};
use vecraft_rpc::node::{Forming, HelloPhase, LetGo, NodeHello, serve_forming};
use vecraft_rpc::peer::Door;
use vecraft_state::meta::NodeState;
use vecraft_types::{Code, Error, NodeId, Result};

/// See the [module](self). Served while forming, and for ever after: an empty node must hear that the others are formed.
#[derive(Clone)]
pub struct FormingDoor {
    config: Arc<Config>,
    directory: Arc<Directory>,
    metastore: Arc<OnceLock<Metastore>>,
    cluster: Arc<OnceLock<Arc<dyn ClusterAdmin>>>,
    /// A person has said that the cluster is to be formed. Gone with the process: what was begun is written down.
    is_wanted: Arc<AtomicBool>,
}

impl FormingDoor {
    pub fn new(config: Config, directory: Arc<Directory>) -> FormingDoor {
        FormingDoor {
            config: Arc::new(config),
            directory,
            metastore: Arc::default(),
            cluster: Arc::default(),
            is_wanted: Arc::default(),
        }
    }

    /// Whether empty directories may become a cluster now.
    pub fn may_begin(&self) -> bool {
        self.config.cluster.forming == FormingMode::Automatic || self.is_wanted.load(Ordering::SeqCst)
    }

    /// From now on this node answers what it has applied of the metastore, also while it waits for a majority.
    pub fn knows(&self, metastore: Metastore) {
        // Called once a start.
        let _ = self.metastore.set(metastore);
    }

    /// From now on others may join through this node.
    pub fn take_in(&self, cluster: Arc<dyn ClusterAdmin>) {
        // Called once a start.
        let _ = self.cluster.set(cluster);
    }

    fn metastore(&self) -> Result<&Metastore> {
        self.metastore.get().ok_or_else(starting)
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

    fn init(&self, config_hash: u64) -> Result<()> {
        let own = self.hello();
        if own.config_hash != config_hash {
            return Err(Error::invalid(no_agreement(&own, config_hash)));
        }
        let leads = lowest(&self.config.nodes.iter().map(|node| NodeId(node.id)).collect::<Vec<_>>());
        if own.node != leads {
            return Err(Error::invalid(format!("node {leads} leads the forming: tell that one")));
        }
        if own.phase == HelloPhase::Empty && !self.is_wanted.swap(true, Ordering::SeqCst) {
            tracing::info!("a person says that the cluster is to be formed");
        }
        Ok(())
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

    async fn join(&self, request: JoinRequest) -> Result<Joined> {
        self.metastore()?.read(|state| {
            agreed::check_joining(state.placement(), &self.config, &request)?;
            // I1: a refusal for ever needs no leader. With two nodes there is none when one of them is empty.
            state.placement().check_joining(request.node, request.directory)
        })?;
        let cluster = self.cluster.get().ok_or_else(starting)?;
        let is_listed = self.config.nodes.iter().any(|node| node.id == request.node.0);
        cluster.join(JoinRequest { is_listed, ..request }).await
    }

    async fn is_removed(&self, node: NodeId) -> Result<LetGo> {
        let state = self.metastore()?.read(|state| state.placement().state_of(node));
        let unreadable = |error: crate::Error| Error::new(Code::Internal, error.to_string());
        let mut speaks_for = ancestors(self.directory.kv.as_ref()).map_err(unreadable)?;
        speaks_for.push(self.directory.identity().cluster_id);
        Ok(LetGo { is_removed: state == Some(NodeState::Removed), speaks_for })
    }
}

fn starting() -> Error {
    Error::new(Code::NotReady, "this node is starting")
}
