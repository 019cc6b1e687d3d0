//! From a started replica of group 0 to one that may be relied on: it belongs to this node's cluster, has all it had
//! before, the configuration agrees with it, and the cluster has not let this node go.
//!
//! Whoever is started again does not know what happened meanwhile. A node that was let go is told so by any other, also
//! one of a cluster that recovered without it and has another id: that is asked at once, of everybody once before this node
//! counts as settled, and now and then for ever after, because among old members it could find a majority that nobody
//! else wants any more (I1). Only this node's cluster, or one that went on from it, is believed.

use crate::cluster::{Cluster, enter};
use crate::directory::Directory;
use crate::standing::Standing;
use crate::{Error, agreed};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use vecraft_config::Config;
use vecraft_coordinator::Metastore;
use vecraft_rpc::node::ask_is_removed;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_state::meta::{ClusterId, NodeRow, NodeState};
use vecraft_types::NodeId;

/// How often a node that waits for the others looks again.
const LOOK: Duration = Duration::from_millis(50);
/// Said while there is none.
const WAITING: &str = "waiting for a majority of the metastore's voters";
/// A line in the log while waiting, so that a person knows for what.
const TELL: Duration = Duration::from_secs(5);
/// For one answer whether this node was removed; a host that says nothing delays a start by this much.
const LOOK_REMOVED: Duration = Duration::from_secs(2);
/// Between two rounds of that question.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// For one look whether everything from before the last stop is applied.
const RECOVERY_LOOK: Duration = Duration::from_secs(5);

/// Returns once the metastore here is that of this node's cluster, has all it had before, and the configuration agrees.
pub async fn settled(
    directory: &Directory,
    config: &Config,
    cluster: Option<&Cluster>,
    metastore: &Metastore,
    standing: &Standing,
) -> Result<(), Error> {
    match cluster {
        Some(cluster) => {
            let own = directory.identity().node;
            enter(own, cluster, metastore);
            let asked = Notify::new();
            // A majority that is found early must not hide the answer of one who says that it counts no more.
            let settling =
                async { tokio::join!(settle(config, directory, metastore, standing), asked.notified()).0 };
            tokio::select! {
                biased;
                () = until_let_go(cluster, own, &asked) => return Err(removed(own)),
                why = forfeited(metastore) => return Err(vecraft_coordinator::Error::Forfeited(why).into()),
                settled = settling => settled?,
            }
            enter(own, cluster, metastore);
        }
        None => check_alone(metastore)?,
    }
    metastore.read(|state| agreed::check_placement(state.placement(), config, directory.identity().node))
}

/// Returns once the metastore here knows the cluster and has all it had before; the leader tells it what the
/// configuration says when it is new.
///
/// # Errors
/// When the metastore refuses: another cluster's.
async fn settle(
    config: &Config,
    directory: &Directory,
    metastore: &Metastore,
    standing: &Standing,
) -> Result<(), Error> {
    let mut told = Instant::now();
    loop {
        let is_known = metastore.root().cluster.is_some();
        if is_known && metastore.recovered(RECOVERY_LOOK).await.is_ok() {
            return Ok(());
        }
        if !is_known && metastore.is_leader() {
            form(config, directory, metastore).await?;
            continue;
        }
        standing.waits(WAITING);
        if told.elapsed() >= TELL {
            let leader = metastore.leader().map(|node| node.0);
            tracing::info!(leader, "{WAITING}");
            told = Instant::now();
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn form(config: &Config, directory: &Directory, metastore: &Metastore) -> Result<(), Error> {
    let rows = config
        .nodes
        .iter()
        .map(|node| NodeRow { id: NodeId(node.id), address: node.address(node.node_port) });
    let cluster = ClusterId(directory.identity().cluster_id);
    let pool = config.first_pool_groups();
    let query_only = config.query_only().map(NodeId).collect();
    let replication = config.cluster.replication as u32;
    match metastore.form(cluster, rows.collect(), query_only, replication, pool).await {
        // Another one leads by now, or nobody: the next look tells.
        Err(error) if error.is_retriable() => Ok(()),
        done => done.map_err(Error::other("form the cluster")),
    }
}

/// Returns when the replica of group 0 left service for good: it lacks what it had acknowledged (I1).
async fn forfeited(metastore: &Metastore) -> String {
    metastore.ended().await;
    match metastore.forfeited() {
        Some(why) => why,
        // Whoever watches it says what else happened.
        None => std::future::pending().await,
    }
}

/// Refuses to serve replicas of a cluster of several nodes behind a closed node port.
fn check_alone(metastore: &Metastore) -> Result<(), Error> {
    let others = metastore.read(|meta| {
        let nodes = meta.placement().nodes.values();
        nodes.filter(|node| !matches!(node.state, NodeState::Removed | NodeState::Expected)).count() > 1
    });
    match others {
        false => Ok(()),
        true => Err(Error::Other {
            what: "configuration",
            why: "this node's cluster has several nodes, and without cluster.secret_file this one may not open its port \
                  to them: set it to the cluster's secret"
                .to_owned(),
        }),
    }
}

/// Ends only when one of the others says that the cluster has let this node go; tells `asked` when all have been asked.
async fn until_let_go(cluster: &Cluster, own: NodeId, asked: &Notify) {
    while !is_let_go(cluster, own).await {
        asked.notify_one();
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Whether one of the others says that the cluster has let this node go: nobody talks to its replicas any more. Ends with
/// the first who says so.
async fn is_let_go(cluster: &Cluster, own: NodeId) -> bool {
    let ours = cluster.peers.identity().cluster;
    let others = cluster.peers.book().all().into_iter().map(|(node, _)| node).filter(|node| *node != own);
    let mut asked: FuturesUnordered<_> = others
        .map(|node| async move {
            let asked = tokio::time::timeout(LOOK_REMOVED, ask_is_removed(&cluster.peers, node, own)).await;
            matches!(asked, Ok(Ok(answer)) if answer.ends(ours))
        })
        .collect();
    while let Some(is_let_go) = asked.next().await {
        if is_let_go {
            return true;
        }
    }
    false
}

/// What a started node goes on asking: one of the others may come back as a cluster that went on without this node.
///
/// # Errors
/// None; the type is what background tasks return.
pub async fn watch_let_go(own: NodeId, cluster: Cluster, shutdown: Shutdown) -> Result<(), Infallible> {
    if shutdown.unless_triggered(until_let_go(&cluster, own, &Notify::new())).await.is_some() {
        shutdown.trigger(removed(own).to_string());
    }
    Ok(())
}

/// Why a node that was let go does not serve.
pub fn removed(own: NodeId) -> Error {
    let why = format!(
        "the cluster has let node {own} go, and its id is never used again: to use this host again, announce it with \
         `vecraft node add NEW_ID HOST:NODE_PORT` and start it with that id on an empty directory"
    );
    Error::Other { what: "this node was removed", why }
}
