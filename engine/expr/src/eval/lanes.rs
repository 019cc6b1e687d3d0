//! Arithmetic of numeric columns, 64 rows at a time, so that the operators are chosen once a block and not once a
//! row. What does not fit (JSON, powers, deep trees) is calculated row by row.

use super::Chunk;
use crate::ColumnValues;
use crate::ast::{CompareOp, Literal};
use crate::number::{ArithOp, Number};
use crate::plan::Scalar;

/// Deepest tree that is calculated in blocks: each level keeps a few blocks on the stack.
const LEVELS_MAX: usize = 8;

/// The values of 64 rows, and which of them are known.
struct Lane {
    values: Values,
    known: u64,
}

enum Values {
    Int([i64; 64]),
    Float([f64; 64]),
}

impl Chunk<'_> {
    /// Whether both sides can be calculated in blocks.
    pub(super) fn fits_lanes(&self, left: &Scalar, right: &Scalar) -> bool {
        self.fits(left, LEVELS_MAX) && self.fits(right, LEVELS_MAX)
    }

    fn fits(&self, scalar: &Scalar, levels: usize) -> bool {
        match scalar {
            Scalar::Literal(literal) => matches!(literal, Literal::Number(_)),
            Scalar::Column(slot) => !matches!(
                self.views[*slot].values,
                ColumnValues::Bool(_) | ColumnValues::VarChar(_) | ColumnValues::Json(_)
            ),
            Scalar::Path(_) => false,
            Scalar::Negate(inner) => levels > 0 && self.fits(inner, levels - 1),
            Scalar::Arith { op: ArithOp::Pow, .. } => false,
            Scalar::Arith { left, right, .. } => {
                levels > 0 && self.fits(left, levels - 1) && self.fits(right, levels - 1)
            }
        }
    }

    /// A bit for each live row where the comparison is known and on the wanted side.
    pub(super) fn compare_lanes(
        &self,
        op: CompareOp,
        left: &Scalar,
        right: &Scalar,
        is_negated: bool,
        alive: &[u64],
    ) -> Vec<u64> {
        let word = |(i, live): (usize, &u64)| {
            if *live == 0 {
                return 0;
            }
            let (left, right) = (self.lane(left, i), self.lane(right, i));
            let holds = match (&left.values, &right.values) {
                (Values::Int(a), Values::Int(b)) => bits(|row| op.holds(Some(a[row].cmp(&b[row])))),
                (Values::Float(a), Values::Float(b)) => bits(|row| op.holds(a[row].partial_cmp(&b[row]))),
                (a, b) => bits(|row| op.holds(a.number(row).order(b.number(row)))),
            };
            (if is_negated { !holds } else { holds }) & left.known & right.known & live
        };
        alive.iter().enumerate().map(word).collect()
    }

    fn lane(&self, scalar: &Scalar, word: usize) -> Lane {
        match scalar {
            Scalar::Literal(Literal::Number(Number::Int(value))) => Lane::of(Values::Int([*value; 64])),
            Scalar::Literal(Literal::Number(Number::Float(value))) => Lane::of(Values::Float([*value; 64])),
            Scalar::Column(slot) => self.load(*slot, word),
            Scalar::Negate(inner) => {
                let lane = self.lane(inner, word);
                match lane.values {
                    Values::Int(v) => Lane::ints(lane.known, |row| v[row].checked_neg()),
                    Values::Float(v) => Lane { values: Values::Float(v.map(|value| -value)), ..lane },
                }
            }
            Scalar::Arith { op, left, right } => self.lane(left, word).apply(*op, &self.lane(right, word)),
            // Not numbers: fits() keeps them away.
            Scalar::Literal(_) | Scalar::Path(_) => Lane { values: Values::Int([0; 64]), known: 0 },
        }
    }

    fn load(&self, slot: usize, word: usize) -> Lane {
        let rows = word * 64..self.rows.min(word * 64 + 64);
        macro_rules! widen {
            ($kind:ident, $values:expr, $wide:ty) => {{
                let mut lane = [<$wide>::default(); 64];
                lane.iter_mut().zip(&$values[rows]).for_each(|(wide, value)| *wide = <$wide>::from(*value));
                Values::$kind(lane)
            }};
        }
        let values = match &self.views[slot].values {
            ColumnValues::Int8(v) => widen!(Int, v, i64),
            ColumnValues::Int16(v) => widen!(Int, v, i64),
            ColumnValues::Int32(v) => widen!(Int, v, i64),
            ColumnValues::Int64(v) => widen!(Int, v, i64),
            ColumnValues::Float(v) => widen!(Float, v, f64),
            ColumnValues::Double(v) => widen!(Float, v, f64),
            ColumnValues::Bool(_) | ColumnValues::VarChar(_) | ColumnValues::Json(_) => Values::Int([0; 64]),
        };
        Lane { values, known: self.valid(slot, word) }
    }
}

