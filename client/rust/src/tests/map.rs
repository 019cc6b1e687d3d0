//! In which order doors are tried, and when the map is asked for anew.

use crate::map::{Aim, Knowledge, Map, Near};
use std::time::Duration;
use tokio::time::Instant;
use vecraft_types::api::{CollectionPlace, NodeDoor, ShardPlace, TopologyReply};
use vecraft_types::{NodeId, PrimaryKey};

struct Call {
    near: Near,
    keys: Vec<i64>,
}

impl Aim for Call {
    fn collection(&self) -> &str {
        "c"
    }

    fn near(&self) -> Near {
        self.near
    }

    fn keys(&self, field: &str) -> Vec<PrimaryKey> {
        assert_eq!(field, "id");
        self.keys.iter().copied().map(PrimaryKey::Int64).collect()
    }
}

fn doors(nodes: impl IntoIterator<Item = u64>) -> TopologyReply {
    let door = |node| NodeDoor { node: NodeId(node), address: node.to_string() };
    TopologyReply { doors: nodes.into_iter().map(door).collect(), ..TopologyReply::default() }
}

/// Shards with these leaders (0: nobody known), each read on nodes 1, 2 and 3.
fn place(leaders: &[u64]) -> CollectionPlace {
    let shard = |leader: &u64| ShardPlace {
        leader: Some(NodeId(*leader)).filter(|node| node.0 > 0),
        readers: (1..=3).map(NodeId).collect(),
    };
    CollectionPlace { key_field: Some("id".into()), shards: leaders.iter().map(shard).collect() }
}

fn map(leaders: &[u64]) -> Map {
    let mut map = Map::default();
    map.learn_nodes(&doors(1..=4));
    map.learn_place("c", Some(Some(place(leaders))), Instant::now());
    map
}

/// A key of a shard among so many.
fn key_of(shard: u32, shards: u32) -> i64 {
    (0..).find(|key| PrimaryKey::Int64(*key).shard_index(shards) == shard).unwrap()
}

#[track_caller]
fn order(map: &Map, near: Near, keys: &[i64], turn: usize, expected: &str) {
    let call = Call { near, keys: keys.to_vec() };
    assert_eq!(map.nearest(&call, turn).join(" "), expected);
}

#[test]
fn a_write_goes_to_the_leader_and_then_to_replicas_that_may_lead_next() {
    order(&map(&[2]), Near::Leaders, &[1, 2, 3], 0, "2 1 3");
    order(&map(&[2]), Near::Leaders, &[1, 2, 3], 7, "2 1 3");
    order(&map(&[0]), Near::Leaders, &[1], 0, "1 2 3");
    order(&map(&[]), Near::Leaders, &[1], 0, "");
}

#[test]
fn of_several_leaders_the_one_of_most_rows_is_first() {
    let map = map(&[1, 3]);
    let (first, second) = (key_of(0, 2), key_of(1, 2));
    order(&map, Near::Leaders, &[first, second, second], 0, "3 1 2");
    order(&map, Near::Leaders, &[first, first, second], 0, "1 3 2");
    order(&map, Near::Leaders, &[second], 0, "3 1 2");
    // Nothing is known of its rows: both lead as much of them.
    order(&map, Near::Leaders, &[], 0, "1 3 2");
}

#[test]
fn reads_take_turns_among_the_replicas() {
    let map = map(&[2]);
    order(&map, Near::Replicas, &[], 0, "1 2 3");
    order(&map, Near::Replicas, &[], 1, "2 3 1");
    order(&map, Near::Replicas, &[], 2, "3 1 2");
    order(&map, Near::Replicas, &[], 3, "1 2 3");
}

#[test]
fn a_lone_nodes_own_address_is_not_preferred_to_the_callers() {
    let mut map = Map::default();
    map.learn_nodes(&doors([1]));
    assert_eq!(map.doors().count(), 0);
    map.learn_nodes(&doors(1..=3));
    assert!(map.has_choice());
    // A cluster that shrank to one node, perhaps not the one that was named.
    map.learn_nodes(&doors([2]));
    assert_eq!(map.doors().collect::<Vec<_>>(), ["2"]);
}

#[test]
fn one_caller_at_a_time_asks_and_only_when_the_map_is_old_or_in_doubt() {
    let (mut map, now) = (Map::default(), Instant::now());
    map.learn_nodes(&doors(1..=3));
    let at = |ms| now + Duration::from_millis(ms);
    assert_eq!(map.knowledge("c", now), Knowledge::None);
    assert_eq!(map.knowledge("c", at(9_000)), Knowledge::Enough, "somebody asks already");
    map.learn_place("c", Some(Some(place(&[2]))), now);
    assert_eq!(map.knowledge("c", at(4_000)), Knowledge::Enough);
    assert_eq!(map.knowledge("c", at(6_000)), Knowledge::Old);
    // Nobody could say: what was known is kept.
    map.learn_place("c", None, at(6_000));
    order(&map, Near::Leaders, &[], 0, "2 1 3");
    map.doubt("c");
    assert_eq!(map.knowledge("c", at(6_100)), Knowledge::Enough);
    assert_eq!(map.knowledge("c", at(6_300)), Knowledge::Old);
    // It was dropped, or is too new for the node that was asked.
    map.learn_place("c", Some(None), at(7_000));
    assert_eq!(map.knowledge("c", at(7_300)), Knowledge::Old);
}
