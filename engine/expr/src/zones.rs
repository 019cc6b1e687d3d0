//! Zone maps: the least and the greatest value of every 4,096 rows of a numeric column. A test with a bound looks only at the
//! rows of zones that it neither rules out nor lets through as a whole: where values lie in the order of rows (keys that
//! count up, times of arrival), at the two zones in which its bounds lie.

use crate::ColumnValues;
use crate::ast::CompareOp;
use crate::plan::Test;

/// Rows of a zone: 16 KiB of 32-bit values.
const ROWS: usize = 4096;

/// The zone map of one column.
///
/// A null row's placeholder counts like a value, which makes a zone wider and nothing wrong.
#[derive(Debug)]
pub struct Zones {
    /// Rows of each zone but the last, a power of two from 64 on.
    rows: usize,
    spans: Spans,
}

#[derive(Debug)]
enum Spans {
    Ints(Vec<(i64, i64)>),
    Floats(Vec<FloatSpan>),
}

/// Of the values of a zone that are numbers; `low` is above `high` when none is.
#[derive(Debug)]
struct FloatSpan {
    low: f64,
    high: f64,
    has_nan: bool,
}

/// What is known of the rows of a zone before their values are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The test is true for none.
    Out,
    /// It is true for all of them.
    Whole,
    /// It has to be asked for each.
    Mixed,
}

impl Zones {
    /// Looks at every value once. `None` for a column that is not numeric, and for one of no more than one zone.
    pub fn of(values: &ColumnValues<'_>) -> Option<Zones> {
        if values.rows() <= ROWS { None } else { Zones::of_size(values, ROWS) }
    }

    /// As [`Zones::of`], with zones of a power of two of rows, 64 at least.
    pub(crate) fn of_size(values: &ColumnValues<'_>, rows: usize) -> Option<Zones> {
        let spans = match values {
            ColumnValues::Int8(values) => ints(values, rows),
            ColumnValues::Int16(values) => ints(values, rows),
            ColumnValues::Int32(values) => ints(values, rows),
            ColumnValues::Int64(values) => ints(values, rows),
            ColumnValues::Float(values) => floats(values, rows),
            ColumnValues::Double(values) => floats(values, rows),
            ColumnValues::Bool(_) | ColumnValues::VarChar(_) | ColumnValues::Json(_) => return None,
        };
        Some(Zones { rows, spans })
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        match &self.spans {
            Spans::Ints(spans) => size_of_val(spans.as_slice()),
            Spans::Floats(spans) => size_of_val(spans.as_slice()),
        }
    }

    /// The power of two that a zone's words of 64 rows are.
    pub(crate) fn words_shift(&self) -> u32 {
        (self.rows / 64).ilog2()
    }

    /// The verdict on each zone that begins within the first `rows` rows. `None` when a zone map says nothing about such a test.
    /// `is_single`: the column holds 32-bit floats, and the test's value is rounded to one.
    pub(crate) fn verdicts(&self, test: &Test, rows: usize, is_single: bool) -> Option<Vec<Verdict>> {
        let zones = rows.div_ceil(self.rows);
        let each_int = |judge: &dyn Fn(i64, i64) -> Verdict| match &self.spans {
            Spans::Ints(spans) => {
                Some(spans.iter().take(zones).map(|(low, high)| judge(*low, *high)).collect())
            }
            Spans::Floats(_) => None,
        };
        match test {
            Test::IntRange { low, high, .. } => each_int(&|least, greatest| {
                if greatest < *low || *high < least {
                    Verdict::Out
                } else if *low <= least && greatest <= *high {
                    Verdict::Whole
                } else {
                    Verdict::Mixed
                }
            }),
            Test::IntIn { set, .. } => each_int(&|least, greatest| {
                let keys = set.keys();
                let has_some =
                    keys.get(keys.partition_point(|key| *key < least)).is_some_and(|key| *key <= greatest);
                if has_some { Verdict::Mixed } else { Verdict::Out }
            }),
            Test::FloatCompare { op, value, .. } => match &self.spans {
                Spans::Floats(spans) => {
                    let wanted = if is_single { f64::from(*value as f32) } else { *value };
                    Some(spans.iter().take(zones).map(|span| span.judge(*op, wanted)).collect())
                }
                Spans::Ints(_) => None,
            },
            _ => None,
        }
    }
}

impl FloatSpan {
    /// NaN is unequal to everything, and neither less nor greater than anything.
    fn judge(&self, op: CompareOp, wanted: f64) -> Verdict {
        let FloatSpan { low, high, has_nan } = *self;
        let is_outside = wanted < low || high < wanted;
        let is_only = low == wanted && high == wanted && !has_nan;
        let (is_out, is_whole) = match op {
            CompareOp::Eq => (is_outside, is_only),
            CompareOp::Ne => (is_only, is_outside),
            CompareOp::Lt => (low >= wanted, high < wanted && !has_nan),
            CompareOp::Le => (low > wanted, high <= wanted && !has_nan),
            CompareOp::Gt => (high <= wanted, low > wanted && !has_nan),
            CompareOp::Ge => (high < wanted, low >= wanted && !has_nan),
        };
        match (is_out, is_whole) {
            (true, _) => Verdict::Out,
            (_, true) => Verdict::Whole,
            _ => Verdict::Mixed,
        }
    }
}

fn ints<T: Copy + Ord + Into<i64>>(values: &[T], rows: usize) -> Spans {
    let span = |zone: &[T]| {
        let mut bounds = (zone[0], zone[0]);
        for &value in zone {
            bounds = (bounds.0.min(value), bounds.1.max(value));
        }
        (bounds.0.into(), bounds.1.into())
    };
    Spans::Ints(values.chunks(rows).map(span).collect())
}

fn floats<T: Copy + Into<f64>>(values: &[T], rows: usize) -> Spans {
    let span = |zone: &[T]| {
        let mut span = FloatSpan { low: f64::INFINITY, high: f64::NEG_INFINITY, has_nan: false };
        for &value in zone {
            let value: f64 = value.into();
            // No comparison with NaN holds.
            if value < span.low {
                span.low = value;
            }
            if value > span.high {
                span.high = value;
            }
            span.has_nan |= value.is_nan();
        }
        span
    };
    Spans::Floats(values.chunks(rows).map(span).collect())
}
