//! Nodes join, follow, drain and leave.

use super::*;

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
fn a_draining_node_is_emptied_and_stays() {
    let mut world = World::new(4, 6, 3, 4);
    world.set(1, NodeState::Draining);
    world.finish();
    assert!((0..=6).all(|group| !world.on(group).contains(&1)));
    let meta = world.view.groups[&GroupId::META].members.as_ref().unwrap();
    assert!(meta.learners.values().any(|node| node.0 == 1), "it still has the catalogue");
    assert_eq!(world.view.nodes[&NodeId(1)].state, NodeState::Draining);
}
