//! What is noted of a search while it runs, segment by segment, for who asked how it came about.
//!
//! Without a [`Notebook`] nothing is noted, and no clock is read. Bytes are computed, not measured: each distance reads the
//! row's vector, its code or a centroid; each column of the filter is read once, unless an index answers. (Links of a graph and list numbers are left out.)

use super::matches::Matches;
use super::reasons::{INTERIM, NoIndex, effort, why};
use super::{SearchPlan, filter};
use crate::{Result, SegmentView, ShardView, Values};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use vecraft_expr::Filter;
use vecraft_index::{SearchParams, SearchStats, Strategy, VectorIndex};
use vecraft_types::DataType;
use vecraft_types::api::{
    FilterAnswer, SegmentExplanation, SegmentIndex, SegmentPhase, SegmentStrategy, WayTaken,
};

/// Where a search notes how it went. The engine has no clock, so it is given one.
pub struct Notebook<'a> {
    now_us: &'a (dyn Fn() -> u64 + Sync),
    segments: Mutex<Vec<SegmentExplanation>>,
}

impl<'a> Notebook<'a> {
    /// An empty one; `now_us` gives microseconds since any moment.
    pub fn new(now_us: &'a (dyn Fn() -> u64 + Sync)) -> Notebook<'a> {
        Notebook { now_us, segments: Mutex::default() }
    }

    /// What was noted of each segment, in their order.
    pub fn into_segments(self) -> Vec<SegmentExplanation> {
        let mut segments = self.segments.into_inner();
        segments.sort_by_key(|told| told.segment);
        segments
    }
}

/// The note of one segment; empty when nobody asked.
pub(super) struct Note<'a>(Option<Page<'a>>);

struct Page<'a> {
    book: &'a Notebook<'a>,
    told: SegmentExplanation,
    ways: BTreeMap<SegmentStrategy, u64>,
    /// Sum and number of what was expected; none when something was not measured.
    recalls: Option<(f32, u32)>,
    began_us: u64,
    row_bytes: u64,
    params: SearchParams,
}

impl<'a> Note<'a> {
    /// The note of a segment that is about to be searched.
    pub(super) fn begin(
        book: Option<&'a Notebook<'a>>,
        view: &ShardView,
        shown: &SegmentView,
        plan: &SearchPlan<'_>,
    ) -> Note<'a> {
        let Some(book) = book else { return Note(None) };
        let index = shown.segment.index(plan.field).map(|index| SegmentIndex {
            kind: index.kind().name().to_owned(),
            params: index.spec().params(),
        });
        let told = SegmentExplanation {
            segment: shown.segment.id(),
            partition: shown.segment.partition(),
            phase: if shown.segment.is_sealed() { SegmentPhase::Sealed } else { SegmentPhase::Growing },
            rows: shown.rows.into(),
            deleted_rows: shown.segment.deletes().count_until(shown.rows, view.position).into(),
            index,
            ..SegmentExplanation::default()
        };
        let row_bytes = view.schema.field_by_id(plan.field).map_or(0, |field| vector_bytes(&field.data_type));
        Note(Some(Page {
            book,
            told,
            ways: BTreeMap::new(),
            recalls: Some((0.0, 0)),
            began_us: (book.now_us)(),
            row_bytes,
            params: plan.params,
        }))
    }

    /// Of what nobody asks about.
    pub(super) fn none() -> Note<'a> {
        Note(None)
    }

    /// Its matching rows were found.
    pub(super) fn matched(
        &mut self,
        view: &ShardView,
        shown: &SegmentView,
        filter: Option<&Filter>,
        found: &[Matches],
    ) -> Result<()> {
        let Some(page) = &mut self.0 else { return Ok(()) };
        let now_us = (page.book.now_us)();
        page.told.filter_us = now_us.saturating_sub(page.began_us);
        page.told.matches = found.iter().map(|found| found.count() as u64).sum();
        page.told.estimated_matches = page.told.matches;
        if let Some(filter) = filter.filter(|filter| !filter.matches_all()) {
            let mut read = BTreeSet::new();
            for part in filter.parts() {
                let is_indexed = filter::is_indexed(&part, view, shown)?;
                let how = if is_indexed { "by an index" } else { "its columns were read" };
                if !is_indexed {
                    read.extend(part.fields().iter().copied());
                }
                page.told.filter_parts.push(FilterAnswer { part: part.to_string(), how: how.to_owned() });
            }
            for block in shown.segment.blocks(shown.rows) {
                for field in &read {
                    page.told.bytes_touched +=
                        block.column(*field)?.map_or(0, |column| column_bytes(&column.values));
                }
            }
        }
        page.began_us = (page.book.now_us)();
        Ok(())
    }

    /// So many queries were compared with all matching rows.
    pub(super) fn compared(&mut self, queries: usize, why: NoIndex) {
        let Some(page) = &mut self.0 else { return };
        let distances = page.told.matches * queries as u64;
        page.told.exact_distances += distances;
        page.told.bytes_touched += distances * page.row_bytes;
        page.went(SegmentStrategy::ExactScan, queries as u64, || why.to_string());
        page.expects(Some(1.0), queries as u32);
    }

    /// The index was searched once, among these matches.
    pub(super) fn searched(&mut self, index: &dyn VectorIndex, stats: &SearchStats) {
        self.spent(index, stats);
        let Some(page) = &mut self.0 else { return };
        let strategy = strategy(stats.strategy);
        let why = why(strategy, index, &page.params, page.told.matches, page.told.rows);
        page.went(strategy, 1, || why);
        page.expects(stats.recall, 1);
        page.looked(strategy, stats);
    }

    /// The index was looked in, which gave no answer yet.
    pub(super) fn spent(&mut self, index: &dyn VectorIndex, stats: &SearchStats) {
        let Some(page) = &mut self.0 else { return };
        let (exact, coded, centroids) = (stats.exact() as u64, stats.coded as u64, stats.centroids as u64);
        page.told.exact_distances += exact;
        page.told.code_distances += coded;
        page.told.centroid_distances += centroids;
        let centroid_bytes = (index.rows().dim() * size_of::<f32>()) as u64;
        page.told.bytes_touched +=
            exact * page.row_bytes + coded * index.code_bytes() as u64 + centroids * centroid_bytes;
    }

    /// The interim graph was walked once over the rows that it covers, and so many matches behind those were compared.
    pub(super) fn walked(&mut self, stats: &SearchStats, covered: u32, left: usize) {
        let Some(page) = &mut self.0 else { return };
        let distances = (stats.exact() + left) as u64;
        page.told.exact_distances += distances;
        page.told.bytes_touched += distances * page.row_bytes;
        page.told.index = Some(SegmentIndex { kind: INTERIM.to_owned(), ..SegmentIndex::default() });
        let rows = page.told.rows;
        let why = || {
            format!(
                "no index yet: an interim graph covers {covered} of {rows} rows, {left} matches behind it were compared"
            )
        };
        let strategy = strategy(stats.strategy);
        page.went(strategy, 1, why);
        page.expects(None, 1);
        page.looked(strategy, stats);
    }

    /// Nothing is known of what to expect.
    pub(super) fn expects_nothing(&mut self) {
        if let Some(page) = &mut self.0 {
            page.recalls = None;
        }
    }

    /// The segment was searched.
    pub(super) fn end(self) {
        let Some(mut page) = self.0 else { return };
        page.told.search_us = (page.book.now_us)().saturating_sub(page.began_us);
        page.told.expected_recall = match page.recalls {
            Some((sum, count)) if count > 0 => Some(sum / count as f32),
            Some(_) => Some(1.0),
            None => None,
        };
        if page.ways.is_empty() {
            page.told.why = "no row of the segment matches".to_owned();
        }
        // Of as many, the first in the order of strategies.
        let most = page.ways.iter().rev().max_by_key(|(_, searches)| **searches);
        page.told.strategy = most.map_or(SegmentStrategy::NoMatch, |(strategy, _)| *strategy);
        let way = |(strategy, searches)| WayTaken { strategy, searches };
        page.told.ways = page.ways.into_iter().map(way).collect();
        page.book.segments.lock().push(page.told);
    }
}

