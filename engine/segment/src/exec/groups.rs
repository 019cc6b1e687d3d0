//! The nearest groups of rows to some vectors: rows with the same value in one field are a group, and its nearest row
//! says where it stands.
//!
//! ```text
//! segment: nearest 2 k -> grouped -> k groups? -- yes --> its groups ---+
//!              ^                        | no, and there are more rows   |-> all hits by distance -> the k best groups
//!              +--- 4 times more <------+ until there are too many      |
//!                                       +-> one scan, groups beside <---+
//! ```
//! Where few values fill the whole segment, asking for more never ends: then one scan looks at every matching row and
//! keeps the best of each value. It keeps more groups than are wanted, and the farthest go first; so the nearest row of
//! the `k` nearest groups is always right, and all their rows are when there are at most `k` groups (which is how the
//! proxy asks when groups must be filled: [`GroupBy::is_strict`]).

use super::exact::{Sink, offer};
use super::matches::{Matches, matches};
use super::notes::{Note, Notebook};
use super::queries::Queries;
use super::reasons::NoIndex;
use super::search::{each_segment, nearest, sort_nearest};
use super::{Cancel, Hit, RowAddress, SearchPlan, fetch};
use crate::materialise::materialise;
use crate::values::ColumnValues;
use crate::{Error, Result, SegmentView, ShardView};
use std::collections::BTreeMap;
use vecraft_kernel::reported_score;
use vecraft_types::{Column, FieldId, GroupKey, Groups};

/// How rows are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupBy {
    /// The field; of a type that can group.
    pub field: FieldId,
    /// Rows of a group, at most.
    pub size: usize,
    /// Groups are filled as far as there are rows; else with what was seen while their first rows were sought.
    pub is_strict: bool,
}

/// An index is asked for at most so many rows for the sake of groups; beyond it a scan is the shorter way (I21).
const WIDEST: usize = 1 << 14;
/// How many times more it is asked for when there were too few groups.
const WIDER: usize = 4;

impl GroupBy {
    /// Rows held at once for a query that wants `k` groups, at most.
    pub fn held_max(&self, k: usize) -> usize {
        first_look(k, self).max(WIDEST)
    }
}

fn first_look(k: usize, by: &GroupBy) -> usize {
    k.saturating_mul(by.size).saturating_mul(2)
}

/// The `min(plan.k, groups)` nearest groups of each query: group after group, the nearest first, in each the nearest row
/// first, at most [`GroupBy::size`].
///
/// CPU-bound, as [`search`](super::search()). Errors: as there, and [`Error::Field`] for a field that cannot group.
pub fn search_groups<'n>(
    view: &ShardView,
    plan: &SearchPlan<'_>,
    by: &GroupBy,
    cancel: Cancel<'_>,
    notes: Option<&'n Notebook<'n>>,
) -> Result<Vec<Vec<Hit>>> {
    GroupSearch { view, plan, by, widest: WIDEST, cancel, notes }.run()
}

/// A search under way.
pub(super) struct GroupSearch<'a> {
    pub(super) view: &'a ShardView,
    pub(super) plan: &'a SearchPlan<'a>,
    pub(super) by: &'a GroupBy,
    /// [`WIDEST`], less in tests.
    pub(super) widest: usize,
    pub(super) cancel: Cancel<'a>,
    pub(super) notes: Option<&'a Notebook<'a>>,
}

