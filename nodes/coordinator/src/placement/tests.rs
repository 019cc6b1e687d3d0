//! The planner against a cluster that does what it is told, while nodes die, come back, join and leave.
#![allow(clippy::unwrap_used)]

use super::*;
use std::collections::BTreeSet;
use vecraft_runtime::random::{Random, SeededRandom};
use vecraft_types::ReplicaId;

/// A cluster in which a step that is taken is done at once, and learners are near one round after they were added.
struct World {
    view: View,
    next_replica: u64,
    random: SeededRandom,
}

fn node(state: NodeState) -> NodeView {
    NodeView { state, is_query_only: false, is_alive: true, silent: None, is_lost: false, is_steady: true }
}

impl World {
    fn new(nodes: u64, groups: u64, replication: usize, seed: u64) -> World {
        let view = View {
            replication,
            nodes: (1..=nodes).map(|id| (NodeId(id), node(NodeState::Active))).collect(),
            groups: BTreeMap::new(),
            unfit: BTreeSet::new(),
            broken: BTreeMap::new(),
        };
        let mut world = World { view, next_replica: 1, random: SeededRandom::new(seed) };
        let all: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
        let meta: Vec<bool> =
            (0..all.len()).map(|at| at < vecraft_state::meta::meta_voters(all.len())).collect();
        world.group(GroupId::META, &all, &meta);
        for group in 1..=groups {
            let copies = replication.min(all.len());
            let on: Vec<NodeId> = (0..copies).map(|at| all[(group as usize + at) % all.len()]).collect();
            world.group(GroupId(group), &on, &vec![true; copies]);
        }
        world
    }

    fn group(&mut self, id: GroupId, nodes: &[NodeId], votes: &[bool]) {
        let mut members = MembersView { is_committed: true, ..MembersView::default() };
        let mut wanted = BTreeMap::new();
        for (node, votes) in nodes.iter().zip(votes) {
            let replica = self.new_replica();
            wanted.insert(replica, *node);
            let kind = if *votes { &mut members.voters } else { &mut members.learners };
            kind.insert(replica, *node);
            members.near.insert(replica);
        }
        members.leader = *members.voters.keys().next().unwrap();
        self.view.groups.insert(id, GroupView { wanted, members: Some(members) });
    }

    fn new_replica(&mut self) -> ReplicaId {
        self.next_replica += 1;
        ReplicaId(self.next_replica)
    }

    fn below(&self, limit: u64) -> u64 {
        self.random.next_u64() % limit
    }

    /// A node joins: the metastore wants a replica of group 0 on it.
    fn join(&mut self, id: u64) {
        let replica = self.new_replica();
        self.view.nodes.insert(NodeId(id), node(NodeState::Active));
        self.view.groups.get_mut(&GroupId::META).unwrap().wanted.insert(replica, NodeId(id));
    }

    /// One whose replicas never vote.
    fn join_query_only(&mut self, id: u64) {
        self.join(id);
        self.view.nodes.get_mut(&NodeId(id)).unwrap().is_query_only = true;
    }

    fn is_query_only(&self, node: NodeId) -> bool {
        self.view.nodes[&node].is_query_only
    }

    fn set(&mut self, id: u64, state: NodeState) {
        self.view.nodes.get_mut(&NodeId(id)).unwrap().state = state;
    }

    fn kill(&mut self, id: u64, is_lost: bool) {
        let node = self.view.nodes.get_mut(&NodeId(id)).unwrap();
        (node.is_alive, node.is_lost, node.is_steady) = (false, is_lost, false);
    }

    fn revive(&mut self, id: u64) {
        let node = self.view.nodes.get_mut(&NodeId(id)).unwrap();
        (node.is_alive, node.is_lost, node.is_steady) = (true, false, true);
    }

    /// A node's replica of a group goes out of service.
    fn break_replica(&mut self, id: u64, group: u64) {
        self.view.broken.insert((NodeId(id), GroupId(group)), "a damaged file".to_owned());
    }

