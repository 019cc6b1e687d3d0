//! The changes of [`Placement`], each refused when what it would do is not allowed.

use super::placement::{NodeRecord, NodeState, Placement, was_removed};
use super::state::take;
use super::{MetaOutcome, MetaState, NodeRow};
use vecraft_types::{Error, GroupId, NodeId, ReplicaId, Result};

impl MetaState {
    /// An operator announces a node.
    pub(super) fn expect_node(&mut self, node: NodeRow) -> Result<MetaOutcome> {
        let id = node.id;
        if id.0 == 0 || node.address.is_empty() {
            return Err(Error::invalid("a node needs an id from 1 and the address of its node port"));
        }
        match self.placement.state_of(id) {
            Some(NodeState::Removed) => Err(was_removed(id)),
            None | Some(NodeState::Expected) => {
                self.root.nodes.insert(id, node);
                let record = NodeRecord { state: NodeState::Expected, directory: 0 };
                self.placement.nodes.insert(id, record);
                Ok(MetaOutcome::Done)
            }
            Some(state) => {
                Err(Error::invalid(format!("node {id} is in the cluster already ({})", state.name())))
            }
        }
    }

    /// An operator takes an announcement back.
    pub(super) fn withdraw_node(&mut self, id: NodeId) -> Result<MetaOutcome> {
        match self.placement.state_of(id) {
            None => Ok(MetaOutcome::Done),
            // I1: it got no replica, and drew no bits for a directory that we know of.
            Some(NodeState::Expected) => {
                self.placement.nodes.remove(&id);
                self.root.nodes.remove(&id);
                Ok(MetaOutcome::Done)
            }
            Some(state) => Err(Error::invalid(format!(
                "node {id} has come meanwhile and is {}: to let it go, say it again",
                state.name()
            ))),
        }
    }

    /// A node with an empty directory asks to join: it gets its replica of group 0 (I1).
    pub(super) fn admit_node(
        &mut self,
        node: NodeRow,
        directory: u128,
        is_listed: bool,
        is_query_only: bool,
    ) -> Result<MetaOutcome> {
        let id = node.id;
        if id.0 == 0 || directory == 0 {
            return Err(Error::invalid("a node that joins needs an id from 1 and a directory of its own"));
        }
        self.placement.check_joining(id, directory)?;
        match self.placement.nodes.get(&id).copied() {
            None if !is_listed => Err(Error::invalid(format!(
                "the cluster expects no node {id}: announce it first with: vecraft node add {id} HOST:NODE_PORT"
            ))),
            None | Some(NodeRecord { state: NodeState::Expected, .. }) => {
                let replica = take(&mut self.root.next.replica, 1).ok_or_else(super::cluster::used_up)?;
                let replica = ReplicaId(replica);
                self.root.nodes.insert(id, node);
                self.root.groups.entry(GroupId::META).or_default().replicas.insert(replica, id);
                self.bump(GroupId::META);
                let record = NodeRecord { state: NodeState::Active, directory };
                self.placement.nodes.insert(id, record);
                if is_query_only {
                    self.placement.query_only.insert(id);
                }
                Ok(MetaOutcome::Replicas(replica))
            }
            Some(_) => {
                let row = self.root.groups.get(&GroupId::META);
                let own = row.and_then(|row| row.replicas.iter().find(|(_, at)| **at == id));
                let (replica, _) =
                    own.ok_or_else(|| Error::internal(format!("node {id} has no replica of group 0")))?;
                Ok(MetaOutcome::Replicas(*replica))
            }
        }
    }

    /// Moves a node to another state; see the picture of the [module](self).
    pub(super) fn set_node(&mut self, id: NodeId, to: NodeState) -> Result<MetaOutcome> {
        let unknown = || Error::invalid(format!("there is no node {id}"));
        let from = self.placement.state_of(id).ok_or_else(unknown)?;
        if from == to {
            return Ok(MetaOutcome::Done);
        }
        match (from, to) {
            (NodeState::Removed, _) => return Err(was_removed(id)),
            // As earlier programs let an announced node go; now it is [`super::MetaChange::WithdrawNode`].
            (NodeState::Expected, NodeState::Leaving | NodeState::Removed) => {
                self.set(id, NodeState::Removed)
            }
            (NodeState::Draining | NodeState::Leaving, NodeState::Active) => self.set(id, to),
            (_, NodeState::Draining | NodeState::Leaving) if from != NodeState::Expected => {
                self.check_leaving(id)?;
                self.set(id, to);
            }
            (NodeState::Leaving, NodeState::Removed) if !self.holds_pool_replicas(id) => self.set(id, to),
            (NodeState::Leaving, NodeState::Removed) => {
                return Err(Error::invalid(format!("node {id} still holds replicas")));
            }
            _ => {
                let text = format!("node {id} is {} and cannot become {}", from.name(), to.name());
                return Err(Error::invalid(text));
            }
        }
        Ok(MetaOutcome::Done)
    }