impl Page<'_> {
    /// How hard it looked.
    fn looked(&mut self, strategy: SegmentStrategy, stats: &SearchStats) {
        let Some(value) = stats.effort else { return };
        let effort = self.told.effort.get_or_insert_with(|| effort(strategy, &self.params));
        effort.value = effort.value.max(value as u64);
        effort.refined = effort.refined.max(stats.refined as u64);
    }

    /// The reason of the way that most searches went stays.
    fn went(&mut self, strategy: SegmentStrategy, searches: u64, why: impl FnOnce() -> String) {
        let most = self.ways.values().copied().max().unwrap_or(0);
        let count = self.ways.entry(strategy).or_default();
        *count += searches;
        if *count > most {
            self.told.why = why();
        }
    }

    fn expects(&mut self, recall: Option<f32>, searches: u32) {
        self.recalls = self
            .recalls
            .zip(recall)
            .map(|((sum, count), recall)| (sum + recall * searches as f32, count + searches));
    }
}

fn strategy(strategy: Strategy) -> SegmentStrategy {
    match strategy {
        Strategy::Exact => SegmentStrategy::BruteForce,
        Strategy::Walk => SegmentStrategy::GraphWalk,
        Strategy::TwoHop => SegmentStrategy::GraphTwoHop,
        Strategy::WalkThenExact => SegmentStrategy::GraphThenBruteForce,
        Strategy::Lists => SegmentStrategy::ListsProbed,
    }
}

fn vector_bytes(data_type: &DataType) -> u64 {
    match data_type.packed() {
        Some((kind, dim)) => kind.row_bytes(dim) as u64,
        None => data_type.dim().map_or(0, |dim| u64::from(dim) * size_of::<f32>() as u64),
    }
}

fn column_bytes(values: &Values<'_>) -> u64 {
    let bytes = match values {
        Values::Bool(v) => size_of_val(*v),
        Values::Int8(v) => size_of_val(*v),
        Values::Int16(v) => size_of_val(*v),
        Values::Int32(v) => size_of_val(*v),
        Values::Int64(v) => size_of_val(*v),
        Values::Float(v) => size_of_val(*v),
        Values::Double(v) => size_of_val(*v),
        Values::VarChar(v) | Values::Json(v) => size_of_val(v.ends()) + v.text().len(),
        Values::FloatVector { values, .. } => size_of_val(*values),
        Values::PackedVector { bytes, .. } => bytes.len(),
    };
    bytes as u64
}