    /// Majorities elect leaders, living followers catch up, removed nodes stop.
    fn settle(&mut self) {
        let nodes = &mut self.view.nodes;
        nodes
            .values_mut()
            .filter(|node| node.state == NodeState::Removed)
            .for_each(|node| node.is_alive = false);
        let alive: BTreeSet<NodeId> =
            nodes.iter().filter(|(_, node)| node.is_alive).map(|(id, _)| *id).collect();
        let broken = &self.view.broken;
        for (id, group) in &mut self.view.groups {
            let alive = |node: &NodeId| alive.contains(node) && !broken.contains_key(&(*node, *id));
            let members = group.members.as_mut().unwrap();
            let living = members.voters.iter().filter(|(_, node)| alive(node));
            let living: Vec<ReplicaId> = living.map(|(replica, _)| *replica).collect();
            if living.len() > members.voters.len() / 2 && !living.contains(&members.leader) {
                members.leader = living[0];
            }
            let all = members.voters.iter().chain(&members.learners);
            members.near = all.filter(|(_, node)| alive(node)).map(|(replica, _)| *replica).collect();
        }
    }

    /// Nodes remove what is wanted no more, now and then.
    fn remove_unwanted(&mut self) {
        let random = &self.random;
        let groups = &self.view.groups;
        self.view.broken.retain(|(node, group), _| {
            groups[group].wanted.values().any(|at| at == node) || !random.next_u64().is_multiple_of(3)
        });
    }

    fn has_majority(&self, group: GroupId) -> bool {
        let members = self.view.groups[&group].members.as_ref().unwrap();
        let serves =
            |node: &&NodeId| self.view.is_alive(**node) && !self.view.broken.contains_key(&(**node, group));
        members.voters.values().filter(serves).count() > members.voters.len() / 2
    }

    /// What the planner sees: nobody hears of a group that nobody leads.
    fn seen(&self) -> View {
        let mut view = self.view.clone();
        for (id, group) in &mut view.groups {
            if !self.has_majority(*id) {
                group.members = None;
            }
        }
        view
    }

    /// Takes a step, checking that it harms nobody.
    fn take(&mut self, step: &Step) {
        let replica = self.new_replica();
        let view = self.view.clone();
        let alive = |node: &NodeId| view.is_alive(*node);
        match step {
            Step::Place { group, node } => {
                let is_broken = |node| view.broken.contains_key(&(node, *group));
                let is_active = view.nodes[node].state == NodeState::Active;
                assert!(is_active && view.is_alive(*node), "{step:?}");
                let group = self.view.groups.get_mut(group).unwrap();
                assert!(
                    group.wanted.values().all(|at| at != node),
                    "two replicas of a group on one node: {step:?}"
                );
                assert!(!is_broken(*node), "one that left service is there: {step:?}");
                group.wanted.insert(replica, *node);
            }
            Step::AddLearner { group, replica, node } => {
                let group = self.view.groups.get_mut(group).unwrap();
                assert_eq!(group.wanted.get(replica), Some(node), "{step:?}");
                assert!(
                    group.members.as_mut().unwrap().learners.insert(*replica, *node).is_none(),
                    "{step:?}"
                );
            }
            Step::RemoveLearner { group, replica } => {
                let members = self.view.groups.get_mut(group).unwrap().members.as_mut().unwrap();
                assert!(members.learners.remove(replica).is_some(), "{step:?}");
            }
            Step::SetVoters { group, voters } => {
                assert!(self.has_majority(*group), "a change without a majority: {step:?}");
                let is_meta = *group == GroupId::META;
                let members = self.view.groups.get_mut(group).unwrap().members.as_mut().unwrap();
                let old = members.voters.clone();
                let leaving = old.keys().filter(|replica| !voters.contains(replica)).count();
                assert!(leaving <= old.len() / 2, "{leaving} of {} leave at once", old.len());
                assert!(!voters.is_empty());
                let mut new = BTreeMap::new();
                for voter in voters {
                    let at = old.get(voter).copied().or_else(|| members.learners.remove(voter)).unwrap();
                    assert!(
                        old.contains_key(voter) || members.near.contains(voter),
                        "it lags and joins: {step:?}"
                    );
                    new.insert(*voter, at);
                }
                let follows =
                    |(replica, node): &(&ReplicaId, &NodeId)| alive(node) && members.near.contains(replica);
                assert!(new.iter().filter(follows).count() > new.len() / 2, "dead majority: {step:?}");
                if is_meta {
                    let kept = old.iter().filter(|(replica, _)| !voters.contains(replica));
                    members.learners.extend(kept.map(|(replica, node)| (*replica, *node)));
                }
                assert!(new.values().all(|node| !view.nodes[node].is_query_only), "it votes: {step:?}");
                members.voters = new;
                assert!(members.voters.contains_key(&members.leader), "the leader was taken away: {step:?}");
            }
            Step::Unplace { group, replica } => {
                let group = self.view.groups.get_mut(group).unwrap();
                assert!(!group.members.as_ref().unwrap().has(*replica), "it still counts: {step:?}");
                assert!(group.wanted.remove(replica).is_some() && !group.wanted.is_empty(), "{step:?}");
            }
            Step::Lead { group, to } => {
                let members = self.view.groups.get_mut(group).unwrap().members.as_mut().unwrap();
                assert!(alive(&members.voters[to]) && members.near.contains(to), "{step:?}");
                members.leader = *to;
            }
            Step::Retire(node) => {
                let holds = self.view.pool().any(|(_, group)| group.wanted.values().any(|at| at == node));
                assert!(!holds, "{step:?}");
                self.view.nodes.get_mut(node).unwrap().state = NodeState::Removed;
            }
        }
    }

