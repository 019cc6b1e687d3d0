//! Searches: exactly `min(k, matches)` hits (P5), each a matching row with its right score, once, nearest first.

use super::{same_columns, shown, shows};
use crate::cell::{Cell, cells};
use crate::nearest::{Score, nearer};
use crate::ops::ranges::Bounds;
use crate::shape::Shape;
use crate::twin::Row;
use crate::{Step, broken};
use vecraft_types::Metric;
use vecraft_types::api::SearchReply;

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// The query vectors.
    pub queries: &'a [Cell],
    /// The place of the vector field.
    pub field: usize,
    /// How vectors are compared.
    pub metric: Metric,
    /// Which scores are in.
    pub bounds: Bounds,
    /// Best hits left out.
    pub offset: usize,
    /// Hits a query.
    pub limit: usize,
    /// Nothing but a scan may answer, so the nearest must be found.
    pub is_exact: bool,
}

/// How many of the nearest rows a search that may miss some has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Those found.
    pub found: usize,
    /// Those there are.
    pub wanted: usize,
}

/// Compares an answer with the matching rows.
pub fn hits(
    shape: &Shape,
    places: &[usize],
    asked: &Asked<'_>,
    matching: &[&Row],
    answer: &SearchReply,
) -> Step<Found> {
    same_columns(shape, places, &answer.rows)?;
    let total: usize = answer.counts.iter().sum();
    if answer.counts.len() != asked.queries.len()
        || answer.scores.len() != total
        || answer.rows.batch.rows != total
    {
        return broken(format!("the answer does not fit together: {:?}", answer.counts));
    }
    let cells = cells(&answer.rows);
    let mut total = Found::default();
    let mut from = 0;
    for (number, query) in asked.queries.iter().enumerate() {
        let to = from + answer.counts[number];
        let found = one(places, asked, query, matching, &answer.scores[from..to], &cells[from..to])
            .map_err(|error| crate::Broken(format!("query vector {number} {query:?}: {}", error.0)))?;
        total.found += found.found;
        total.wanted += found.wanted;
        from = to;
    }
    Ok(total)
}

fn one(
    places: &[usize],
    asked: &Asked<'_>,
    query: &Cell,
    matching: &[&Row],
    scores: &[f32],
    hits: &[Vec<Cell>],
) -> Step<Found> {
    let metric = asked.metric;
    let mut ranked: Vec<(Score, &Row)> = matching
        .iter()
        .map(|row| (Score::of(metric, query, &row.cells[asked.field]), *row))
        .filter(|(score, _)| asked.bounds.contains(metric, score.value))
        .collect();
    ranked.sort_by(|a, b| nearer(metric, a.0.value, b.0.value));
    let wanted = ranked.len().saturating_sub(asked.offset).min(asked.limit);
    // The range is looked at after the index, which may have missed rows of it.
    let may_miss = !asked.is_exact && asked.bounds != Bounds::default();
    if hits.len() > wanted || (hits.len() < wanted && !may_miss) {
        return broken(format!("{} hits, {wanted} are right: {} rows match", hits.len(), ranked.len()));
    }
    if let Some(at) = scores.windows(2).position(|two| nearer(metric, two[0].into(), two[1].into()).is_gt()) {
        return broken(format!("hit {at} is farther than hit {}: {scores:?}", at + 1));
    }
    let mut used = vec![false; ranked.len()];
    for (at, (reported, cells)) in scores.iter().zip(hits).enumerate() {
        let fits = |(at, (score, row)): &(usize, &(Score, &Row))| {
            !used[*at] && score.is(*reported) && shows(cells, places, row)
        };
        let Some((same, _)) = ranked.iter().enumerate().find(fits) else {
            let of_key: Vec<String> = ranked
                .iter()
                .filter(|(_, row)| Some(row.key()) == cells[0].key())
                .map(|(score, row)| format!("{} [{}]", score.value, shown(&row.cells)))
                .collect();
            return broken(format!(
                "hit {at} is {reported} [{}], which is no row (or one that was a hit before); of its key match: {}",
                shown(cells),
                of_key.join(", ")
            ));
        };
        used[same] = true;
        let (right, row) = &ranked[asked.offset + at];
        if asked.is_exact && !right.is_reached_by(metric, *reported) {
            let text = format!("hit {at} is {reported}, nearer is {} [{}]", right.value, shown(&row.cells));
            return broken(text);
        }
    }
    Ok(recall(asked, &ranked, wanted, scores))
}

/// Counts for whole answers only: what an offset leaves out cannot be counted.
fn recall(asked: &Asked<'_>, ranked: &[(Score, &Row)], wanted: usize, scores: &[f32]) -> Found {
    match ranked.get(wanted.wrapping_sub(1)) {
        Some((last, _)) if asked.offset == 0 && !asked.is_exact => {
            let found = scores.iter().filter(|score| last.is_reached_by(asked.metric, **score)).count();
            Found { found, wanted }
        }
        _ => Found::default(),
    }
}
