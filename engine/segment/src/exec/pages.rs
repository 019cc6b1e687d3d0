//! Pages of all matching rows by distance: which rows follow behind a distance.
//!
//! ```text
//! distances      1  2  2  3 | 4  4  4 | 5 ...        k = 3
//! a page behind 1: 2  2  3       behind 3: 4  4  4       behind 4: 5 ...
//! ```
//! A page begins strictly behind the last one and ends with a whole distance: rows as near as its last one come with it,
//! however many. So the distance alone says where the next page begins, and no row is lost or told twice. A distance of
//! a row and a query is the same number each time, whichever rows are compared beside it.
//!
//! Every page compares every matching row. Indexes are not asked: what an index overlooks on one page would lie before the
//! beginning of the next, lost for good.

use super::exact::{Sink, offer};
use super::matches::matches;
use super::notes::{Note, Notebook};
use super::queries::Queries;
use super::reasons::NoIndex;
use super::search::{each_segment, sort_nearest};
use super::{Cancel, Hit, RowAddress, SearchPlan};
use crate::{Error, Result, SegmentView, ShardView};
use vecraft_kernel::{internal_distance, reported_score};

/// Where a page lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PageBounds {
    /// Rows at this score and nearer ones were told before.
    pub after: Option<f32>,
    /// Rows that a segment's part of the page may have at most, those at its last distance included.
    pub rows_max: usize,
}

/// The `plan.k` nearest rows behind `bounds.after` of the plan's only query, and all others that are as near as the last of
/// them; nearest first, equal distances by segment, then row. Fewer than `plan.k` only when there are no more.
///
/// CPU-bound, as [`search`](super::search()). Errors: as there, and [`Error::TooManyAlike`].
pub fn search_page<'n>(
    view: &ShardView,
    plan: &SearchPlan<'_>,
    bounds: PageBounds,
    cancel: Cancel<'_>,
    notes: Option<&'n Notebook<'n>>,
) -> Result<Vec<Hit>> {
    let queries = Queries::read(&view.schema, plan)?;
    if queries.len() != 1 {
        let what = format!("is asked for pages of {} query vectors, they are of one", queries.len());
        return Err(Error::Field { field: plan.field, what });
    }
    if plan.k == 0 {
        return Ok(Vec::new());
    }
    let told = bounds.after.map(|score| internal_distance(plan.metric, score));
    let one = |shown: &SegmentView| -> Result<Vec<Hit>> {
        let mut note = Note::begin(notes, view, shown, plan);
        let found = matches(view, shown, plan.filter, cancel)?;
        note.matched(view, shown, plan.filter, &found)?;
        let mut behind = [Behind::new(told, plan.k, bounds.rows_max)];
        offer(&found, plan.field, &queries.ready(0..1)?, plan.range, &mut behind, cancel)?;
        if !found.is_empty() {
            note.compared(1, NoIndex::Page);
        }
        note.end();
        let [behind] = behind;
        behind.into_hits(shown, plan)
    };
    let mut hits = each_segment(view, plan, one)?.concat();
    sort_nearest(&mut hits);
    let last = plan.k.min(hits.len()).checked_sub(1).map(|last| hits[last].distance);
    hits.truncate(last.map_or(0, |last| hits.partition_point(|hit| hit.distance <= last)));
    Ok(hits)
}

/// The nearest rows behind a distance, with all that are as near as the last.
struct Behind {
    told: Option<f32>,
    k: usize,
    rows_max: usize,
    rows: Vec<vecraft_index::Hit>,
    /// Rows at which the far ones are let go.
    full: usize,
    /// Farther rows are not wanted.
    far: f32,
    is_over: bool,
}

/// Fewer rows than this are not worth a look.
const FULL_MIN: usize = 1 << 10;

impl Behind {
    fn new(told: Option<f32>, k: usize, rows_max: usize) -> Behind {
        let full = k.saturating_mul(2).max(FULL_MIN);
        Behind { told, k, rows_max, rows: Vec::new(), full, far: f32::INFINITY, is_over: false }
    }

    /// Keeps the `k` nearest, and those as near as the last of them.
    fn let_go(&mut self) {
        if self.rows.len() > self.k {
            let by_distance =
                |a: &vecraft_index::Hit, b: &vecraft_index::Hit| a.distance.total_cmp(&b.distance);
            self.far = self.rows.select_nth_unstable_by(self.k - 1, by_distance).1.distance;
            let far = self.far;
            self.rows.retain(|row| row.distance <= far);
        }
        self.is_over |= self.rows.len() > self.rows_max;
        if self.is_over {
            self.rows = Vec::new();
        }
        self.full = self.rows.len().saturating_mul(2).max(self.full);
    }

    fn into_hits(mut self, shown: &SegmentView, plan: &SearchPlan<'_>) -> Result<Vec<Hit>> {
        self.let_go();
        if self.is_over {
            return Err(Error::TooManyAlike { rows_max: self.rows_max });
        }
        let segment = shown.segment.id();
        let hit = |row: vecraft_index::Hit| Hit {
            address: RowAddress { segment, row: row.row },
            score: reported_score(plan.metric, row.distance),
            distance: row.distance,
        };
        Ok(self.rows.into_iter().map(hit).collect())
    }
}

impl Sink for Behind {
    #[inline]
    fn push(&mut self, distance: f32, row: u32) {
        // Numbers, not bits: zero and minus zero are one distance.
        if distance > self.far || self.told.is_some_and(|told| distance <= told) || self.is_over {
            return;
        }
        self.rows.push(vecraft_index::Hit { row, distance });
        if self.rows.len() >= self.full {
            self.let_go();
        }
    }
}
