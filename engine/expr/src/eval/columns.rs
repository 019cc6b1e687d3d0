//! Tests that look at one column as a whole.

use super::Chunk;
use super::vector::{Ruled, select, select_rows};
use crate::ColumnValues;
use crate::ast::CompareOp;
use crate::plan::{Scalar, Test};
use vecraft_types::Bitmap;

impl Chunk<'_> {
    /// The column and a bit for each row, right where the row is alive and not null. `None` when the test is
    /// one for [`Chunk::by_row`].
    pub(super) fn by_column(&self, test: &Test, alive: &Bitmap) -> Option<(usize, Vec<u64>)> {
        let live = alive.words();
        let ruled = &self.ruled(test);
        let column = |slot: &usize| (*slot, &self.views[*slot].values);
        Some(match test {
            Test::Bool { slot } => match column(slot) {
                (slot, ColumnValues::Bool(values)) => {
                    (slot, select(&values[..self.rows], live, ruled, |value| value))
                }
                _ => return None,
            },
            Test::IntRange { slot, low, high } => (*slot, self.int_range(*slot, *low, *high, live, ruled)?),
            Test::IntIn { slot, set } => {
                let words = match column(slot).1 {
                    ColumnValues::Int8(v) => select_rows(live, ruled, |row| set.contains(i64::from(v[row]))),
                    ColumnValues::Int16(v) => select_rows(live, ruled, |row| set.contains(i64::from(v[row]))),
                    ColumnValues::Int32(v) => select_rows(live, ruled, |row| set.contains(i64::from(v[row]))),
                    ColumnValues::Int64(v) => select_rows(live, ruled, |row| set.contains(v[row])),
                    _ => return None,
                };
                (*slot, words)
            }
            Test::FloatCompare { slot, op, value } => match column(slot) {
                (slot, ColumnValues::Float(values)) => {
                    (slot, compare_floats(&values[..self.rows], live, ruled, *op, *value as f32))
                }
                (slot, ColumnValues::Double(values)) => {
                    (slot, compare_floats(&values[..self.rows], live, ruled, *op, *value))
                }
                _ => return None,
            },
            Test::FloatIn { slot, set } => match column(slot) {
                (slot, ColumnValues::Float(v)) => {
                    (slot, select_rows(live, ruled, |row| set.contains(f64::from(v[row]))))
                }
                (slot, ColumnValues::Double(v)) => {
                    (slot, select_rows(live, ruled, |row| set.contains(v[row])))
                }
                _ => return None,
            },
            Test::StrCompare { slot, op, value } => match column(slot) {
                (slot, ColumnValues::VarChar(texts)) => {
                    let wanted = value.as_str();
                    let words = match op {
                        CompareOp::Eq => select_rows(live, ruled, |row| texts.value(row) == wanted),
                        CompareOp::Ne => select_rows(live, ruled, |row| texts.value(row) != wanted),
                        op => select_rows(live, ruled, |row| op.holds(Some(texts.value(row).cmp(wanted)))),
                    };
                    (slot, words)
                }
                _ => return None,
            },
            Test::StrIn { slot, set } => match column(slot) {
                (slot, ColumnValues::VarChar(texts)) => {
                    (slot, select_rows(live, ruled, |row| set.contains(texts.value(row))))
                }
                _ => return None,
            },
            Test::Like { value: Scalar::Column(slot), pattern } => match column(slot) {
                (slot, ColumnValues::VarChar(texts)) => {
                    (slot, select_rows(live, ruled, |row| pattern.matches(texts.value(row))))
                }
                _ => return None,
            },
            _ => return None,
        })
    }

    /// What the zone map of its column says about a test.
    pub(super) fn ruled(&self, test: &Test) -> Ruled {
        let (Test::IntRange { slot, .. } | Test::IntIn { slot, .. } | Test::FloatCompare { slot, .. }) = test
        else {
            return Ruled::default();
        };
        let zones = self.zones[*slot].get_or_init(|| self.source.zones(self.columns[*slot].field));
        let Some(zones) = zones else { return Ruled::default() };
        let is_single = matches!(self.views[*slot].values, ColumnValues::Float(_));
        let verdicts = zones.verdicts(test, self.rows, is_single).unwrap_or_default();
        Ruled::new(zones.words_shift(), verdicts)
    }

    fn int_range(&self, slot: usize, low: i64, high: i64, live: &[u64], ruled: &Ruled) -> Option<Vec<u64>> {
        // The bounds are brought to the column's width, so that the loop compares narrow numbers.
        macro_rules! narrow {
            ($values:expr, $int:ty) => {{
                let low = low.max(i64::from(<$int>::MIN));
                let high = high.min(i64::from(<$int>::MAX));
                if low > high {
                    vec![0; live.len()]
                } else {
                    let (low, high) = (low as $int, high as $int);
                    select(&$values[..self.rows], live, ruled, |value| (low <= value) & (value <= high))
                }
            }};
        }
        Some(match &self.views[slot].values {
            ColumnValues::Int8(values) => narrow!(values, i8),
            ColumnValues::Int16(values) => narrow!(values, i16),
            ColumnValues::Int32(values) => narrow!(values, i32),
            ColumnValues::Int64(values) => narrow!(values, i64),
            _ => return None,
        })
    }
}

/// One loop for each operator, so that none decides within.
fn compare_floats<T: Copy + PartialOrd>(
    values: &[T],
    live: &[u64],
    ruled: &Ruled,
    op: CompareOp,
    wanted: T,
) -> Vec<u64> {
    match op {
        CompareOp::Eq => select(values, live, ruled, |value| value == wanted),
        CompareOp::Ne => select(values, live, ruled, |value| value != wanted),
        CompareOp::Lt => select(values, live, ruled, |value| value < wanted),
        CompareOp::Le => select(values, live, ruled, |value| value <= wanted),
        CompareOp::Gt => select(values, live, ruled, |value| value > wanted),
        CompareOp::Ge => select(values, live, ruled, |value| value >= wanted),
    }
}
