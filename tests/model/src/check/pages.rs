//! Pages of a search: every matching row of the moment once, nearest first, none held back.

use super::{same_columns, shown, shows};
use crate::cell::{Cell, cells};
use crate::nearest::{Score, nearer};
use crate::shape::Shape;
use crate::twin::Row;
use crate::{Step, broken};
use vecraft_types::Metric;
use vecraft_types::api::SearchReply;

/// What was asked.
#[derive(Clone, Copy, Debug)]
pub struct AskedPage<'a> {
    /// The query vector.
    pub query: &'a Cell,
    /// The place of the vector field.
    pub field: usize,
    /// How vectors are compared.
    pub metric: Metric,
    /// Rows a page, at least.
    pub limit: usize,
}

/// Compares a page with the matching rows of its moment, and marks those that it tells among those `told` before. Whether
/// there is another page.
pub fn page(
    shape: &Shape,
    places: &[usize],
    asked: &AskedPage<'_>,
    matching: &[&Row],
    told: &mut [bool],
    answer: &SearchReply,
) -> Step<bool> {
    same_columns(shape, places, &answer.rows)?;
    let rows = answer.scores.len();
    if answer.counts != [rows] || answer.rows.batch.rows != rows {
        return broken(format!("the page does not fit together: {:?}, {rows} scores", answer.counts));
    }
    let metric = asked.metric;
    let scores: Vec<Score> =
        matching.iter().map(|row| Score::of(metric, asked.query, &row.cells[asked.field])).collect();
    let mut ranked: Vec<Score> = scores.clone();
    ranked.sort_by(|a, b| nearer(metric, a.value, b.value));
    let before = told.iter().filter(|is_told| **is_told).count();
    let left = matching.len() - before;
    if rows < asked.limit.min(left) || rows > left {
        return broken(format!("a page of {rows} rows, {left} are left, {} were asked", asked.limit));
    }
    for (at, (reported, cells)) in answer.scores.iter().zip(cells(&answer.rows)).enumerate() {
        let fits =
            |row: &usize| !told[*row] && scores[*row].is(*reported) && shows(&cells, places, matching[*row]);
        let Some(same) = (0..matching.len()).find(fits) else {
            let text = shown(&cells);
            return broken(format!(
                "row {at} of the page is {reported} [{text}], which is no row (or was told)"
            ));
        };
        told[same] = true;
        let right = &ranked[before + at];
        if !right.is_reached_by(metric, *reported) {
            return broken(format!("row {at} of the page is {reported}, nearer is {}", right.value));
        }
    }
    Ok(rows < left)
}