    fn round(&mut self) -> usize {
        self.settle();
        let mut steps = plan(&self.seen());
        let count = steps.len();
        // Some fail, as in life.
        steps.retain(|_| self.below(5) > 0);
        for step in &steps {
            self.take(step);
        }
        let removing = self.view.broken.len();
        self.remove_unwanted();
        count + (removing - self.view.broken.len())
    }

    /// Goes on until nothing is left to do.
    fn finish(&mut self) -> usize {
        let limit = 400 * (self.view.groups.len() + self.view.nodes.len());
        for taken in 0..limit {
            if self.round() == 0 {
                return taken;
            }
        }
        panic!("it never ends: {:#?}", plan(&self.seen()));
    }

    /// The same, and every node has removed what is wanted no more.
    fn finish_removing(&mut self) {
        for _ in 0..1_000 {
            if self.finish() == 0 && self.view.broken.is_empty() {
                return;
            }
            self.remove_unwanted();
        }
        panic!("never removed: {:?}", self.view.broken);
    }

    fn on(&self, group: u64) -> Vec<u64> {
        let members = self.view.groups[&GroupId(group)].members.as_ref().unwrap();
        let mut nodes: Vec<u64> = members.voters.values().map(|node| node.0).collect();
        nodes.sort_unstable();
        nodes
    }

    /// The nodes on which a group's learners are.
    fn following(&self, group: u64) -> Vec<u64> {
        let members = self.view.groups[&GroupId(group)].members.as_ref().unwrap();
        let mut nodes: Vec<u64> = members.learners.values().map(|node| node.0).collect();
        nodes.sort_unstable();
        nodes
    }

    fn loads(&self) -> BTreeMap<u64, usize> {
        let active = self.view.nodes.keys().filter(|node| self.view.takes_copies(**node));
        let held = |node: &NodeId| {
            self.view.pool().filter(|(_, group)| group.wanted.values().any(|at| at == node)).count()
        };
        active.map(|node| (node.0, held(node))).collect()
    }
}

#[test]
fn p9_one_node_becomes_three_and_one_again() {
    let mut world = World::new(1, 4, 3, 1);
    world.join(2);
    world.join(3);
    world.finish();
    assert!((0..=4).all(|group| world.on(group) == [1, 2, 3]));
    for leaving in [3, 2] {
        world.set(leaving, NodeState::Leaving);
        world.finish();
        assert_eq!(world.view.nodes[&NodeId(leaving)].state, NodeState::Removed);
    }
    assert!((0..=4).all(|group| world.on(group) == [1]));
}

