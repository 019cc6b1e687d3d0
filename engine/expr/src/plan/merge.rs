//! `a == 1 or a == 2 or a in [3, 4]` is `a in [1, 2, 3, 4]`: one pass over the column instead of one for each part.
//! Likewise `a != 1 and a != 2` is `a not in [1, 2]`, and `10 <= a and a < 20` is one range; with nulls, too, since all parts
//! look at the same value.

use super::{Plan, Test};
use crate::ast::CompareOp;
use crate::sets::{IntSet, StrSet};
use std::collections::BTreeMap;

/// Joins the tests for single values of a column: of an `or` as they are, of an `and` the negated ones. Ranges of a column are
/// joined the other way round: those of an `and` to what they share, and the negated ones of an `or`.
pub(super) fn merge(parts: Vec<Plan>, is_and: bool) -> Vec<Plan> {
    let mut ints: BTreeMap<usize, Vec<Test>> = BTreeMap::new();
    let mut strs: BTreeMap<usize, Vec<Test>> = BTreeMap::new();
    let mut ranges: BTreeMap<usize, (i64, i64)> = BTreeMap::new();
    let mut rest = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Plan::Leaf { test: Test::IntRange { slot, low, high }, is_negated } if is_negated != is_and => {
                let shared = ranges.entry(slot).or_insert((low, high));
                *shared = (shared.0.max(low), shared.1.min(high));
            }
            Plan::Leaf { test, is_negated } if is_negated == is_and => match test {
                Test::IntRange { slot, low, high } if low == high => ints.entry(slot).or_default().push(test),
                Test::IntIn { slot, .. } => ints.entry(slot).or_default().push(test),
                Test::StrCompare { slot, op: CompareOp::Eq, .. } | Test::StrIn { slot, .. } => {
                    strs.entry(slot).or_default().push(test);
                }
                test => rest.push(Plan::Leaf { test, is_negated }),
            },
            part => rest.push(part),
        }
    }
    let range = |(slot, (low, high))| Test::IntRange { slot, low, high };
    rest.extend(ranges.into_iter().map(range).map(|test| Plan::Leaf { test, is_negated: !is_and }));
    let leaf = |test| Plan::Leaf { test, is_negated: is_and };
    rest.extend(ints.into_iter().map(|(slot, tests)| leaf(join_ints(slot, tests))));
    rest.extend(strs.into_iter().map(|(slot, tests)| leaf(join_strs(slot, tests))));
    rest
}

fn join_ints(slot: usize, mut tests: Vec<Test>) -> Test {
    if tests.len() == 1
        && let Some(test) = tests.pop()
    {
        return test;
    }
    let mut keys = Vec::new();
    for test in tests {
        match test {
            Test::IntRange { low, .. } => keys.push(low),
            Test::IntIn { set, .. } => keys.extend_from_slice(set.keys()),
            _ => {}
        }
    }
    Test::IntIn { slot, set: IntSet::new(keys) }
}

fn join_strs(slot: usize, mut tests: Vec<Test>) -> Test {
    if tests.len() == 1
        && let Some(test) = tests.pop()
    {
        return test;
    }
    let mut keys = Vec::new();
    for test in tests {
        match test {
            Test::StrCompare { value, .. } => keys.push(value),
            Test::StrIn { set, .. } => keys.extend_from_slice(set.keys()),
            _ => {}
        }
    }
    Test::StrIn { slot, set: StrSet::new(keys) }
}
