//! How the cluster stands, in words for operators; and their verbs.

use super::announced::check_new;
use super::view::{MembersView, View};
use super::{Steward, leaders, meta, pool};
use async_trait::async_trait;
use std::collections::BTreeSet;
use vecraft_rpc::membership::{ClusterAdmin, JoinRequest, Joined};
use vecraft_state::meta::{MetaChange, MetaOutcome, NodeRow, NodeState, Placement};
use vecraft_types::api::{ClusterReply, ClusterRequest, NodeInfo};
use vecraft_types::{Code, Error, GroupId, NodeId, ReplicaId, Result};

/// How a line of what is under way ends that waits for another node, and for nothing that the cluster does by itself.
pub const WAITS_FOR_A_NODE: &str = "no node is there for another";

/// What the last round saw.
pub struct Seen {
    pub view: View,
    /// Changes of nodes and wanted replicas that were known then.
    pub changes: u64,
}

/// What is still to be done, a line for each group that is not where it should be.
pub fn under_way(view: &View) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(members) = view.groups.get(&GroupId::META).and_then(|group| group.members.as_ref()) {
        let wanted = view.groups.get(&GroupId::META).map(|group| &group.wanted);
        for (replica, node) in wanted.into_iter().flatten() {
            let is_gone = view.nodes.get(node).is_some_and(|node| node.state == NodeState::Removed);
            match (is_gone, members.has(*replica)) {
                (true, _) => lines.push(format!("the metastore lets node {node} go")),
                (false, false) => lines.push(format!("the metastore takes in node {node}")),
                _ => {}
            }
        }
        if !meta::has_its_voters(view, members) {
            lines.push("the metastore waits for nodes that can vote".to_owned());
        }
        let votes = |node: &NodeId| members.voters.values().any(|at| at == node);
        let leaving = view.nodes.iter().filter(|(_, node)| node.state == NodeState::Leaving);
        lines.extend(
            leaving
                .filter(|(node, _)| votes(node))
                .map(|(node, _)| format!("the metastore takes node {node}'s vote away")),
        );
    }
    let targets = pool::targets(view);
    for (id, group) in view.pool() {
        let Some(target) = targets.get(&id) else { continue };
        let removing = view.broken.keys().any(|(_, group)| *group == id);
        if target.copies.len() < pool::copies(view) && !removing {
            let (has, wanted) = (target.copies.len(), pool::copies(view));
            lines.push(format!("group {id} has {has} of {wanted} copies, {WAITS_FOR_A_NODE}"));
        }
        for node in group.wanted.values() {
            let Some(why) = view.broken.get(&(*node, id)) else { continue };
            let what = match target.copies.contains(node) {
                true => WAITS_FOR_A_NODE,
                false => "it is let go, and another one made",
            };
            lines.push(format!("group {id}: its replica on node {node} is out of service ({why}), {what}"));
        }
        // One that has just come has not answered yet, and its replicas are still to be placed.
        let holds = |node: &NodeId| group.wanted.values().any(|at| at == node);
        let lacks = |node: &NodeId| !view.is_lost(*node) && !holds(node);
        let is_there = pool::is_there(group, target);
        if is_there && !view.query_only().any(|node| lacks(&node)) {
            continue;
        }
        let Some(members) = &group.members else {
            lines.push(format!("group {id} has no leader"));
            continue;
        };
        let from: BTreeSet<NodeId> = members.voters.values().copied().collect();
        let catching_up = |(replica, node): (&ReplicaId, &NodeId)| {
            let lags = !members.voters.contains_key(replica) && !members.near.contains(replica);
            (lags && target.copies.contains(node)).then(|| format!(", node {node} catches up"))
        };
        let waiting: String = group.wanted.iter().filter_map(catching_up).collect();
        let follow: BTreeSet<NodeId> = members.learners.values().copied().collect();
        let follows = |node: &NodeId| follow.contains(node);
        let lacking: BTreeSet<NodeId> = view
            .query_only()
            .filter(|node| lacks(node) || (target.learners.contains(node) && !follows(node)))
            .collect();
        match (is_there || from == target.copies) && !members.is_joint && !lacking.is_empty() {
            true => lines.push(format!("group {id}: replicas for reads on node {}", list(&lacking))),
            false => lines.push(format!(
                "group {id}: from nodes {} to {}{waiting}",
                list(&from),
                list(&target.copies)
            )),
        }
    }
    lines
}

fn list(nodes: &BTreeSet<NodeId>) -> String {
    let words: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    words.join(", ")
}

impl Steward {
    fn check_leads(&self) -> Result<()> {
        match self.inner.metastore.is_leader() {
            true => Ok(()),
            false => Err(Error::new(Code::ReplicaUnavailable, "this node does not lead the metastore")),
        }
    }