#[test]
fn i2_a_drain_waits_for_replicas_that_could_decide_without_the_node() {
    let mut world = World::new(3, 2, 3, 3);
    world.break_replica(3, 1);
    world.set(2, NodeState::Draining);
    world.finish();
    assert_eq!(
        (world.on(1), world.on(2)),
        (vec![1, 2, 3], vec![1, 3]),
        "group 1 has only these two that serve"
    );
    let lines = status::under_way(&world.seen());
    assert!(
        lines.iter().any(|line| line.contains("group 1") && line.contains("a damaged file")),
        "{lines:?}"
    );
    // The node lives, but its replica still fetches a copy.
    let mut world = World::new(3, 1, 3, 4);
    world.set(1, NodeState::Draining);
    world.settle();
    let mut view = world.seen();
    let members = view.groups.get_mut(&GroupId(1)).unwrap().members.as_mut().unwrap();
    let fetching = *members.voters.iter().find(|(_, node)| node.0 == 3).unwrap().0;
    members.near.remove(&fetching);
    let changes = |step: &Step| matches!(step, Step::SetVoters { group: GroupId(1), .. });
    assert!(!plan(&view).iter().any(changes));
    assert!(plan(&world.seen()).iter().any(changes));
}

#[test]
fn a_replica_out_of_service_is_made_elsewhere_when_there_is_an_elsewhere() {
    let mut world = World::new(3, 2, 3, 5);
    world.join(4);
    world.break_replica(3, 1);
    world.finish();
    assert_eq!(world.on(1), [1, 2, 4]);
    assert!(world.view.groups[&GroupId(1)].wanted.values().all(|node| node.0 != 3), "it is wanted no more");
}

#[test]
fn i22_a_replica_out_of_service_is_made_anew_in_its_place_when_there_is_no_elsewhere() {
    for seed in 0..50 {
        let mut world = World::new(3, 2, 3, seed);
        let old = *world.view.groups[&GroupId(1)].wanted.iter().find(|(_, node)| node.0 == 3).unwrap().0;
        world.break_replica(3, 1);
        world.settle();
        let lines = status::under_way(&world.seen());
        assert!(lines.iter().any(|line| line.contains("another one made")), "{lines:?}");
        world.finish_removing();
        assert_eq!(world.on(1), [1, 2, 3], "seed {seed}");
        assert!(!world.view.groups[&GroupId(1)].wanted.contains_key(&old), "I1: under a new id");
        assert_eq!(status::under_way(&world.seen()), Vec::<String>::new());
    }
}

#[test]
fn i22_a_replica_out_of_service_keeps_its_vote_where_the_others_could_not_decide_without_it() {
    // Two copies: neither can be let go, the group decides nothing.
    let mut world = World::new(2, 1, 3, 6);
    world.break_replica(2, 1);
    world.finish();
    assert_eq!(world.on(1), [1, 2]);
    // Two of three are out of service: nobody leads. With one more dead besides one that is out, likewise.
    let mut world = World::new(3, 1, 3, 7);
    world.break_replica(2, 1);
    world.break_replica(3, 1);
    world.finish();
    assert_eq!(world.on(1), [1, 2, 3]);
    let mut world = World::new(3, 1, 3, 8);
    world.break_replica(3, 1);
    world.kill(2, false);
    world.finish();
    assert_eq!(world.on(1), [1, 2, 3]);
    world.revive(2);
    world.finish_removing();
    assert_eq!(world.on(1), [1, 2, 3]);
    assert!(world.view.broken.is_empty());
}

