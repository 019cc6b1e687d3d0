//! The unfiltered walk, for searches and for builds.

use super::graph::{Graph, NONE};
use super::pool::Pool;
use super::visited::Visited;
use crate::distances::{Distances, RowDistances};

/// What one walk needs; kept and reused, so that a search allocates nothing but its answer.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) visited: Visited,
    pub(crate) pool: Pool,
    pub(crate) ids: Vec<u32>,
    pub(crate) distances: Vec<f32>,
    /// A row of level 0 that walks treat as if it were not there.
    pub(crate) overlooked: Option<u32>,
    /// Whether what walks touch is probably not in memory.
    pub(crate) is_cold: bool,
}

/// Goes down from the entry to `floor + 1`, each time to the nearest neighbour. Returns the nearest node seen,
/// with its distance, and the number of distances computed.
pub(crate) fn descend<D: Distances>(
    graph: &Graph,
    scorer: &D,
    query: &D::Query<'_>,
    floor: usize,
    scratch: &mut Scratch,
) -> (u32, f32, usize) {
    descend_noting(graph, scorer, query, floor, scratch, |_| {})
}

/// Where a row lies: the nearest node found on each level from the top down to 1. Rows whose places begin alike
/// are near each other.
pub(crate) fn place<D: RowDistances>(graph: &Graph, scorer: &D, row: u32, scratch: &mut Scratch) -> Vec<u32> {
    let mut path = Vec::with_capacity(graph.top());
    descend_noting(graph, scorer, &scorer.row_query(row), 0, scratch, |node| path.push(node));
    path
}

fn descend_noting<D: Distances>(
    graph: &Graph,
    scorer: &D,
    query: &D::Query<'_>,
    floor: usize,
    scratch: &mut Scratch,
    mut note: impl FnMut(u32),
) -> (u32, f32, usize) {
    let Scratch { ids, distances, is_cold, .. } = scratch;
    let mut at = graph.entry;
    let mut best = scorer.one(query, at);
    let mut computed = 1;
    for level in (floor + 1..=graph.top()).rev() {
        loop {
            ids.clear();
            ids.extend_from_slice(graph.links(at, level));
            scorer.many_of_maybe_cold(query, ids, distances, *is_cold);
            computed += ids.len();
            let before = at;
            for (&id, &distance) in ids.iter().zip(distances.iter()) {
                if distance < best {
                    (at, best) = (id, distance);
                }
            }
            if at == before {
                break;
            }
        }
        note(at);
    }
    (at, best, computed)
}

/// Of rows just offered to a pool those that are in it: most of them are expanded later.
pub(super) fn entered<'a>(
    ids: &'a [u32],
    distances: &'a [f32],
    pool: &Pool,
) -> impl Iterator<Item = u32> + use<'a> {
    let worst = if pool.is_full() { pool.worst() } else { f32::INFINITY };
    ids.iter().zip(distances).filter(move |(_, distance)| **distance <= worst).map(|(id, _)| *id)
}

/// Best-first walk on one level from `entries` until the `ef` nearest seen are all expanded; they stay in
/// `scratch.pool`. Returns the number of distances computed.
pub(crate) fn walk<D: Distances>(
    graph: &Graph,
    scorer: &D,
    query: &D::Query<'_>,
    level: usize,
    entries: &[(f32, u32)],
    ef: usize,
    scratch: &mut Scratch,
) -> usize {
    let Scratch { visited, pool, ids, distances, overlooked, is_cold } = scratch;
    visited.reset(graph.len());
    if let Some(row) = *overlooked {
        visited.insert(row);
    }
    pool.reset(ef);
    for &(distance, row) in entries {
        if visited.insert(row) {
            pool.insert(distance, row);
        }
    }
    let mut computed = 0;
    while let Some(node) = pool.pop_unexpanded() {
        ids.clear();
        for &link in graph.slots(node, level) {
            if link == NONE {
                break;
            }
            if visited.insert(link) {
                ids.push(link);
            }
        }
        if level == 0
            && let Some(next) = pool.peek_unexpanded()
        {
            graph.prefetch(next);
        }
        scorer.many_of_maybe_cold(query, ids, distances, *is_cold);
        computed += ids.len();
        for (&id, &distance) in ids.iter().zip(distances.iter()) {
            pool.insert(distance, id);
        }
        if *is_cold {
            graph.fetch(entered(ids, distances, pool));
        }
    }
    computed
}
