//! Tests that an index answers: which, when that is cheaper than the loop, and what is left for the loop.

use super::{Chunk, is_blank};
use crate::ast::{CompareOp, Literal};
use crate::like::{Asked, Pattern};
use crate::number::Number;
use crate::plan::{Plan, Scalar, Test};
use crate::{Ask, ColumnValues, FieldIndex};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Bound;
use vecraft_types::Bitmap;

/// Nanoseconds, as measured with a million rows (docs/BENCHMARKS.md). Only their relations count.
mod price {
    /// A bit of the answer.
    pub const MARK: f64 = 0.6;
    /// A word of the answer, which is cleared, filled and joined.
    pub const WORD: f64 = 2.0;
    /// A value that a pattern is compared with.
    pub const COMPARED: f64 = 35.0;
    /// A value of a list that is found among the index's, in 20 steps for a million.
    pub const FOUND: f64 = 280.0;
    /// A row of a zone that is ruled out or let through as a whole.
    pub const RULED: f64 = 0.03;
    /// Finding a list's values costs at most this part of the loop, or the loop is taken at once: they are found for the
    /// price, inside `and` and `or` twice, and for the answer.
    pub const FOUND_SHARE: f64 = 0.25;
}

/// A test whose zone map leaves no more than this part of all rows to be looked at costs next to nothing.
const RULED_SHARE: f64 = 0.05;

/// An index that can answer a test.
struct Question<'a, 't> {
    index: &'a dyn FieldIndex,
    ask: Ask<'t>,
    /// The test is true for the other rows that have a value: `!=`.
    flips: bool,
    slot: usize,
    is_path: bool,
    /// What the answer costs, and what the loop would cost a row.
    price: f64,
    row_price: f64,
}

impl<'a> Chunk<'a> {
    /// The rows of `alive` where the test is known and on the wanted side. `None`: no index answers it, or the loop is
    /// cheaper.
    pub(super) fn by_index(&mut self, test: &Test, is_negated: bool, alive: &Bitmap) -> Option<Bitmap> {
        let alive_rows = alive.count_ones() as f64;
        let question = self.question(test, alive_rows)?;
        if question.price >= question.row_price * alive_rows {
            return None;
        }
        let Question { index, ask, flips, slot, is_path, .. } = question;
        let words = index.rows().div_ceil(64);
        let (mut sure, mut unsure) = (vec![0; words], vec![0; words]);
        index.mark(&ask, &mut sure, &mut unsure);
        let unsure_true = Bitmap::from_words(self.rows, unsure);
        let mut unsure = unsure_true.clone();
        let mut found = Bitmap::from_words(self.rows, sure);
        if is_negated != flips {
            let mut others = if is_path {
                let (mut known, mut maybe) = (vec![0; words], vec![0; words]);
                index.mark_known(&mut known, &mut maybe);
                unsure.or(&Bitmap::from_words(self.rows, maybe));
                Bitmap::from_words(self.rows, known)
            } else {
                Bitmap::from_words(self.rows, (0..alive.words().len()).map(|i| self.valid(slot, i)).collect())
            };
            others.and_not(&found);
            others.and_not(&unsure_true);
            found = others;
        }
        found.and(alive);
        unsure.and(alive);
        if !is_blank(&unsure) {
            found.or(&self.by_loop(test, is_negated, &unsure));
        }
        Some(found)
    }

