//! A range by an index, which knows none.
//!
//! ```text
//! ask for k -> k in the range? -- yes --> they are the answer
//!    ^             | fewer
//!    |             +-- every match was compared or told -----------> so few there are
//!    |             +-- the last is inside the range: ask for more --+
//!    |             +-- it is beyond: once more, a little farther ---+
//!    +--- unless looking comes to cost what comparing costs <-------+
//!                  otherwise: compare every match
//! ```
//! Whoever looks in an index overlooks rows. So fewer than `k` hits prove nothing: only comparing every match does (P5). A range
//! with fewer than `k` rows in it therefore costs a scan; one look farther is cheap beside it, and mostly finds what the
//! first has overlooked when there is something. Rows nearer than the range's near bound take up places among what is asked for,
//! which asking for more makes up for as well.

use super::indexed::{Asked, leaving_scans};
use super::{Cancel, SearchPlan};
use crate::Result;
use vecraft_index::{Range, SearchOutcome, Strategy, VectorIndex};
use vecraft_types::Bitmap;

/// How many times more hits an index is asked for when too few were in the range.
const WIDER: usize = 4;
/// Hits that an index is asked for at most for the sake of a range, so that memory stays small (I21).
const WIDEST: usize = 1 << 16;

/// The nearest rows within the range; without hits when every one of the `matching` rows has to be compared.
pub(super) fn in_range(
    index: &dyn VectorIndex,
    query: &[f32],
    (plan, range): (&SearchPlan<'_>, Range),
    filter: Option<&Bitmap>,
    matching: usize,
    cancel: Cancel<'_>,
) -> Result<Asked> {
    let (mut wanted, mut spent) = (plan.k, 0);
    let mut before = Vec::new();
    let mut was_beyond = false;
    let params = leaving_scans(plan);
    loop {
        cancel.check()?;
        let SearchOutcome { mut hits, mut stats } = index.search_explained(query, wanted, &params, filter)?;
        if stats.left > 0 {
            return Ok(Asked { before, last: stats, hits: None });
        }
        let is_compared = matches!(stats.strategy, Strategy::Exact | Strategy::WalkThenExact);
        let is_told = hits.len() < wanted;
        let is_beyond = hits.last().is_some_and(|last| last.distance >= range.below);
        hits.retain(|hit| range.contains(hit.distance));
        let is_proven = is_told || is_compared && is_beyond;
        if is_proven || hits.len() >= plan.k {
            hits.truncate(plan.k);
            // Which recall to expect was measured for no range.
            stats.recall = (is_told || is_compared).then_some(1.0);
            return Ok(Asked { before, last: stats, hits: Some(hits) });
        }
        // Not every index counts its distances; one for each hit it took.
        let cost = stats.distances.max(wanted);
        spent += cost;
        wanted = wanted.saturating_mul(WIDER);
        let is_dear = spent.saturating_add(cost.saturating_mul(WIDER)) > matching;
        if is_dear || wanted > WIDEST || is_beyond && was_beyond {
            return Ok(Asked { before, last: stats, hits: None });
        }
        was_beyond = is_beyond;
        before.push(stats);
    }
}
