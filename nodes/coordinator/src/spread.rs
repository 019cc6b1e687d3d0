//! In which order groups are offered to a new collection, so that its shards have different leaders: pure.
//!
//! The metastore takes the offered groups in turn. Taken where there are fewest shards, those of one collection could all land
//! on a group that is new or empty, or on groups that one node leads, while others lead nothing of it.

use std::collections::BTreeMap;
use vecraft_types::{GroupId, NodeId};

/// A group of the pool that somebody leads.
#[derive(Clone, Copy, Debug)]
pub struct Led {
    pub group: GroupId,
    pub leader: NodeId,
    /// Shards of all collections on it.
    pub shards: u32,
}

/// A node's groups by their shards, and what it leads in all.
struct Turn {
    shards: u32,
    node: NodeId,
    groups: Vec<(u32, GroupId)>,
}

/// The groups in turns: one of each leading node, the node that leads the fewest shards first; of a node's groups the one
/// with the fewest shards first.
pub fn spread(groups: impl IntoIterator<Item = Led>) -> Vec<GroupId> {
    let mut nodes: BTreeMap<NodeId, Vec<(u32, GroupId)>> = BTreeMap::new();
    for Led { group, leader, shards } in groups {
        nodes.entry(leader).or_default().push((shards, group));
    }
    let turn = |(node, mut groups): (NodeId, Vec<(u32, GroupId)>)| {
        groups.sort_unstable();
        Turn { shards: groups.iter().map(|(shards, _)| shards).sum(), node, groups }
    };
    let mut turns: Vec<Turn> = nodes.into_iter().map(turn).collect();
    turns.sort_unstable_by_key(|turn| (turn.shards, turn.node));
    let rounds = turns.iter().map(|turn| turn.groups.len()).max().unwrap_or(0);
    let of_round = |round: usize| turns.iter().filter_map(move |turn| turn.groups.get(round));
    (0..rounds).flat_map(of_round).map(|(_, group)| *group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(groups: &[(u64, u64, u32)]) -> Vec<u64> {
        let led = |(group, leader, shards): &(u64, u64, u32)| Led {
            group: GroupId(*group),
            leader: NodeId(*leader),
            shards: *shards,
        };
        spread(groups.iter().map(led)).into_iter().map(|group| group.0).collect()
    }

    #[test]
    fn each_leader_has_its_turn_and_who_leads_least_is_first() {
        assert_eq!(order(&[]), [] as [u64; 0]);
        // After one node has grown to three: groups that follow one another have one leader.
        assert_eq!(
            order(&[(1, 3, 0), (2, 3, 0), (3, 2, 0), (4, 2, 0), (5, 1, 0), (6, 1, 0)]),
            [5, 3, 1, 6, 4, 2]
        );
        assert_eq!(order(&[(1, 1, 2), (2, 1, 0), (3, 2, 1), (4, 3, 3)]), [3, 2, 4, 1]);
    }
}