    /// The parts in their order, but first those that cost little, by an index or by a zone map: they leave fewer rows for the
    /// others.
    pub(super) fn cheap_first<'p>(&self, parts: &'p [Plan], alive: &Bitmap) -> Vec<&'p Plan> {
        let alive = alive.count_ones() as f64;
        let rank = |part: &&Plan| match part {
            Plan::Leaf { test, .. } if self.ruled(test).mixed_share() <= RULED_SHARE => 0,
            Plan::Leaf { test, .. } => match self.question(test, alive) {
                Some(question) if question.price < question.row_price * alive => 1,
                _ => 2,
            },
            _ => 2,
        };
        let mut ordered: Vec<&Plan> = parts.iter().collect();
        ordered.sort_by_cached_key(rank);
        ordered
    }

    /// The cheapest index to ask. `None` as well when the test's list is too long for so many rows, which is seen before
    /// a value of it is found.
    fn question<'t>(&self, test: &'t Test, alive: f64) -> Option<Question<'a, 't>> {
        if self.indexes.iter().all(Vec::is_empty) {
            return None;
        }
        let (place, ask, flips) = self.asked(test)?;
        let (slot, steps) = match place {
            Place::Column(slot) => (slot, None),
            Place::Path(path) => (self.paths[path].slot, Some(self.paths[path].steps.as_slice())),
        };
        let row_price = self.row_price(test, steps.is_some());
        let finding_max = row_price * alive * price::FOUND_SHARE;
        let priced = |index: &&'a dyn FieldIndex| {
            if index.steps() != steps || index.rows() < self.rows {
                return None;
            }
            let looked_up = index.looked_up(&ask);
            if looked_up > 1 && looked_up as f64 * price::FOUND > finding_max {
                return None;
            }
            let cost = index.estimate(&ask)?;
            let words = index.rows().div_ceil(64) as f64;
            let price = cost.marks as f64 * price::MARK
                + cost.compared as f64 * price::COMPARED
                + cost.unsure as f64 * row_price
                + words * price::WORD;
            Some((*index, price))
        };
        let (index, price) =
            self.indexes[slot].iter().filter_map(priced).min_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(Question { index, ask, flips, slot, is_path: steps.is_some(), price, row_price })
    }

    /// What the loop takes a row, in nanoseconds.
    fn row_price(&self, test: &Test, is_path: bool) -> f64 {
        match test {
            _ if is_path => 400.0,
            Test::Bool { .. } => 0.1,
            Test::IntRange { slot, .. } | Test::FloatCompare { slot, .. } => {
                let row = match self.views[*slot].values {
                    ColumnValues::Int64(_) | ColumnValues::Double(_) => 0.4,
                    _ => 0.2,
                };
                price::RULED + row * self.ruled(test).mixed_share()
            }
            Test::IntIn { .. } => price::RULED + 1.5 * self.ruled(test).mixed_share(),
            Test::FloatIn { .. } | Test::StrCompare { .. } => 6.0,
            Test::StrIn { .. } => 15.0,
            _ => 25.0,
        }
    }

    /// What an index of which place is to be asked, and whether the test is true for the other rows.
    fn asked<'t>(&self, test: &'t Test) -> Option<(Place, Ask<'t>, bool)> {
        Some(match test {
            Test::Bool { slot } => (Place::Column(*slot), Ask::Bool(true), false),
            Test::IntRange { slot, low, high } if low <= high => {
                (Place::Column(*slot), Ask::IntRange(*low, *high), false)
            }
            Test::IntIn { slot, set } => (Place::Column(*slot), Ask::Ints(Cow::Borrowed(set.keys())), false),
            Test::FloatCompare { slot, op, value } => {
                let value = match self.views[*slot].values {
                    ColumnValues::Float(_) => f64::from(*value as f32),
                    _ => *value,
                };
                (Place::Column(*slot), floats(*op, Number::Float(value))?, *op == CompareOp::Ne)
            }
            Test::FloatIn { slot, set } => {
                (Place::Column(*slot), Ask::Floats(Cow::Borrowed(set.keys())), false)
            }
            Test::StrCompare { slot, op, value } => {
                (Place::Column(*slot), texts(*op, value), *op == CompareOp::Ne)
            }
            Test::StrIn { slot, set } => (Place::Column(*slot), Ask::Texts(Cow::Borrowed(set.keys())), false),
            Test::Like { value, pattern } => (place(value)?, like(pattern), false),
            Test::Compare { op, left: left @ Scalar::Path(_), right: Scalar::Literal(literal) } => {
                let ask = match literal {
                    Literal::Bool(value) if op.is_equality() => Ask::Bool(*value),
                    Literal::Bool(_) => return None,
                    Literal::Number(number) => floats(*op, *number)?,
                    Literal::Str(text) => texts(*op, text),
                };
                (place(left)?, ask, *op == CompareOp::Ne)
            }
            Test::In { value: value @ Scalar::Path(_), set } => {
                let ask = if let Some(texts) = set.only_texts() {
                    Ask::Texts(Cow::Borrowed(texts))
                } else if let Some(floats) = set.only_floats() {
                    Ask::Floats(Cow::Owned(floats))
                } else {
                    Ask::Bool(set.only_bool()?)
                };
                (place(value)?, ask, false)
            }
            _ => return None,
        })
    }
}

/// What an index is over.
#[derive(Clone, Copy)]
enum Place {
    Column(usize),
    Path(usize),
}

fn place(value: &Scalar) -> Option<Place> {
    match value {
        Scalar::Column(slot) => Some(Place::Column(*slot)),
        Scalar::Path(path) => Some(Place::Path(*path)),
        _ => None,
    }
}

/// The floats `x` with `x op number`, exactly: where no float equals the number, the one beside it bounds.
fn floats<'t>(op: CompareOp, number: Number) -> Option<Ask<'t>> {
    let float = number.to_f64();
    // How the number lies to the float.
    let side = number.order(Number::Float(float))?;
    let at_least = |includes: bool| if includes { Bound::Included(float) } else { Bound::Excluded(float) };
    Some(match op {
        CompareOp::Eq | CompareOp::Ne => {
            let equal = if side == Ordering::Equal { vec![float + 0.0] } else { Vec::new() };
            Ask::Floats(Cow::Owned(equal))
        }
        CompareOp::Lt => Ask::FloatRange(Bound::Unbounded, at_least(side == Ordering::Greater)),
        CompareOp::Le => Ask::FloatRange(Bound::Unbounded, at_least(side != Ordering::Less)),
        CompareOp::Gt => Ask::FloatRange(at_least(side == Ordering::Less), Bound::Unbounded),
        CompareOp::Ge => Ask::FloatRange(at_least(side != Ordering::Greater), Bound::Unbounded),
    })
}

fn texts(op: CompareOp, value: &String) -> Ask<'_> {
    let text = value.as_str();
    match op {
        CompareOp::Eq | CompareOp::Ne => Ask::Texts(Cow::Borrowed(std::slice::from_ref(value))),
        CompareOp::Lt => Ask::TextRange(Bound::Unbounded, Bound::Excluded(text)),
        CompareOp::Le => Ask::TextRange(Bound::Unbounded, Bound::Included(text)),
        CompareOp::Gt => Ask::TextRange(Bound::Excluded(text), Bound::Unbounded),
        CompareOp::Ge => Ask::TextRange(Bound::Included(text), Bound::Unbounded),
    }
}

fn like(pattern: &Pattern) -> Ask<'_> {
    match pattern.asked() {
        Asked::Equal(text) => Ask::TextRange(Bound::Included(text), Bound::Included(text)),
        Asked::Like(like) => Ask::Like(like),
    }
}