    fn set(&mut self, id: NodeId, state: NodeState) {
        if let Some(record) = self.placement.nodes.get_mut(&id) {
            record.state = state;
        }
    }

    /// The last one cannot go, nor so many at once that what was acknowledged would rest on too few. Query-only nodes go
    /// whenever they like, and are no place for others' copies.
    fn check_leaving(&self, id: NodeId) -> Result<()> {
        if !self.placement.keeps_copies(id) {
            return Ok(());
        }
        let in_state = |wanted: &[NodeState]| {
            let nodes = self.placement.nodes.iter().filter(|(_, record)| wanted.contains(&record.state));
            let nodes = nodes.map(|(node, _)| *node);
            nodes.filter(|node| self.placement.keeps_copies(*node)).collect::<Vec<_>>()
        };
        let active = in_state(&[NodeState::Active]);
        if active.iter().all(|node| *node == id) {
            return Err(Error::invalid(format!(
                "node {id} is the last one that takes replicas: its data would have no place to go"
            )));
        }
        let going = in_state(&[NodeState::Draining, NodeState::Leaving]);
        let mut going: Vec<_> =
            going.into_iter().filter(|node| *node != id && self.holds_pool_replicas(*node)).collect();
        let present = in_state(&[NodeState::Active, NodeState::Draining, NodeState::Leaving]).len();
        going.push(id);
        if going.len() > present / 2 {
            let others: Vec<String> =
                going.iter().filter(|node| **node != id).map(ToString::to_string).collect();
            return Err(Error::invalid(format!(
                "{} of {present} nodes would leave at once, and what was acknowledged would rest on too few: wait until \
                 node {} is empty",
                going.len(),
                others.join(" and node ")
            )));
        }
        Ok(())
    }

    /// Whether a pool group is wanted on the node.
    pub fn holds_pool_replicas(&self, node: NodeId) -> bool {
        let pool = self.root.groups.iter().filter(|(group, _)| **group != GroupId::META);
        pool.flat_map(|(_, row)| row.replicas.values()).any(|at| *at == node)
    }

    /// A new replica of a pool group (I1): a new id, on a node that has none.
    pub(super) fn place_replica(
        &mut self,
        group: GroupId,
        node: NodeId,
        version: u64,
    ) -> Result<MetaOutcome> {
        self.check_version(group, version)?;
        if group == GroupId::META {
            return Err(Error::invalid("replicas of group 0 come with their nodes"));
        }
        if self.placement.state_of(node) != Some(NodeState::Active) {
            return Err(Error::invalid(format!("node {node} takes no replicas")));
        }
        let row = self.root.groups.get_mut(&group);
        let row = row.ok_or_else(|| Error::invalid(format!("there is no group {group}")))?;
        if row.replicas.values().any(|at| *at == node) {
            return Err(Error::invalid(format!("node {node} has a replica of group {group}")));
        }
        let replica = take(&mut self.root.next.replica, 1).ok_or_else(super::cluster::used_up)?;
        row.replicas.insert(ReplicaId(replica), node);
        self.bump(group);
        Ok(MetaOutcome::Replicas(ReplicaId(replica)))
    }

    /// A replica that its group has let go of is wanted no more.
    pub(super) fn unplace_replica(
        &mut self,
        group: GroupId,
        replica: ReplicaId,
        version: u64,
    ) -> Result<MetaOutcome> {
        self.check_version(group, version)?;
        let row = self.root.groups.get_mut(&group);
        let row = row.ok_or_else(|| Error::invalid(format!("there is no group {group}")))?;
        let is_copy = |node: &NodeId| self.placement.keeps_copies(*node);
        let left = row.replicas.iter().filter(|(other, at)| **other != replica && is_copy(at)).count();
        if left == 0 && row.replicas.get(&replica).is_none_or(is_copy) {
            return Err(Error::invalid(format!("replica {replica} is the last one of group {group}")));
        }
        row.replicas.remove(&replica);
        self.bump(group);
        Ok(MetaOutcome::Done)
    }

    /// Copies wanted of each pool group.
    pub(super) fn set_replication(&mut self, replication: u32) -> Result<MetaOutcome> {
        if replication == 0 {
            return Err(Error::invalid("replication is 0, at least 1 is needed"));
        }
        self.placement.replication = replication;
        Ok(MetaOutcome::Done)
    }

    fn check_version(&self, group: GroupId, planned_for: u64) -> Result<()> {
        let stands = self.placement.version_of(group);
        if planned_for == stands {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "the plan was made for version {planned_for} of group {group}'s replicas, which are at {stands}"
        )))
    }

    pub(super) fn bump(&mut self, group: GroupId) {
        *self.placement.versions.entry(group).or_insert(0) += 1;
    }

    /// Nodes and replicas as wanted.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }
}
