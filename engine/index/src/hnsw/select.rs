//! Which candidates become links: the relative-neighbourhood rule with alpha = 1.0.
//!
//! A candidate is kept if no link kept before is nearer to it than the node is. Alpha 1.2, usual elsewhere,
//! fills the slots inside a cluster and loses the links between clusters: recall 0.23 against 0.98 on 1,000
//! Gaussian clusters (measured); the conformance suite holds a test for it.

use super::graph::NONE;
use crate::distances::RowDistances;

/// Twins of the node kept at most, as a share of the capacity: a crowd of equal vectors would otherwise link
/// only to itself and become an island.
const TWINS_SHARE: usize = 4;

/// Chooses at most `capacity` of `candidates` (sorted by distance to `node`, without it) into `out`.
pub(crate) fn select<D: RowDistances>(
    scorer: &D,
    node: &D::Query<'_>,
    candidates: &[(f32, u32)],
    capacity: usize,
    out: &mut Vec<u32>,
) {
    out.clear();
    let twins_max = (capacity / TWINS_SHARE).max(1);
    let mut twins = 0;
    for &(distance, row) in candidates {
        if out.len() >= capacity {
            break;
        }
        if scorer.is_twin(node, distance, row) {
            if twins == twins_max {
                continue;
            }
            twins += 1;
            out.push(row);
        } else if !is_occluded(scorer, distance, row, out) {
            out.push(row);
        }
    }
}

/// True if a kept link is nearer to `row` than the node (at `distance`) is.
fn is_occluded<D: RowDistances>(scorer: &D, distance: f32, row: u32, kept: &[u32]) -> bool {
    let query = scorer.row_query(row);
    let (groups, rest) = kept.as_chunks::<4>();
    groups.iter().any(|ids| scorer.four(&query, *ids).iter().any(|d| *d < distance))
        || rest.iter().any(|&id| id != NONE && scorer.one(&query, id) < distance)
}
