//! The port between nodes of a cluster: who this node is towards the others, and what they may ask of it.

use crate::Error;
use crate::cluster::Cluster;
use crate::directory::Directory;
use crate::forming::{FormingDoor, Nameless};
use crate::ground::Ground;
use crate::identity::Phase;
use std::sync::{Arc, OnceLock};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use vecraft_config::{Config, FormingMode, SECRET_WANTED};
use vecraft_data::DiskFiles;
use vecraft_index_node::IndexFiles;
use vecraft_raft_host::Network;
use vecraft_rpc::Complaints;
use vecraft_rpc::files::{GroupFiles, serve_files};
use vecraft_rpc::membership::ClusterAdmin;
use vecraft_rpc::node::{NodeServices, serve_node};
use vecraft_rpc::peer::{
    Accepted, Channel, DialOptions, Door, Identity, ListenOptions, PeerListener, Peers, Secret, Trust,
};
use vecraft_rpc::transport::framed_over;
use vecraft_runtime::pools::IoPool;
use vecraft_runtime::random::Random;
use vecraft_types::NodeId;

/// The newest feature level of this program.
const LEVEL: u32 = 1;

/// The other nodes of the configuration, reached as `node` of `cluster` (0 before it has a name).
pub fn peers(
    config: &Config,
    node: NodeId,
    cluster: u128,
    random: Arc<dyn Random>,
) -> Result<Arc<Peers>, Error> {
    let nonces = Arc::new(move || random.next_u64());
    let identity = Identity { cluster, node, level: LEVEL, trust: trust(config)?, nonces };
    let peers = Peers::new(identity, DialOptions::default());
    for other in config.nodes.iter().filter(|other| other.id != node.0) {
        peers.book().set(NodeId(other.id), other.address(other.node_port));
    }
    Ok(peers)
}

/// The secret of the configuration. Without one, every host must be loopback: whoever reaches the port is believed.
fn trust(config: &Config) -> Result<Trust, Error> {
    let wrong = |why: String| Error::Other { what: "cluster secret", why };
    match &config.cluster.secret_file {
        Some(file) => {
            let bytes = vecraft_storage::read_secret(file).map_err(|e| wrong(e.to_string()))?;
            let text = String::from_utf8_lossy(&bytes);
            let secret = Secret::new(text.trim().as_bytes());
            let short = || {
                wrong(format!(
                    "{} holds fewer than 16 bytes; make one with: openssl rand -hex 32 > FILE",
                    file.display()
                ))
            };
            Ok(Trust::Secret(secret.ok_or_else(short)?))
        }
        None if config.is_local() => Ok(Trust::Open),
        None => Err(wrong(SECRET_WANTED.to_owned())),
    }
}

/// Whether this node opens its port to others: a lone one too, so that others can join and `vecraft cluster init` finds
/// it, unless it is reachable from other hosts and asks for no secret.
pub fn opens(config: &Config) -> bool {
    let is_waited_for = config.nodes.len() > 1 || config.cluster.forming == FormingMode::Explicit;
    is_waited_for || config.cluster.secret_file.is_some() || config.is_local()
}

/// The open node port of a started node.
pub struct NodeDoor {
    cluster: Cluster,
    roles: Arc<OnceLock<NodeServices>>,
    task: JoinHandle<()>,
}

impl NodeDoor {
    /// Opens the port; forms the cluster first when the directory is new. Replication and files are served at once, the
    /// roles when they are there.
    ///
    /// # Errors
    /// What [`Nameless::form`] says; a secret that is missing or unreadable.
    pub async fn open(
        config: &Config,
        directory: &Arc<Directory>,
        listener: TcpListener,
        random: Arc<dyn Random>,
        ground: &Ground,
    ) -> Result<NodeDoor, Error> {
        let node = directory.identity().node;
        let broken = Error::other("open the node port");
        let port = listener.local_addr().map_err(&broken)?.port();
        let address = config.node(node.0)?.address(port);
        let listener = listener.into_std().map_err(&broken)?;
        let again = || listener.try_clone().and_then(TcpListener::from_std);
        // A lone node has named its cluster already, unless it waits for a person.
        let identity = directory.identity();
        if identity.is_forming() && (config.nodes.len() > 1 || identity.phase == Phase::Empty) {
            let (peers, listener) = (peers(config, node, 0, random.clone())?, again().map_err(&broken)?);
            let nameless = Nameless { config, directory, peers, address: &address, ground };
            nameless.form(listener).await?;
        }
        let peers = peers(config, node, directory.identity().cluster_id, random)?;
        let network = Network::over(peers.clone());
        let roles: Arc<OnceLock<NodeServices>> = Arc::default();
        let forming = FormingDoor::new(config.clone(), directory.clone());
        let doors = [
            (Channel::Raft, network.door()),
            (Channel::Rpc, roles_door(roles.clone(), peers.complaints().clone())),
            (Channel::Files, files_door(files(directory, &ground.io))),
            (Channel::Forming, forming.door()),
        ];
        let listener = again().map_err(&broken)?;
        let serving = PeerListener::new(listener, peers.clone(), ListenOptions::default(), doors);
        let stop = ground.shutdown.clone();
        let task = tokio::spawn(serving.serve(async move { stop.triggered().await }));
        Ok(NodeDoor { cluster: Cluster { peers, network, address, forming }, roles, task })
    }

    /// The others.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// From now on other nodes may ask these, and join through this one.
    pub fn serve_roles(&self, services: NodeServices, cluster: Arc<dyn ClusterAdmin>) {
        // Called once a start.
        let _ = self.roles.set(services);
        self.cluster.forming.take_in(cluster);
    }

    /// What runs until shutdown.
    pub fn into_task(self) -> JoinHandle<()> {
        self.task
    }
}

/// The files that others may read: of groups and of indexes.
fn files(directory: &Directory, io: &IoPool) -> Arc<dyn GroupFiles> {
    let groups = Arc::new(DiskFiles::new(directory.disk.clone(), io.clone()));
    Arc::new(IndexFiles::new(directory.disk.clone(), io.clone(), groups))
}

/// What serves files of snapshots and index files.
fn files_door(files: Arc<dyn GroupFiles>) -> Door {
    Arc::new(move |accepted: Accepted| {
        let files = files.clone();
        Box::pin(async move {
            if let Err(error) = serve_files(accepted.stream, files).await {
                tracing::debug!(node = %accepted.from, %error, "a connection for files was closed");
            }
        })
    })
}

/// What serves calls between roles. Before they are there a peer finds its connection closed and asks another node.
fn roles_door(roles: Arc<OnceLock<NodeServices>>, complaints: Arc<Complaints>) -> Door {
    Arc::new(move |accepted: Accepted| {
        let (services, complaints) = (roles.get().cloned(), complaints.clone());
        Box::pin(async move {
            let Some(services) = services else { return };
            if let Err(error) = serve_node(framed_over(accepted.stream), services).await {
                complaints.tell(accepted.from, "a node's connection for calls was closed", &error);
            }
        })
    })
}
