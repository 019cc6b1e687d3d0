//! The words of an explanation: why a segment was searched the way it was.

use std::fmt;
use vecraft_index::{IndexKind, SearchParams, VectorIndex};
use vecraft_types::Metric;
use vecraft_types::api::{Effort, SegmentStrategy};

/// What the graph is called that serves until a segment has its index.
pub(super) const INTERIM: &str = "INTERIM_HNSW";

/// Why a segment was searched without an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoIndex {
    Growing,
    NotBuilt,
    OtherMetric(Metric),
    Range,
    Groups,
    Page,
}

impl fmt::Display for NoIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoIndex::Growing => f.write_str("the segment is growing: it has no index yet"),
            NoIndex::NotBuilt => f.write_str("the segment has no index on the field"),
            NoIndex::OtherMetric(metric) => write!(f, "the index is for {}", metric.name()),
            NoIndex::Range => {
                f.write_str("the index found fewer rows in the range than wanted: only comparing all proves that there are no more")
            }
            NoIndex::Groups => {
                f.write_str("too many of the nearest rows are in too few groups: one scan looks at all")
            }
            NoIndex::Page => f.write_str("a page compares every row, whatever index there is"),
        }
    }
}

/// What of a way's reasons is known from the numbers.
pub(super) fn why(
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

/// Who says how hard an index looks.
pub(super) fn effort(strategy: SegmentStrategy, params: &SearchParams) -> Effort {
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