#[test]
fn a_query_only_node_follows_every_group_and_counts_for_nothing() {
    // One copy: a node more that kept copies would take some of them.
    let mut world = World::new(2, 6, 1, 8);
    let before: Vec<_> = (1..=6).map(|group| world.on(group)).collect();
    world.join_query_only(3);
    world.finish();
    assert_eq!((1..=6).map(|group| world.on(group)).collect::<Vec<_>>(), before);
    assert!((0..=6).all(|group| world.following(group) == [3]));
    assert_eq!(world.on(0), [1, 2], "as without it");
    // Three copies wanted, and only two nodes that keep any.
    let mut world = World::new(2, 2, 3, 9);
    world.join_query_only(3);
    world.finish();
    assert!((0..=2).all(|group| world.on(group) == [1, 2] && world.following(group) == [3]));
    assert_eq!(status::under_way(&world.seen()), Vec::<String>::new());
    // One that has just come and was not heard yet is still under way; one that is lost is not.
    world.join_query_only(6);
    for (is_lost, lines) in [(false, 2), (true, 0)] {
        world.kill(6, is_lost);
        assert_eq!(
            status::under_way(&world.seen()).iter().filter(|line| line.contains("node 6")).count(),
            lines + 1
        );
    }
    world.set(6, NodeState::Removed);
    world.finish();
    // It is no elsewhere, and its own loss moves nothing.
    world.kill(3, true);
    world.settle();
    assert_eq!(plan(&world.seen()), []);
    world.kill(2, true);
    world.revive(3);
    world.finish();
    assert!((0..=2).all(|group| world.on(group) == [1, 2]));
    // A third copy is made before anything is made for reads.
    world.revive(2);
    world.join_query_only(5);
    world.join(4);
    world.settle();
    let places = |step: &Step| matches!(step, Step::Place { node, .. } if node.0 == 4);
    assert_eq!(plan(&world.seen()).iter().filter(|step| places(step)).count(), 2);
    world.finish();
    assert!((0..=2).all(|group| world.on(group) == [1, 2, 4] && world.following(group) == [3, 5]));
    for (state, end) in [(NodeState::Draining, NodeState::Draining), (NodeState::Leaving, NodeState::Removed)]
    {
        world.set(3, state);
        world.finish();
        assert!((1..=2).all(|group| world.following(group) == [5]));
        assert_eq!(world.view.nodes[&NodeId(3)].state, end);
    }
}

#[test]
fn replicas_and_leaders_spread_over_nodes_that_join_and_then_rest() {
    let mut world = World::new(3, 8, 3, 2);
    (4..=6).for_each(|id| world.join(id));
    world.finish();
    let loads = world.loads();
    assert!(loads.values().all(|load| *load == 4), "{loads:?}");
    let leaders = leaders(&world.view);
    assert!(leaders.values().max().unwrap() - leaders.values().min().unwrap() <= 1, "{leaders:?}");
    assert_eq!(world.on(0).len(), 5);
    assert_eq!(plan(&world.seen()), []);
}

#[test]
fn a_lost_node_is_replaced_only_when_there_is_an_elsewhere() {
    let mut world = World::new(3, 4, 3, 3);
    world.kill(2, true);
    world.finish();
    assert!((0..=4).all(|group| world.on(group) == [1, 2, 3]), "no elsewhere: nothing moves");
    world.join(4);
    world.finish();
    assert!((0..=4).all(|group| world.on(group) == [1, 3, 4]));
    // It returns late: it is empty, follows group 0 and is filled again.
    world.revive(2);
    world.finish();
    assert!(world.loads().values().all(|load| *load == 3), "{:?}", world.loads());
    // Away for a moment only: nothing moves.
    world.kill(4, false);
    world.settle();
    assert_eq!(plan(&world.seen()), []);
}

#[test]
fn a_node_that_should_not_lead_hands_over_while_there_is_another() {
    let mut world = World::new(3, 4, 3, 7);
    world.finish();
    let leads = |world: &World, group: u64| {
        let members = world.view.groups[&GroupId(group)].members.as_ref().unwrap();
        members.voters[&members.leader]
    };
    // Its disk hangs: group 0 as well.
    world.view.unfit = (0..=4).map(|group| (NodeId(1), GroupId(group))).collect();
    world.finish();
    assert!((0..=4).all(|group| leads(&world, group) != NodeId(1)));
    // A damaged file in one group: the others may be led there.
    world.view.unfit = BTreeSet::from([(NodeId(1), GroupId(2)), (NodeId(2), GroupId(2))]);
    world.finish();
    assert_eq!(leads(&world, 2), NodeId(3));
    assert_eq!(leaders(&world.view).values().filter(|count| **count > 0).count(), 3);
    // Nobody is better: it stays, and nothing goes round in circles.
    world.view.unfit =
        (1..=3).flat_map(|node| (0..=4).map(move |group| (NodeId(node), GroupId(group)))).collect();
    world.settle();
    assert_eq!(plan(&world.seen()), []);
}

#[test]
fn a_draining_node_is_emptied_and_stays() {
    let mut world = World::new(4, 6, 3, 4);
    world.set(1, NodeState::Draining);
    world.finish();
    assert!((0..=6).all(|group| !world.on(group).contains(&1)));
    let meta = world.view.groups[&GroupId::META].members.as_ref().unwrap();
    assert!(meta.learners.values().any(|node| node.0 == 1), "it still has the catalogue");
    assert_eq!(world.view.nodes[&NodeId(1)].state, NodeState::Draining);
}

