//! Builds the graph in batches: deterministic, parallel and without locks.
//!
//! Rows are inserted in a seeded random order, highest level first, so that data sorted by cluster does not
//! matter. A batch (at most 1/64 of what is in) sees only the graph before it:
//! ```text
//! 1 parallel   each new node walks the frozen graph and chooses its links
//! 2 serial     reverse links are sorted by target
//! 3 parallel   each target computes its new list: appended, or chosen again when full
//! 4 serial     all lists are written
//! ```
//! Steps 1 to 3 only read, so threads cannot change the outcome. Members of one batch do not see each other;
//! with 1/64 that costs no measurable recall.

use super::graph::{Graph, LEVEL_MAX};
use super::repair;
use super::scratch::ScratchPool;
use super::select::select;
use super::walk::{Scratch, descend, place, walk};
use crate::distances::RowDistances;
use crate::random::{mix, unit};
use crate::{BuildMonitor, Error, Result};
use rayon::prelude::*;

/// A batch is at most this share of the nodes already in.
pub(super) const BATCH_SHARE: usize = 64;
/// And at most this many, so that cancelling is quick.
const BATCH_MAX: usize = 1_024;

/// Parameters after clamping to the rows there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BuildParams {
    pub(crate) m: usize,
    pub(crate) ef_construction: usize,
    pub(crate) seed: u64,
}

impl BuildParams {
    /// Lowers what was asked for to what the rows can use.
    pub(crate) fn clamped(m: usize, ef_construction: usize, seed: u64, rows: usize) -> BuildParams {
        let ef_construction = ef_construction.clamp(m.min(rows.max(1)), rows.max(1));
        BuildParams { m: m.clamp(2, rows.max(2)), ef_construction, seed }
    }
}

/// A link to be added on the other side: target, level, distance between, source.
struct Reverse {
    target: u32,
    level: u8,
    distance: f32,
    source: u32,
}

/// Links of one new node, level 0 first, each with the distance.
type Chosen = Vec<Vec<(f32, u32)>>;

/// Builds the graph over all rows.
pub(crate) fn build<D: RowDistances>(
    scorer: &D,
    params: BuildParams,
    scratches: &ScratchPool,
    monitor: &dyn BuildMonitor,
) -> Result<Graph> {
    let rows = scorer.len();
    let levels: Vec<u8> = (0..rows as u64).map(|row| level_of(params, row)).collect();
    let mut order: Vec<u32> = (0..rows as u32).collect();
    order.sort_by_key(|&row| {
        (std::cmp::Reverse(levels[row as usize]), mix(params.seed ^ 0x0_0DE5, u64::from(row)), row)
    });
    let mut graph = Graph::new(params.m, levels)?;
    let Some(&first) = order.first() else { return Ok(graph) };
    graph.entry = first;
    let mut done = 1;
    while done < rows {
        if monitor.cancelled() {
            return Err(Error::Cancelled { done, total: rows });
        }
        let size = (done / BATCH_SHARE).clamp(1, BATCH_MAX).min(rows - done);
        let batch = &order[done..done + size];
        insert(&mut graph, scorer, params, scratches, batch);
        done += size;
        monitor.progress(done, rows);
    }
    repair::connect_unreachable(&mut graph, scorer, scratches);
    Ok(graph)
}

/// Levels fall off as in HNSW: each is 1/M of the one below.
pub(super) fn level_of(params: BuildParams, row: u64) -> u8 {
    let scale = 1.0 / (params.m as f64).ln();
    (-unit(params.seed, row).ln() * scale).min(LEVEL_MAX as f64) as u8
}

fn insert<D: RowDistances>(
    graph: &mut Graph,
    scorer: &D,
    params: BuildParams,
    scratches: &ScratchPool,
    batch: &[u32],
) {
    let levels: Vec<u8> = batch.iter().map(|&row| graph.levels[row as usize]).collect();
    let nodes: Vec<(u32, u8)> = batch.iter().copied().zip(levels).collect();
    choose(graph, scorer, params, scratches, &nodes).write(graph);
}

/// What a batch changes in the graph that it was chosen for.
pub(super) struct Changes {
    /// Node, level, its links.
    lists: Vec<(u32, usize, Vec<u32>)>,
}