impl Lane {
    fn of(values: Values) -> Lane {
        Lane { values, known: !0 }
    }

    /// Integers, of which those without a result become unknown.
    fn ints(known: u64, value: impl Fn(usize) -> Option<i64>) -> Lane {
        let mut lane = [0i64; 64];
        let has_result = bits(|row| match value(row) {
            Some(value) => {
                lane[row] = value;
                true
            }
            None => false,
        });
        Lane { values: Values::Int(lane), known: known & has_result }
    }

    /// Floats, of which those that are not finite become unknown.
    fn floats(known: u64, value: impl Fn(usize) -> f64) -> Lane {
        let mut lane = [0f64; 64];
        lane.iter_mut().enumerate().for_each(|(row, slot)| *slot = value(row));
        let known = known & bits(|row| lane[row].is_finite());
        Lane { values: Values::Float(lane), known }
    }

    fn apply(&self, op: ArithOp, other: &Lane) -> Lane {
        let known = self.known & other.known;
        if let (Values::Int(a), Values::Int(b)) = (&self.values, &other.values) {
            return match op {
                ArithOp::Add => Lane::ints(known, |row| a[row].checked_add(b[row])),
                ArithOp::Sub => Lane::ints(known, |row| a[row].checked_sub(b[row])),
                ArithOp::Mul => Lane::ints(known, |row| a[row].checked_mul(b[row])),
                ArithOp::Div => Lane::ints(known, |row| a[row].checked_div(b[row])),
                ArithOp::Mod => Lane::ints(known, |row| a[row].checked_rem(b[row])),
                ArithOp::Pow => Lane { values: Values::Int([0; 64]), known: 0 },
            };
        }
        let (a, b) = (self.values.floats(), other.values.floats());
        match op {
            ArithOp::Add => Lane::floats(known, |row| a[row] + b[row]),
            ArithOp::Sub => Lane::floats(known, |row| a[row] - b[row]),
            ArithOp::Mul => Lane::floats(known, |row| a[row] * b[row]),
            ArithOp::Div => Lane::floats(known, |row| a[row] / b[row]),
            // fits() keeps powers away, and % of floats has no result.
            ArithOp::Mod | ArithOp::Pow => Lane { values: Values::Float(a), known: 0 },
        }
    }
}

impl Values {
    fn number(&self, row: usize) -> Number {
        match self {
            Values::Int(v) => Number::Int(v[row]),
            Values::Float(v) => Number::Float(v[row]),
        }
    }

    fn floats(&self) -> [f64; 64] {
        match self {
            Values::Int(v) => v.map(|value| value as f64),
            Values::Float(v) => *v,
        }
    }
}

/// One bit for each of 64 rows.
#[inline]
fn bits(mut test: impl FnMut(usize) -> bool) -> u64 {
    (0..64).fold(0u64, |word, row| word | u64::from(test(row)) << row)
}
