//! What is noted of a search while it runs, segment by segment, for who asked how it came about.
//!
//! Without a [`Notebook`] nothing is noted, and no clock is read. Bytes are computed, not measured: each distance reads the
//! row's vector, its code or a centroid; each column of the filter is read once. (Links of a graph and list numbers are left out.)

use super::SearchPlan;
use super::matches::Matches;
use crate::{Result, SegmentView, ShardView, Values};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use vecraft_expr::Filter;
use vecraft_index::{IndexKind, SearchParams, SearchStats, Strategy, VectorIndex};
use vecraft_types::api::{
    Effort, FilterAnswer, SegmentExplanation, SegmentIndex, SegmentPhase, SegmentStrategy, WayTaken,
};
use vecraft_types::{DataType, Metric};

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

/// Why a segment was searched without an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoIndex {
    Growing,
    NotBuilt,
    OtherMetric(Metric),
    Range { widest: usize },
    Groups,
    Page,
}

impl fmt::Display for NoIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoIndex::Growing => f.write_str("the segment is growing: it has no index yet"),
            NoIndex::NotBuilt => f.write_str("the segment has no index on the field"),
            NoIndex::OtherMetric(metric) => write!(f, "the index is for {}", metric.name()),
            NoIndex::Range { widest } => {
                write!(
                    f,
                    "the range is not filled by the {widest} nearest rows that an index is asked for at most"
                )
            }
            NoIndex::Groups => {
                f.write_str("too many of the nearest rows are in too few groups: one scan looks at all")
            }
            NoIndex::Page => f.write_str("a page compares every row, whatever index there is"),
        }
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
            let answer = |part: Filter| FilterAnswer {
                part: part.to_string(),
                how: "its columns were read".to_owned(),
            };
            page.told.filter_parts = filter.parts().into_iter().map(answer).collect();
            for block in shown.segment.blocks(shown.rows) {
                for field in filter.fields() {
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
        let Some(page) = &mut self.0 else { return };
        let (exact, coded, centroids) = (stats.exact() as u64, stats.coded as u64, stats.centroids as u64);
        page.told.exact_distances += exact;
        page.told.code_distances += coded;
        page.told.centroid_distances += centroids;
        let centroid_bytes = (index.rows().dim() * size_of::<f32>()) as u64;
        page.told.bytes_touched +=
            exact * page.row_bytes + coded * index.code_bytes() as u64 + centroids * centroid_bytes;
        let strategy = match stats.strategy {
            Strategy::Exact => SegmentStrategy::BruteForce,
            Strategy::Walk => SegmentStrategy::GraphWalk,
            Strategy::TwoHop => SegmentStrategy::GraphTwoHop,
            Strategy::WalkThenExact => SegmentStrategy::GraphThenBruteForce,
            Strategy::Lists => SegmentStrategy::ListsProbed,
        };
        let why = why(strategy, index, &page.params, page.told.matches, page.told.rows);
        page.went(strategy, 1, || why);
        page.expects(stats.recall, 1);
        if let Some(value) = stats.effort {
            let effort = page.told.effort.get_or_insert_with(|| effort(strategy, &page.params));
            effort.value = effort.value.max(value as u64);
            effort.refined = effort.refined.max(stats.refined as u64);
        }
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

/// What of a way's reasons is known from the numbers.
fn why(
    strategy: SegmentStrategy,
    index: &dyn VectorIndex,
    params: &SearchParams,
    matches: u64,
    rows: u64,
) -> String {
    let share = format!("{matches} of {rows} rows match");
    match strategy {
        SegmentStrategy::BruteForce if index.kind() == IndexKind::Flat => {
            "FLAT compares every row".to_owned()
        }
        SegmentStrategy::BruteForce => match params.recall {
            Some(recall) if recall >= 1.0 => "recall 1 compares every row".to_owned(),
            Some(recall) => {
                format!(
                    "{share}: comparing them is cheaper, or no effort was measured that finds recall {recall}"
                )
            }
            None => format!("{share}: comparing them is cheaper than looking in the index"),
        },
        SegmentStrategy::GraphWalk if matches == rows => "every row matches".to_owned(),
        SegmentStrategy::GraphWalk => format!("{share}: the others are stepping stones"),
        SegmentStrategy::GraphTwoHop => format!("{share}: the walk goes from match to match"),
        SegmentStrategy::GraphThenBruteForce => {
            format!("{share}: the walk found too few or cost too much, and all were compared")
        }
        SegmentStrategy::ListsProbed if matches == rows => {
            "the lists nearest to the query were read".to_owned()
        }
        SegmentStrategy::ListsProbed => {
            format!("{share}: lists were read until a fair share of them was seen")
        }
        SegmentStrategy::NoMatch | SegmentStrategy::ExactScan => String::new(),
    }
}

fn effort(strategy: SegmentStrategy, params: &SearchParams) -> Effort {
    let (parameter, given) = match strategy {
        SegmentStrategy::ListsProbed => ("nprobe", params.nprobe),
        _ => ("ef", params.ef),
    };
    let set_by = match (params.recall, params.level, given) {
        (Some(recall), ..) => format!("recall {recall}"),
        (None, Some(level), _) => format!("level {level}"),
        (None, None, Some(_)) => "given".to_owned(),
        (None, None, None) => "default".to_owned(),
    };
    Effort { parameter: parameter.to_owned(), value: 0, refined: 0, set_by }
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