impl GroupSearch<'_> {
    pub(super) fn run(&self) -> Result<Vec<Vec<Hit>>> {
        let queries = Queries::read(&self.view.schema, self.plan)?;
        let field = self.view.schema.field_by_id(self.by.field);
        if !field.is_some_and(|field| field.data_type.can_group()) {
            return Err(self.cannot_group());
        }
        let mut hits = vec![Vec::new(); queries.len()];
        if self.plan.k == 0 || self.by.size == 0 {
            return Ok(hits);
        }
        let answers = each_segment(self.view, self.plan, |shown| self.in_segment(shown, &queries))?;
        for answer in answers {
            hits.iter_mut().zip(answer).for_each(|(all, some)| all.extend(some));
        }
        let best = |mut hits: Vec<Hit>| {
            sort_nearest(&mut hits);
            Ok(self.grouped(&hits, &self.keys(&hits)?)?.into_groups().concat())
        };
        hits.into_iter().map(best).collect()
    }

    fn in_segment(&self, shown: &SegmentView, queries: &Queries<'_>) -> Result<Vec<Vec<Hit>>> {
        let mut note = Note::begin(self.notes, self.view, shown, self.plan);
        let found = matches(self.view, shown, self.plan.filter, self.cancel)?;
        note.matched(self.view, shown, self.plan.filter, &found)?;
        let mut answers = vec![Vec::new(); queries.len()];
        for (number, answer) in answers.iter_mut().enumerate().filter(|_| !found.is_empty()) {
            let query = queries.only(number);
            *answer = match self.among_nearest(shown, &found, &query, &mut note)? {
                Some(hits) => hits,
                None => {
                    note.compared(1, NoIndex::Groups);
                    self.among_all(shown, &found, &query)?
                }
            };
        }
        note.expects_nothing();
        note.end();
        Ok(answers)
    }

    /// The groups of the nearest rows; `None` when too many rows are in too few groups.
    fn among_nearest(
        &self,
        shown: &SegmentView,
        found: &[Matches],
        query: &Queries<'_>,
        note: &mut Note<'_>,
    ) -> Result<Option<Vec<Hit>>> {
        let mut wanted = first_look(self.plan.k, self.by);
        loop {
            let more = SearchPlan { k: wanted, ..*self.plan };
            let hits = nearest(shown, found, &more, query, self.cancel, note)?
                .pop()
                .map_or_else(Vec::new, |found| found.hits);
            let keys = self.keys(&hits)?;
            let groups = self.grouped(&hits, &keys)?;
            let is_enough = if self.by.is_strict { groups.are_full() } else { groups.are_found() };
            if is_enough || hits.len() < wanted {
                return Ok(Some(groups.into_groups().concat()));
            }
            wanted = wanted.saturating_mul(WIDER);
            if wanted > self.widest {
                return Ok(None);
            }
        }
    }

    /// The groups of all matching rows, by one scan.
    fn among_all(&self, shown: &SegmentView, found: &[Matches], query: &Queries<'_>) -> Result<Vec<Hit>> {
        let (plan, by) = (self.plan, self.by);
        let prepared = query.ready(0..1)?;
        let mut hits = Vec::new();
        for part in found {
            let block = &part.block;
            let older;
            let values = match block.column(by.field)? {
                Some(values) => BlockKeys::Stored(values),
                None => {
                    let blocks = [block.clone()];
                    older = materialise(&self.view.schema, &blocks, &[(0, 0)], &[by.field])?;
                    BlockKeys::Same(older.columns.first().and_then(|column| column.group_key(0)))
                }
            };
            let mut best = [BestRows::new(plan.k, by.size, block.first_row(), values)];
            offer(std::slice::from_ref(part), plan.field, &prepared, plan.range, &mut best, self.cancel)?;
            let rows = best.into_iter().flat_map(|best| best.groups.into_values().flatten());
            hits.extend(rows.map(|hit| Hit {
                address: RowAddress { segment: shown.segment.id(), row: hit.row },
                score: reported_score(plan.metric, hit.distance),
                distance: hit.distance,
            }));
        }
        Ok(hits)
    }

    /// The field's values of these rows.
    fn keys(&self, hits: &[Hit]) -> Result<Column> {
        let addresses: Vec<RowAddress> = hits.iter().map(|hit| hit.address).collect();
        fetch(self.view, &addresses, &[self.by.field])?.columns.pop().ok_or_else(|| self.cannot_group())
    }

    fn grouped<'k>(&self, hits: &[Hit], keys: &'k Column) -> Result<Groups<'k, Hit>> {
        let mut groups = Groups::new(self.plan.k, self.by.size);
        for (row, hit) in hits.iter().enumerate() {
            groups.offer(keys.group_key(row).ok_or_else(|| self.cannot_group())?, *hit);
        }
        Ok(groups)
    }

    fn cannot_group(&self) -> Error {
        Error::Field { field: self.by.field, what: "cannot group rows".to_owned() }
    }
}

/// The groups of a block's rows.
enum BlockKeys<'a> {
    Stored(ColumnValues<'a>),
    /// The rows are older than the field.
    Same(Option<GroupKey<'a>>),
}

/// The nearest rows of the nearest groups of a block.
struct BestRows<'a> {
    k: usize,
    size: usize,
    first_row: u32,
    values: BlockKeys<'a>,
    /// Each group's rows, nearest first.
    groups: BTreeMap<GroupKey<'a>, Vec<vecraft_index::Hit>>,
    /// So many groups have nearer rows that one that begins here is not wanted.
    far: f32,
}

impl<'a> BestRows<'a> {
    fn new(k: usize, size: usize, first_row: u32, values: BlockKeys<'a>) -> BestRows<'a> {
        BestRows { k, size, first_row, values, groups: BTreeMap::new(), far: f32::INFINITY }
    }

    /// Keeps the `k` nearest groups, and those as near as the last of them.
    fn let_go(&mut self) {
        let nearest = |rows: &Vec<vecraft_index::Hit>| rows.first().map_or(f32::INFINITY, |hit| hit.distance);
        let mut distances: Vec<f32> = self.groups.values().map(nearest).collect();
        self.far = *distances.select_nth_unstable_by(self.k - 1, f32::total_cmp).1;
        let far = self.far;
        self.groups.retain(|_, rows| nearest(rows) <= far);
    }
}

impl Sink for BestRows<'_> {
    fn push(&mut self, distance: f32, row: u32) {
        let key = match &self.values {
            BlockKeys::Stored(values) => values.group_key((row - self.first_row) as usize),
            BlockKeys::Same(key) => *key,
        };
        // The field's type was looked at before, so every row has a key.
        let Some(key) = key else { return };
        let rows = match self.groups.get_mut(&key) {
            Some(rows) => rows,
            None if distance > self.far => return,
            None => self.groups.entry(key).or_default(),
        };
        // Rows come in ascending order: of the same distance, the later one stands behind.
        let place = rows.partition_point(|hit| hit.distance <= distance);
        if place < self.size {
            rows.truncate(self.size - 1);
            rows.insert(place, vecraft_index::Hit { row, distance });
        }
        if self.groups.len() > self.k.saturating_mul(2).max(64) {
            self.let_go();
        }
    }
}
