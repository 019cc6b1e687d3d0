//! Random lives of a cluster.

use super::*;

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