impl Changes {
    /// Puts the lists in their places; few and short writes, so that whoever waits meanwhile waits briefly.
    pub(super) fn write(self, graph: &mut Graph) {
        for (node, level, links) in &self.lists {
            graph.set_links(*node, *level, links);
        }
    }
}

/// Chooses the links of new nodes (row and level each), and those of the nodes that they link to. Reads only: the graph is the
/// one before the batch, and need not have room for the new nodes yet.
pub(super) fn choose<D: RowDistances>(
    frozen: &Graph,
    scorer: &D,
    params: BuildParams,
    scratches: &ScratchPool,
    batch: &[(u32, u8)],
) -> Changes {
    // Neighbours in space are walked one after the other, so that they find each other's rows in the cache: a
    // tenth to a fifth of the build's CPU time (measured). The order within a batch does not change the outcome.
    let mut batch = batch.to_vec();
    batch.par_sort_by_cached_key(|&(row, _)| place(frozen, scorer, row, &mut scratches.take()));
    let chosen: Vec<Chosen> = batch
        .par_iter()
        .map_init(|| scratches.take(), |scratch, &node| choose_links(frozen, scorer, params, node, scratch))
        .collect();

    let (mut changed, mut reverse) = (Vec::new(), Vec::new());
    for (&(node, _), lists) in batch.iter().zip(&chosen) {
        for (level, list) in lists.iter().enumerate() {
            changed.push((node, level, list.iter().map(|(_, id)| *id).collect()));
            reverse.extend(list.iter().map(|&(distance, target)| Reverse {
                target,
                level: level as u8,
                distance,
                source: node,
            }));
        }
    }
    reverse.sort_unstable_by(|a, b| {
        (a.level, a.target)
            .cmp(&(b.level, b.target))
            .then(a.distance.total_cmp(&b.distance))
            .then(a.source.cmp(&b.source))
    });

    let groups: Vec<&[Reverse]> =
        reverse.chunk_by(|a, b| (a.level, a.target) == (b.level, b.target)).collect();
    let lists: Vec<Vec<u32>> = groups
        .par_iter()
        .map_init(|| scratches.take(), |scratch, group| merged_list(frozen, scorer, group, scratch))
        .collect();
    let merged = groups.iter().zip(lists);
    changed.extend(merged.map(|(group, list)| (group[0].target, group[0].level as usize, list)));
    Changes { lists: changed }
}

/// Walks the frozen graph for a new node and chooses its links on each of its levels.
fn choose_links<D: RowDistances>(
    graph: &Graph,
    scorer: &D,
    params: BuildParams,
    (row, level): (u32, u8),
    scratch: &mut Scratch,
) -> Chosen {
    let query = scorer.row_query(row);
    let level = (level as usize).min(graph.top());
    let (nearest, distance, _) = descend(graph, scorer, &query, level, scratch);
    let mut entries = vec![(distance, nearest)];
    let mut kept = Vec::new();
    let mut lists = vec![Vec::new(); level + 1];
    for level in (0..=level).rev() {
        walk(graph, scorer, &query, level, &entries, params.ef_construction, scratch);
        entries.clear();
        entries.extend(scratch.pool.iter());
        select(scorer, &query, &entries, graph.capacity(level), &mut kept);
        lists[level] = entries.iter().copied().filter(|(_, id)| kept.contains(id)).collect();
    }
    lists
}

/// The new list of a target: old links and new sources, chosen again if they do not all fit.
fn merged_list<D: RowDistances>(
    graph: &Graph,
    scorer: &D,
    group: &[Reverse],
    scratch: &mut Scratch,
) -> Vec<u32> {
    let (target, level) = (group[0].target, group[0].level as usize);
    let old = graph.links(target, level);
    let capacity = graph.capacity(level);
    if old.len() + group.len() <= capacity {
        return old.iter().copied().chain(group.iter().map(|link| link.source)).collect();
    }
    let query = scorer.row_query(target);
    scorer.many(&query, old, &mut scratch.distances);
    let mut candidates: Vec<(f32, u32)> =
        scratch.distances.iter().copied().zip(old.iter().copied()).collect();
    candidates.extend(group.iter().map(|link| (link.distance, link.source)));
    candidates.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut kept = Vec::new();
    select(scorer, &query, &candidates, capacity, &mut kept);
    kept
}
