//! The cluster itself: bootstrap, nodes, groups, and ids for replicas and rows.

use super::state::take;
use super::{ClusterId, GroupRow, MetaOutcome, MetaState, NodeRecord, NodeRow, NodeState, Placement};
use vecraft_types::{Error, GroupId, NodeId, ReplicaId, Result, Timestamp};

/// Most pool groups of a cluster: two for each of 512 nodes.
const POOL_GROUPS_MAX: usize = 1_024;
/// Most row ids of one allocation.
const ROW_IDS_MAX: u64 = 1 << 32;

impl MetaState {
    /// I1: happens once. The same cluster id again is a repeated proposal and succeeds without effect.
    pub(super) fn bootstrap(
        &mut self,
        cluster: ClusterId,
        node: NodeRow,
        pool_groups: u32,
    ) -> Result<MetaOutcome> {
        match self.root.cluster {
            Some(found) if found == cluster => return Ok(MetaOutcome::Done),
            Some(found) => {
                return Err(Error::internal(format!("the metastore already belongs to cluster {found}")));
            }
            None => {}
        }
        check_group_count(0, pool_groups)?;
        let (id, nodes) = (node.id, [node.id]);
        self.root.nodes.insert(id, node);
        let replicas = self.new_replicas(&nodes)?;
        self.root.groups.insert(GroupId::META, GroupRow { replicas, shards: 0 });
        self.root.cluster = Some(cluster);
        self.add_pool_groups(pool_groups, &nodes)?;
        self.placement = Placement::of_formed(&self.root);
        Ok(MetaOutcome::Done)
    }

    /// Adds a node, or changes the row of a known one.
    pub(super) fn register_node(&mut self, node: NodeRow) -> Result<MetaOutcome> {
        if node.id.0 == 0 {
            return Err(Error::invalid("node ids start at 1"));
        }
        let new = NodeRecord { state: NodeState::Active, directory: 0 };
        self.placement.nodes.entry(node.id).or_insert(new);
        self.root.nodes.insert(node.id, node);
        Ok(MetaOutcome::Done)
    }

    /// Adds groups with a replica on each node.
    pub(super) fn add_pool_groups(&mut self, count: u32, nodes: &[NodeId]) -> Result<MetaOutcome> {
        check_group_count(self.root.groups.len().saturating_sub(1), count)?;
        if nodes.is_empty() {
            return Err(Error::invalid("a group needs at least one node"));
        }
        if let Some(unknown) = nodes.iter().find(|id| !self.root.nodes.contains_key(id)) {
            return Err(Error::invalid(format!("node {unknown} is not registered")));
        }
        if let Some(other) = nodes.iter().find(|id| !self.placement.keeps_copies(**id)) {
            return Err(Error::invalid(format!("node {other} is query-only and keeps no copies")));
        }
        let first = take(&mut self.root.next.group, u64::from(count)).ok_or_else(used_up)?;
        for group in first..first + u64::from(count) {
            let replicas = self.new_replicas(nodes)?;
            self.root.groups.insert(GroupId(group), GroupRow { replicas, shards: 0 });
        }
        Ok(MetaOutcome::Groups(GroupId(first)))
    }

    fn new_replicas(&mut self, nodes: &[NodeId]) -> Result<std::collections::BTreeMap<ReplicaId, NodeId>> {
        let first = take(&mut self.root.next.replica, nodes.len() as u64).ok_or_else(used_up)?;
        Ok((first..).map(ReplicaId).zip(nodes.iter().copied()).collect())
    }

    /// I1: a replica id is given once.
    pub(super) fn allocate_replica_ids(&mut self, count: u32) -> Result<MetaOutcome> {
        if count == 0 {
            return Err(Error::invalid("0 replica ids asked, at least 1 is needed"));
        }
        let first = take(&mut self.root.next.replica, u64::from(count)).ok_or_else(used_up)?;
        Ok(MetaOutcome::Replicas(ReplicaId(first)))
    }

    /// Row ids follow the timestamp, as users of auto-id expect from Milvus, but never fall behind what was given:
    /// the counter alone makes them unique, the clock only makes them look recent.
    pub(super) fn allocate_row_ids(&mut self, at: Timestamp, count: u64) -> Result<MetaOutcome> {
        if count == 0 || count > ROW_IDS_MAX {
            return Err(Error::invalid(format!("{count} row ids asked, allowed are 1 to {ROW_IDS_MAX}")));
        }
        let first = self.root.next.row.max(at.0);
        let next =
            first.checked_add(count).filter(|next| i64::try_from(*next).is_ok()).ok_or_else(used_up)?;
        let first = i64::try_from(first).map_err(|_| used_up())?;
        self.root.next.row = next;
        Ok(MetaOutcome::RowIds(first))
    }
}

pub(super) fn check_group_count(existing: usize, more: u32) -> Result<()> {
    if more == 0 || existing + more as usize > POOL_GROUPS_MAX {
        let text = format!("{more} pool groups beside {existing}, allowed are 1 to {POOL_GROUPS_MAX} in all");
        return Err(Error::invalid(text));
    }
    Ok(())
}

pub(super) fn used_up() -> Error {
    Error::internal("all ids of this kind are used up")
}
