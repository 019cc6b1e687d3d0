//! Can the codes of these rows tell neighbours apart? Asked by AUTOINDEX before it walks by them.
//!
//! Rows that differ by less than a step (a crowd of near copies far from the rest) have equal codes, and no walk
//! by codes finds the nearest of them. So a few rows are looked up by codes and exactly, among all rows; it costs
//! about a hundredth of the build.

use super::{Codes, Quantizer};
use crate::distances::Distances;
use crate::scan::scan;
use crate::scorer::Scorer;
use crate::{Refine, SearchParams, TopK};
use rayon::prelude::*;

/// Rows looked up.
const SAMPLE: usize = 32;
/// Nearest rows that should be among the candidates.
const K: usize = 10;
/// Rows compared at a time.
const BLOCK: usize = 256;
/// Share of them that must be.
const LEAST: f64 = 0.99;

/// True if the rows nearest to a row are among its nearest by codes, as many as a search refines unasked.
pub(crate) fn fits<Q: Quantizer>(exact: &Scorer, codes: &Codes<Q>) -> bool {
    let rows = exact.rows.len();
    let sample: Vec<u32> = (0..rows as u32).step_by(rows.div_ceil(SAMPLE).max(1)).collect();
    let found: usize = sample.par_iter().map(|&row| found(exact, codes, row)).sum();
    found as f64 >= LEAST * (sample.len() * K.min(rows)) as f64
}

/// How many of the nearest rows are among the candidates; equal distances count alike.
fn found<Q: Quantizer>(exact: &Scorer, codes: &Codes<Q>, row: u32) -> usize {
    let values = exact.rows.values(row);
    let query = exact.query(&values);
    let mut nearest = TopK::new(K);
    scan(&query, &exact.rows, None, false, &mut nearest);
    let Some(worst) = nearest.into_hits().last().copied() else { return 0 };

    let by_codes = codes.quantizer.query(&values, &SearchParams::default());
    let mut candidates =
        TopK::new(SearchParams::default().refined_for(K, usize::MAX, Refine::Fp32, Q::UNASKED));
    let (mut ids, mut distances) = (Vec::with_capacity(BLOCK), Vec::with_capacity(BLOCK));
    for start in (0..codes.len() as u32).step_by(BLOCK) {
        ids.clear();
        ids.extend(start..codes.len().min(start as usize + BLOCK) as u32);
        codes.many(&by_codes, &ids, &mut distances);
        ids.iter().zip(&distances).for_each(|(&id, &distance)| candidates.push(distance, id));
    }
    let near = candidates.into_hits().into_iter().filter(|hit| exact.one(&query, hit.row) <= worst.distance);
    near.count().min(K)
}
