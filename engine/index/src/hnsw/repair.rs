//! After a build: every node can be reached from the entry on level 0.
//!
//! Choosing links anew when a list is full may cut the last link to a node. Such nodes are few (none on most
//! data, more with inner product, where short vectors are nobody's neighbour). Each gets a link from the
//! nearest reachable node that has room.

use super::graph::{Graph, NONE};
use super::scratch::ScratchPool;
use super::walk::{Scratch, walk};
use crate::distances::RowDistances;

/// Reachable neighbours looked at for one with room.
const BREADTH: usize = 64;

/// Adds links until all nodes are reachable. Deterministic and serial. Returns how many links were added.
pub(crate) fn connect_unreachable<D: RowDistances>(
    graph: &mut Graph,
    scorer: &D,
    scratches: &ScratchPool,
) -> usize {
    if graph.entry == NONE {
        return 0;
    }
    let mut reached = vec![false; graph.len()];
    let mut stack = Vec::new();
    mark_from(graph, graph.entry, &mut reached, &mut stack);
    let mut scratch = scratches.take();
    let mut added = 0;
    let mut spare = 0u32;
    for node in 0..graph.len() as u32 {
        if reached[node as usize] {
            continue;
        }
        let near = near_with_room(graph, scorer, node, &mut scratch);
        if let Some(from) = near.or_else(|| any_with_room(graph, &reached, &mut spare)) {
            let mut links = graph.links(from, 0).to_vec();
            links.push(node);
            graph.set_links(from, 0, &links);
            added += 1;
            mark_from(graph, node, &mut reached, &mut stack);
        }
    }
    added
}

/// How many nodes a walk on level 0 can reach from the entry.
pub(crate) fn reachable(graph: &Graph) -> usize {
    let mut reached = vec![false; graph.len()];
    if graph.entry != NONE {
        mark_from(graph, graph.entry, &mut reached, &mut Vec::new());
    }
    reached.iter().filter(|seen| **seen).count()
}

fn mark_from(graph: &Graph, start: u32, reached: &mut [bool], stack: &mut Vec<u32>) {
    reached[start as usize] = true;
    stack.push(start);
    while let Some(node) = stack.pop() {
        for &link in graph.links(node, 0) {
            if !std::mem::replace(&mut reached[link as usize], true) {
                stack.push(link);
            }
        }
    }
}

fn has_room(graph: &Graph, node: u32) -> bool {
    graph.links(node, 0).len() < graph.capacity(0)
}

/// A walk from the entry sees reachable nodes only.
fn near_with_room<D: RowDistances>(
    graph: &Graph,
    scorer: &D,
    node: u32,
    scratch: &mut Scratch,
) -> Option<u32> {
    let query = scorer.row_query(node);
    let entry = (scorer.one(&query, graph.entry), graph.entry);
    walk(graph, scorer, &query, 0, &[entry], BREADTH, scratch);
    scratch.pool.iter().map(|(_, near)| near).find(|&near| has_room(graph, near))
}

/// The lowest reachable node with room; `from` only moves up, so all calls together cost one pass.
fn any_with_room(graph: &Graph, reached: &[bool], from: &mut u32) -> Option<u32> {
    while (*from as usize) < reached.len() {
        if reached[*from as usize] && has_room(graph, *from) {
            return Some(*from);
        }
        *from += 1;
    }
    // Nodes below may have been reached since; rare enough to look again from the start.
    *from = 0;
    (0..reached.len() as u32).find(|&node| reached[node as usize] && has_room(graph, node))
}
