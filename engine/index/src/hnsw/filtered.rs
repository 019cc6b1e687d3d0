//! Walks under a filter. Only matching rows become answers; how others are used is the difference.

use super::graph::{Graph, NONE};
use super::plan::Breadth;
use super::walk::{Scratch, entered};
use crate::distances::Distances;
use crate::top_k::{distance_of, pack, row_of};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use vecraft_types::Bitmap;

/// Matching rows a two-hop expansion compares at most.
const PER_EXPANSION: usize = 40;

/// Rows after which a plain walk judges whether it is where matches are. At the least share that is walked plainly, 29 of so many
/// match at random and 13 or fewer are four standard deviations off.
const NOTICED_AFTER: usize = 64;
/// It is not if fewer than one of so many matches.
const ASTRAY: usize = 5;

/// Outcome of a filtered walk; the answers are in `scratch.pool`.
pub(crate) struct Walked {
    /// Distances computed.
    pub(crate) distances: usize,
    /// What the walk cost, against its limit.
    pub(crate) spent: usize,
    pub(crate) end: End,
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    /// The nearest it can see are all expanded.
    Finished,
    /// It cost as much as comparing all matches, or was going to.
    TooDear,
    /// Only the plain walk: around the query hardly a row matches, whatever share of all does.
    Astray,
}

/// Price of a walk so far against a limit, in distances; reading a list costs one as well.
struct Budget {
    spent: usize,
    distances: usize,
    limit: usize,
}

impl Budget {
    fn is_over(&self) -> bool {
        self.spent > self.limit
    }

    /// After a quarter of the limit: at the price of what was expanded so far, `all` would cost `patience` times the limit.
    fn is_hopeless(&self, expanded: usize, all: usize, patience: f64) -> bool {
        let foreseen = self.spent as f64 * all as f64;
        self.spent > self.limit / 4 && foreseen > patience * self.limit as f64 * expanded as f64
    }

    fn end(&self, end: End) -> Walked {
        Walked { distances: self.distances, spent: self.spent, end }
    }

    fn charge(&mut self, distances: usize, lists: usize) {
        self.distances += distances;
        self.spent += distances + lists;
    }
}

/// For filters that most rows pass: the usual walk, in which rows that do not match are stepping stones.
///
/// It must compare every row that is nearer to the query than the matches are. A filter that goes against the query makes that
/// a large part of the segment, which the first rows already tell: then the walk ends early ([`End::Astray`]).
#[allow(clippy::too_many_arguments)]
pub(crate) fn inline<D: Distances>(
    graph: &Graph,
    scorer: &D,
    query: &D::Query<'_>,
    entry: (f32, u32),
    ef: usize,
    filter: &Bitmap,
    limit: usize,
    scratch: &mut Scratch,
) -> Walked {
    let Scratch { visited, pool, ids, distances, is_cold, .. } = scratch;
    visited.reset(graph.len());
    pool.reset(ef);
    let mut open = BinaryHeap::from([Reverse(pack(entry.0, entry.1))]);
    visited.insert(entry.1);
    if filter.get(entry.1 as usize) {
        pool.insert(entry.0, entry.1);
    }
    let mut budget = Budget { spent: 0, distances: 0, limit };
    let mut matching = 0;
    while let Some(Reverse(key)) = open.pop() {
        if pool.is_full() && distance_of(key) > pool.worst() {
            break;
        }
        if budget.is_over() {
            return budget.end(End::TooDear);
        }
        if budget.distances >= NOTICED_AFTER && matching * ASTRAY < budget.distances {
            return budget.end(End::Astray);
        }
        ids.clear();
        for &link in graph.slots(row_of(key), 0) {
            if link == NONE {
                break;
            }
            if visited.insert(link) {
                ids.push(link);
            }
        }
        scorer.many_of_maybe_cold(query, ids, distances, *is_cold);
        budget.charge(ids.len(), 1);
        for (&id, &distance) in ids.iter().zip(distances.iter()) {
            let matches = filter.get(id as usize);
            matching += usize::from(matches);
            if !pool.is_full() || distance < pool.worst() {
                open.push(Reverse(pack(distance, id)));
                if matches {
                    pool.insert(distance, id);
                }
            }
        }
        if *is_cold {
            graph.fetch(entered(ids, distances, pool));
        }
    }
    budget.end(End::Finished)
}

/// For filters that few rows pass (ACORN-1): only matching rows are compared; a neighbour that does not match
/// is looked through to its own neighbours. Given up early when it is going to cost more than `patience` times the limit.
#[allow(clippy::too_many_arguments)]
pub(crate) fn two_hop<D: Distances>(
    graph: &Graph,
    scorer: &D,
    query: &D::Query<'_>,
    entry: (f32, u32),
    seeds: &[u32],
    Breadth { ef, patience }: Breadth,
    filter: &Bitmap,
    limit: usize,
    scratch: &mut Scratch,
) -> Walked {
    let Scratch { visited, pool, ids, distances, is_cold, .. } = scratch;
    visited.reset(graph.len());
    pool.reset(ef);
    ids.clear();
    ids.extend(seeds.iter().copied().filter(|&seed| visited.insert(seed)));
    let mut budget = Budget { spent: 0, distances: 0, limit };
    let (mut next, mut expanded) = (Some(entry.1), 0);
    if visited.insert(entry.1) && filter.get(entry.1 as usize) {
        pool.insert(entry.0, entry.1);
        next = None;
    }
    loop {
        // The first round compares the seeds, and the surroundings of an entry that does not match.
        if let Some(node) = next {
            if *is_cold {
                graph.fetch(graph.links(node, 0).iter().copied().filter(|link| !filter.get(*link as usize)));
            }
            let lists = gather(graph, node, filter, visited, ids);
            budget.charge(0, lists);
            expanded += 1;
        }
        scorer.many_of_maybe_cold(query, ids, distances, *is_cold);
        budget.charge(ids.len(), 0);
        for (&id, &distance) in ids.iter().zip(distances.iter()) {
            pool.insert(distance, id);
        }
        if *is_cold {
            graph.fetch(entered(ids, distances, pool));
        }
        ids.clear();
        if budget.is_over() || budget.is_hopeless(expanded, ef, patience) {
            return budget.end(End::TooDear);
        }
        next = pool.pop_unexpanded();
        if next.is_none() {
            return budget.end(End::Finished);
        }
    }
}

/// Adds matching rows within two hops of `node` that were not seen yet. Returns the lists read.
fn gather(
    graph: &Graph,
    node: u32,
    filter: &Bitmap,
    visited: &mut super::visited::Visited,
    ids: &mut Vec<u32>,
) -> usize {
    let links = graph.links(node, 0);
    let start = ids.len();
    for &link in links {
        if filter.get(link as usize) {
            if visited.insert(link) {
                ids.push(link);
            }
        } else {
            graph.prefetch(link);
        }
    }
    let mut lists = 1;
    for &link in links {
        if ids.len() - start >= PER_EXPANSION {
            break;
        }
        if filter.get(link as usize) || !visited.insert(link) {
            continue;
        }
        lists += 1;
        for &second in graph.slots(link, 0) {
            if second == NONE {
                break;
            }
            if filter.get(second as usize) && visited.insert(second) {
                ids.push(second);
            }
        }
    }
    lists
}
