//! A disk is lost for good: what an operator does then, as docs/ops/nodes.md says it for the same host and the same ports.

use super::nodes::Nodes;
use super::plan::Planned;
use crate::Trouble;
use std::time::{Duration, Instant};
use tokio::time::sleep;
use vecraft_client::Client;
use vecraft_client::types::NodeId;
use vecraft_client::types::api::{Call, ClusterReply, ClusterRequest, Database as _};

/// How long it may take until the copies are made again.
const REPLACE_MAX: Duration = Duration::from_secs(90);
/// For one call.
const CALL_MAX: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(100);

/// Kills a node and removes its data; after a while removes the node from the cluster and lets its host join under a number that
/// no node had (I1). Returns when the old number is gone and everything has its copies again (I2).
///
/// # Errors
/// When the node had ended by itself, or the copies are not made in time.
pub async fn replace(planned: &Planned, nodes: &mut Nodes, at: usize) -> Result<(), Trouble> {
    nodes.nodes[at].kill()?;
    let data = nodes.nodes[at].data().to_owned();
    std::fs::remove_dir_all(&data).map_err(|e| format!("cannot remove {}: {e}", data.display()))?;
    sleep(planned.lasts).await;

    let operator = operator(nodes, at).await?;
    let (old, address) = (nodes.number(at), nodes.node_address(at));
    ask(&operator, ClusterRequest::Remove(NodeId(old))).await?;
    let number = nodes.renumber(at)?;
    ask(&operator, ClusterRequest::Add { node: NodeId(number), address }).await?;
    nodes.nodes[at].start()?;
    nodes.nodes[at].wait_until_it_serves().await?;

    let until = Instant::now() + REPLACE_MAX;
    loop {
        let reply = ask(&operator, ClusterRequest::List).await?;
        if is_replaced(&reply, old, number) {
            return Ok(());
        }
        if Instant::now() > until {
            let waited = REPLACE_MAX.as_secs();
            return Err(format!("node {number} in place of {old} is not done after {waited} s: {reply:?}"));
        }
        sleep(LOOK).await;
    }
}

/// A client of the nodes that live.
async fn operator(nodes: &Nodes, dead: usize) -> Result<Client, Trouble> {
    let mut addresses = nodes.addresses(dead);
    addresses.remove(0);
    let builder = addresses.into_iter().fold(Client::builder(), |builder, address| builder.address(address));
    let builder = builder.follow_topology(false).deadline(CALL_MAX);
    builder.connect().await.map_err(|e| format!("cannot connect to replace a node: {e}"))
}

/// Asks until there is an answer: a leader may just have been lost with the node.
async fn ask(operator: &Client, request: ClusterRequest) -> Result<ClusterReply, Trouble> {
    let until = Instant::now() + REPLACE_MAX;
    loop {
        match operator.cluster(Call::default(), request.clone()).await {
            Ok(reply) => return Ok(reply),
            Err(error) if Instant::now() > until => return Err(format!("{request:?}: {error}")),
            Err(_) => sleep(LOOK).await,
        }
    }
}

fn is_replaced(reply: &ClusterReply, old: u64, new: u64) -> bool {
    let state =
        |id: u64| reply.nodes.iter().find(|node| node.id == NodeId(id)).map(|node| node.state.as_str());
    let is_gone = state(old).is_none_or(|state| state == "removed");
    is_gone && state(new) == Some("active") && reply.under_way.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vecraft_client::types::api::NodeInfo;

    #[test]
    fn it_is_done_when_the_old_number_is_gone_and_nothing_is_under_way() {
        let node =
            |id, state: &str| NodeInfo { id: NodeId(id), state: state.to_owned(), ..NodeInfo::default() };
        let reply = |nodes, under_way: &[&str]| ClusterReply {
            nodes,
            replication: 3,
            under_way: under_way.iter().map(|line| (*line).to_owned()).collect(),
            ..ClusterReply::default()
        };
        assert!(!is_replaced(&reply(vec![node(2, "leaving"), node(4, "active")], &[]), 2, 4));
        assert!(!is_replaced(&reply(vec![node(4, "expected")], &[]), 2, 4));
        assert!(!is_replaced(&reply(vec![node(4, "active")], &["group 1: a copy on node 4"]), 2, 4));
        assert!(is_replaced(&reply(vec![node(2, "removed"), node(4, "active")], &[]), 2, 4));
    }
}