#[test]
fn without_a_majority_nothing_is_done_to_a_group() {
    let mut world = World::new(3, 2, 3, 5);
    world.kill(2, true);
    world.kill(3, true);
    world.join(4);
    world.settle();
    assert_eq!(plan(&world.seen()), []);
}

#[test]
fn a_change_that_stopped_half_way_is_finished() {
    let mut world = World::new(4, 1, 3, 6);
    world.settle();
    let group = world.view.groups.get_mut(&GroupId(1)).unwrap();
    group.members.as_mut().unwrap().is_joint = true;
    let voters = group.members.as_ref().unwrap().voters.keys().copied().collect();
    assert_eq!(plan(&world.seen()), [Step::SetVoters { group: GroupId(1), voters }]);
    let group = world.view.groups.get_mut(&GroupId(1)).unwrap();
    group.members.as_mut().unwrap().is_committed = false;
    assert_eq!(plan(&world.seen()), [], "what may be undone is waited for");
}

/// Random lives: whatever happens, no step harms, and once it is quiet everything comes to rest where it should be.
#[test]
fn any_history_is_safe_and_ends_at_rest() {
    for seed in 0..300 {
        let mut world = World::new(1 + seed % 6, 1 + seed % 7, 1 + (seed as usize / 2) % 5, seed);
        let mut last = 1 + seed % 6;
        for _ in 0..60 {
            let pick = 1 + world.below(last);
            let state = world.view.nodes[&NodeId(pick)].state;
            let is_query_only = world.is_query_only(NodeId(pick));
            let may_go = state == NodeState::Active && (is_query_only || world.view.takers() > 1);
            let dead = world.view.nodes.values().filter(|node| !node.is_alive && node.takes_copies()).count();
            match world.below(10) {
                0 if last < 9 => {
                    last += 1;
                    match world.below(3) {
                        0 => world.join_query_only(last),
                        _ => world.join(last),
                    }
                }
                1 if may_go => world.set(pick, NodeState::Leaving),
                2 if may_go => world.set(pick, NodeState::Draining),
                3 if state == NodeState::Draining => world.set(pick, NodeState::Active),
                4 | 5 if state != NodeState::Removed && (dead == 0 || is_query_only) => {
                    let is_lost = world.below(2) == 0;
                    world.kill(pick, is_lost);
                }
                6 | 7 if state != NodeState::Removed => world.revive(pick),
                8 => {
                    let of = (NodeId(pick), GroupId(world.below(2 + seed % 7)));
                    if !world.view.unfit.remove(&of) {
                        world.view.unfit.insert(of);
                    }
                }
                _ => {}
            }
            world.round();
        }
        for id in 1..=last {
            if world.view.nodes[&NodeId(id)].state != NodeState::Removed {
                world.revive(id);
            }
        }
        world.finish();
        let copies = world.view.replication.min(world.view.takers());
        let query_only: Vec<u64> = world.view.query_only().map(|node| node.0).collect();
        for group in 1..=(1 + seed % 7) {
            let on = world.on(group);
            assert_eq!(on.len(), copies, "seed {seed}, group {group} on {on:?}");
            assert!(
                on.iter().all(|node| world.view.takes_copies(NodeId(*node))),
                "seed {seed}, group {group} on {on:?}"
            );
            assert_eq!(world.following(group), query_only, "seed {seed}, group {group}");
        }
        for (id, group) in &world.view.groups {
            let members = group.members.as_ref().unwrap();
            let may_lead = |replica: &ReplicaId| world.view.is_fit(members.voters[replica], *id);
            assert!(
                may_lead(&members.leader) || !members.voters.keys().any(may_lead),
                "seed {seed}: {id} is led by who should not"
            );
        }
        let loads = world.loads();
        assert!(loads.values().max().unwrap() - loads.values().min().unwrap() <= 1, "seed {seed}: {loads:?}");
        assert!(world.view.nodes.values().all(|node| node.state != NodeState::Leaving), "seed {seed}");
    }
}
