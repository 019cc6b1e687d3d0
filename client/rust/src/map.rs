//! What a client believes about the cluster, and in which order it would knock at the doors for a call. Pure: it asks
//! nobody and waits for nothing.
//!
//! The order is a hint that saves hops. Every node answers every call, so an old map costs time, never an answer.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio::time::Instant;
use vecraft_types::api::{CollectionPlace, TopologyReply};
use vecraft_types::{NodeId, PrimaryKey};

/// How old a place may be before it is asked for again; it is used meanwhile.
const FRESH: Duration = Duration::from_secs(5);
/// The same when nobody knew the collection, or somebody found it elsewhere.
const DOUBTED: Duration = Duration::from_millis(200);
/// Collections remembered. Beyond, all are forgotten: they are asked for again as they are used.
const PLACES_MAX: usize = 10_000;

/// Where a call is answered with the fewest hops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Near {
    /// At the leaders of the shards whose rows it changes or counts.
    Leaders,
    /// At a replica of the shards; at each in turn.
    Replicas,
}

/// A call that some nodes are nearer to than others.
pub(crate) trait Aim: Send + Sync {
    /// Its collection.
    fn collection(&self) -> &str;
    /// Who is near.
    fn near(&self) -> Near;
    /// Some keys that it touches, of the key field; none when it may touch every shard.
    fn keys(&self, field: &str) -> Vec<PrimaryKey>;
}

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Map {
    nodes: BTreeMap<NodeId, String>,
    places: HashMap<String, Place>,
}

struct Place {
    /// None when whoever was asked did not know the collection.
    found: Option<CollectionPlace>,
    learned: Instant,
    is_doubted: bool,
    is_asking: bool,
}

/// What is known of a collection's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knowledge {
    /// Good for now, or somebody asks already.
    Enough,
    /// To be used, and asked for again. Who hears this asks.
    Old,
    /// None. Who hears this asks.
    None,
}

impl Map {
    /// Takes in which nodes there are. Of a lone node nothing is learned: the address that the caller gave is as good, and
    /// the node's own may mean something else where the caller is.
    pub(crate) fn learn_nodes(&mut self, reply: &TopologyReply) {
        if reply.doors.len() > 1 || !self.nodes.is_empty() && !reply.doors.is_empty() {
            self.nodes = reply.doors.iter().map(|door| (door.node, door.address.clone())).collect();
        }
    }

    /// Takes in where a collection is: `Some(None)` when who was asked does not know it, `None` when nobody could say,
    /// which leaves what was known.
    pub(crate) fn learn_place(
        &mut self,
        collection: &str,
        answer: Option<Option<CollectionPlace>>,
        now: Instant,
    ) {
        if self.places.len() >= PLACES_MAX && !self.places.contains_key(collection) {
            self.places.clear();
        }
        let before = self.places.remove(collection).and_then(|place| place.found);
        let is_doubted = answer == Some(None);
        let place = Place { found: answer.unwrap_or(before), learned: now, is_doubted, is_asking: false };
        self.places.insert(collection.to_owned(), place);
    }

    /// A call found things elsewhere than the map says.
    pub(crate) fn doubt(&mut self, collection: &str) {
        if let Some(place) = self.places.get_mut(collection) {
            place.is_doubted = true;
        }
    }

    /// How well a collection's place is known. Each hearer of [`Knowledge::Old`] or [`Knowledge::None`] is the only one
    /// until [`Map::learn_place`].
    pub(crate) fn knowledge(&mut self, collection: &str, now: Instant) -> Knowledge {
        let Some(place) = self.places.get_mut(collection) else {
            let place = Place { found: None, learned: now, is_doubted: true, is_asking: true };
            self.places.insert(collection.to_owned(), place);
            return Knowledge::None;
        };
        let good_for = if place.is_doubted { DOUBTED } else { FRESH };
        if place.is_asking || now.saturating_duration_since(place.learned) < good_for {
            return Knowledge::Enough;
        }
        place.is_asking = true;
        Knowledge::Old
    }

    /// Whether there are several nodes to choose from.
    pub(crate) fn has_choice(&self) -> bool {
        self.nodes.len() > 1
    }

    /// Doors known to be the cluster's, by node.
    pub(crate) fn doors(&self) -> impl Iterator<Item = &String> {
        self.nodes.values()
    }

    /// The doors nearest to a call, the nearest first; empty when nothing is known. `turn` spreads reads.
    pub(crate) fn nearest(&self, aim: &dyn Aim, turn: usize) -> Vec<String> {
        let place = self.places.get(aim.collection()).and_then(|place| place.found.as_ref());
        let Some(place) = place.filter(|place| !place.shards.is_empty()) else { return Vec::new() };
        let rows = rows_by_shard(place, aim);
        let mut leads: BTreeMap<NodeId, usize> = BTreeMap::new();
        let mut reads: BTreeMap<NodeId, usize> = BTreeMap::new();
        for (shard, rows) in place.shards.iter().zip(rows) {
            shard.leader.iter().for_each(|node| *leads.entry(*node).or_default() += rows);
            shard.readers.iter().for_each(|node| *reads.entry(*node).or_default() += rows);
        }
        let mut nodes = match aim.near() {
            // A replica of the shards is the next best: it may lead by now.
            Near::Leaders => [best_first(leads, 0), best_first(reads, 0)].concat(),
            Near::Replicas => best_first(reads, turn),
        };
        let mut seen = Vec::new();
        nodes.retain(|node| {
            !seen.contains(node) && {
                seen.push(*node);
                true
            }
        });
        nodes.iter().filter_map(|node| self.nodes.get(node).cloned()).collect()
    }
}

/// How much of the call concerns each shard.
fn rows_by_shard(place: &CollectionPlace, aim: &dyn Aim) -> Vec<usize> {
    let count = u32::try_from(place.shards.len()).unwrap_or(u32::MAX);
    let keys = match &place.key_field {
        Some(field) if count > 1 => aim.keys(field),
        _ => Vec::new(),
    };
    if keys.is_empty() {
        return vec![1; place.shards.len()];
    }
    let mut rows = vec![0; place.shards.len()];
    keys.iter().for_each(|key| rows[key.shard_index(count) as usize] += 1);
    rows
}

/// Nodes by falling share; those with the largest share take turns. One without a share is left out.
fn best_first(shares: BTreeMap<NodeId, usize>, turn: usize) -> Vec<NodeId> {
    let mut nodes: Vec<(NodeId, usize)> = shares.into_iter().filter(|(_, share)| *share > 0).collect();
    nodes.sort_by_key(|(node, share)| (std::cmp::Reverse(*share), *node));
    let best = nodes.first().map_or(0, |(_, share)| *share);
    let equals = nodes.iter().take_while(|(_, share)| *share == best).count();
    if equals > 0 {
        nodes[..equals].rotate_left(turn % equals);
    }
    nodes.into_iter().map(|(node, _)| node).collect()
}