    /// How things stand, of all nodes that are not gone and of `asked`.
    fn standing(&self, asked: Option<NodeId>) -> Result<ClusterReply> {
        let metastore = &self.inner.metastore;
        let changes = *metastore.placed().borrow();
        let (root, placement) = metastore.read(|state| (state.root().clone(), state.placement().clone()));
        let seen = self.inner.seen.lock();
        let not_yet = || {
            Error::new(Code::NotReady, "the coordinator has just begun and has not looked yet")
                .retry_after(200)
        };
        let view = seen.as_ref().map(|seen| &seen.view).ok_or_else(not_yet)?;
        let (leads, meta) =
            (leaders(view), view.groups.get(&GroupId::META).and_then(|group| group.members.as_ref()));
        let mut nodes = Vec::new();
        for (id, record) in &placement.nodes {
            if record.state == NodeState::Removed && asked != Some(*id) {
                continue;
            }
            let held = root.groups.iter().filter(|(group, _)| **group != GroupId::META);
            let replicas = held.flat_map(|(_, row)| row.replicas.values()).filter(|at| *at == id).count();
            let is_in =
                |members: &std::collections::BTreeMap<ReplicaId, NodeId>| members.values().any(|at| at == id);
            let part = match meta {
                Some(meta) if is_in(&meta.voters) => "voter",
                Some(meta) if is_in(&meta.learners) => "learner",
                _ => "",
            };
            let leads_meta = meta.is_some_and(|meta| meta.voters.get(&meta.leader) == Some(id));
            nodes.push(NodeInfo {
                id: *id,
                address: root.nodes.get(id).map(|row| row.address.clone()).unwrap_or_default(),
                state: record.state.name().to_owned(),
                is_alive: view.nodes.get(id).is_some_and(|node| node.is_alive),
                silent_s: view.nodes.get(id).and_then(|node| node.silent).map(|silent| silent.as_secs()),
                metastore: part.to_owned(),
                part: node_part(&placement, *id).to_owned(),
                replicas: replicas as u32,
                lag: lag(view, *id),
                leads: (leads.get(id).copied().unwrap_or(0) + usize::from(leads_meta)) as u32,
            });
        }
        let mut under_way = under_way(view);
        if under_way.is_empty() && seen.as_ref().is_some_and(|seen| seen.changes != changes) {
            under_way.push("the coordinator has not looked at the last change yet".to_owned());
        }
        Ok(ClusterReply {
            nodes,
            replication: placement.replication,
            under_way,
            leaderless: leaderless(view),
        })
    }
}

/// The groups of the pool that nobody is known to lead. Group 0 has a leader: it is the one that answers.
fn leaderless(view: &View) -> Vec<GroupId> {
    view.pool().filter(|(_, group)| group.members.is_none()).map(|(id, _)| id).collect()
}

/// What a node is for, in the words of the command line; nothing before it has come.
fn node_part(placement: &Placement, node: NodeId) -> &'static str {
    match placement.state_of(node) {
        None | Some(NodeState::Expected) => "",
        _ if placement.keeps_copies(node) => "all",
        _ => "query-only",
    }
}

/// How many entries the replica on a node lacks that lacks most.
fn lag(view: &View, node: NodeId) -> Option<u64> {
    let members = view.groups.values().filter_map(|group| group.members.as_ref());
    let of_group = |members: &MembersView| {
        let (replica, _) = members.voters.iter().chain(&members.learners).find(|(_, at)| **at == node)?;
        // The leader itself lacks nothing.
        if members.leader == *replica { Some(0) } else { members.behind.get(replica).copied() }
    };
    members.filter_map(of_group).max()
}

#[async_trait]
impl ClusterAdmin for Steward {
    async fn cluster(&self, request: ClusterRequest) -> Result<ClusterReply> {
        self.check_leads()?;
        let to = |node: NodeId, state: NodeState| (Some(node), Some(MetaChange::SetNode { node, state }));
        let (asked, change) = match request {
            ClusterRequest::List => (None, None),
            ClusterRequest::Add { node, address } => {
                self.inner.metastore.read(|state| check_new(state, node, &address))?;
                (Some(node), Some(MetaChange::ExpectNode(NodeRow { id: node, address })))
            }
            ClusterRequest::Drain(node) => to(node, NodeState::Draining),
            ClusterRequest::Keep(node) => to(node, NodeState::Active),
            ClusterRequest::Remove(node) => match self.inner.metastore.read(|s| s.placement().state_of(node))
            {
                Some(NodeState::Expected) => (Some(node), Some(MetaChange::WithdrawNode { node })),
                _ => to(node, NodeState::Leaving),
            },
        };
        match change {
            // A node that is gone already is what was asked for.
            Some(MetaChange::SetNode { node, state: NodeState::Leaving })
                if self.inner.metastore.read(|state| state.placement().state_of(node))
                    == Some(NodeState::Removed) => {}
            Some(change) => {
                self.inner.metastore.propose(change).await?;
                self.inner.wake.notify_one();
            }
            // An old leader does not know that it is one.
            None => self.inner.metastore.catch_up().await?,
        }
        self.standing(asked)
    }

    async fn join(&self, request: JoinRequest) -> Result<Joined> {
        self.check_leads()?;
        let JoinRequest { node, address, directory, is_listed, is_query_only, .. } = request;
        let node = NodeRow { id: node, address };
        let admit = match is_query_only {
            true => MetaChange::AdmitQueryOnly { node, directory, is_listed },
            false => MetaChange::AdmitNode { node, directory, is_listed },
        };
        let MetaOutcome::Replicas(replica) = self.inner.metastore.propose(admit).await? else {
            return Err(Error::internal("a node was admitted without a replica"));
        };
        self.inner.wake.notify_one();
        let root = self.inner.metastore.root();
        let cluster = root.cluster.ok_or_else(|| Error::internal("the cluster has no name"))?;
        let nodes = root.nodes.into_values().map(|row| (row.id, row.address)).collect();
        Ok(Joined { cluster: cluster.0, replica, nodes })
    }

    async fn moved(&self, node: NodeId, address: String) -> Result<()> {
        self.check_leads()?;
        let row = NodeRow { id: node, address };
        let (known, state) = self
            .inner
            .metastore
            .read(|meta| (meta.root().nodes.get(&node).cloned(), meta.placement().state_of(node)));
        if known.as_ref() == Some(&row) || state.is_none_or(|state| state == NodeState::Removed) {
            return Ok(());
        }
        self.inner.metastore.propose(MetaChange::RegisterNode(row)).await.map(drop)
    }
}
