//! Pure comparisons at rest: two nodes' rows, and an exact search against brute force.

use crate::row::Row;
use std::collections::BTreeMap;

/// The first difference between two scans, and how many there are; `None`: they are alike.
pub fn difference(model: &[Row], rows: &[Row]) -> Option<String> {
    let by_id = |rows: &[Row]| rows.iter().map(|row| (row.id, row.version)).collect::<BTreeMap<i64, i64>>();
    let (left, right) = (by_id(model), by_id(rows));
    let mut ids: Vec<i64> = left.keys().chain(right.keys()).copied().collect();
    ids.sort_unstable();
    ids.dedup();
    ids.retain(|id| left.get(id) != right.get(id));
    let id = ids.first()?;
    Some(format!("{} keys differ, the first is {id}: {:?} and {:?}", ids.len(), left.get(id), right.get(id)))
}

/// What is wrong with the hits of an exact search: their number, their own distances, or that a nearer row is left out.
/// Rows at the same distance may stand in any order.
pub fn wrong_hits(model: &[Row], query: &[f32], hits: &[(i64, f32)], limit: usize) -> Option<String> {
    let distance = |row: &Row| row.vector.iter().zip(query).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
    let by_id: BTreeMap<i64, f32> = model.iter().map(|row| (row.id, distance(row))).collect();
    let mut expected: Vec<f32> = by_id.values().copied().collect();
    expected.sort_by(f32::total_cmp);
    expected.truncate(limit);
    if hits.len() != expected.len() {
        return Some(format!("{} hits, there are {}", hits.len(), expected.len()));
    }
    // The server sums in another order.
    let is_near = |a: f32, b: f32| (a - b).abs() <= 1e-4 * a.abs().max(1.0);
    let mut there = std::collections::BTreeSet::new();
    for ((id, score), expected) in hits.iter().zip(expected) {
        let own = by_id.get(id);
        let is_right =
            own.is_some_and(|own| is_near(*own, *score)) && is_near(expected, *score) && there.insert(*id);
        if !is_right {
            return Some(format!(
                "hit {id} at distance {score}: its own is {own:?}, {expected} is due there"
            ));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{DIM, key};

    fn rows() -> Vec<Row> {
        (0..20).map(|n| Row::of(key(0, n), n as i64 + 1)).collect()
    }

    #[test]
    fn a_row_that_is_older_missing_or_too_many_is_a_difference() {
        let (model, mut older, mut more) = (rows(), rows(), rows());
        assert_eq!(difference(&model, &rows()), None);
        older[3].version = 99;
        more.push(Row::of(key(0, 50), 51));
        for wrong in [&older[..], &more[..], &model[1..]] {
            assert!(difference(&model, wrong).is_some());
            assert!(difference(wrong, &model).is_some());
        }
    }

    #[test]
    fn hits_that_are_missing_far_wrong_or_twice_are_found() {
        let (model, query) = (rows(), [100.0; DIM]);
        let distance = |row: &Row| row.vector.iter().map(|x| (x - 100.0) * (x - 100.0)).sum::<f32>();
        let mut right: Vec<(i64, f32)> = model.iter().map(|row| (row.id, distance(row))).collect();
        right.sort_by(|a, b| a.1.total_cmp(&b.1));
        assert_eq!(wrong_hits(&model, &query, &right[..5], 5), None);
        assert_eq!(wrong_hits(&model, &query, &right, 50), None);
        let mut scored = right.clone();
        scored[0].1 += 10.0;
        let twice = [right[0], right[0], right[1], right[2], right[3]];
        for wrong in [&right[..4], &right[1..6], &scored[..5], &twice[..]] {
            assert!(wrong_hits(&model, &query, wrong, 5).is_some(), "{wrong:?}");
        }
    }
}
