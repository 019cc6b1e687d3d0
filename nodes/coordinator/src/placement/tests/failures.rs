//! Nodes, replicas and changes that fail.

use super::*;

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
