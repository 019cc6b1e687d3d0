//! Grouped searches: exactly `min(limit, groups)` groups, each once, of matching rows with their right scores, the
//! nearest first; filled where they must be.

use super::{same_columns, shown, shows};
use crate::cell::{Cell, cells};
use crate::nearest::{Score, nearer};
use crate::shape::Shape;
use crate::twin::Row;
use crate::{Step, broken};
use std::ops::Range;
use vecraft_types::Metric;
use vecraft_types::api::{GroupBy, NamedRows, SearchReply};

/// What was asked.
#[derive(Clone, Debug)]
pub struct AskedGroups<'a> {
    /// The query vectors.
    pub queries: &'a [Cell],
    /// The place of the vector field.
    pub field: usize,
    /// The place of the field that groups.
    pub by: usize,
    /// How.
    pub group_by: &'a GroupBy,
    /// How vectors are compared.
    pub metric: Metric,
    /// Nearest groups left out.
    pub offset: usize,
    /// Groups a query.
    pub limit: usize,
    /// Nothing but a scan may answer, so the nearest must be found.
    pub is_exact: bool,
}

/// Compares an answer with the matching rows.
pub fn groups(
    shape: &Shape,
    places: &[usize],
    asked: &AskedGroups<'_>,
    matching: &[&Row],
    answer: &SearchReply,
) -> Step {
    same_columns(shape, places, &answer.rows)?;
    let total: usize = answer.counts.iter().sum();
    let Some(values) = answer.groups.clone() else { return broken("the answer names no groups".to_owned()) };
    let values = cells(&NamedRows { names: vec!["group".to_owned()], batch: values });
    let fits = answer.counts.len() == asked.queries.len() && answer.scores.len() == total;
    if !fits || answer.rows.batch.rows != total || values.len() != total {
        return broken(format!("the answer does not fit together: {:?}", answer.counts));
    }
    let rows = cells(&answer.rows);
    let mut from = 0;
    for (number, query) in asked.queries.iter().enumerate() {
        let to = from + answer.counts[number];
        let hits: Vec<Hit<'_>> = (from..to)
            .map(|at| Hit { group: &values[at][0], score: answer.scores[at], cells: &rows[at] })
            .collect();
        one(places, asked, query, matching, &hits)
            .map_err(|error| crate::Broken(format!("query vector {number} {query:?}: {}", error.0)))?;
        from = to;
    }
    Ok(())
}

struct Hit<'a> {
    group: &'a Cell,
    score: f32,
    cells: &'a [Cell],
}

/// The rows of a group, nearest first.
type Members<'a> = Vec<(Score, &'a Row)>;

fn one(places: &[usize], asked: &AskedGroups<'_>, query: &Cell, matching: &[&Row], hits: &[Hit<'_>]) -> Step {
    let right = right(asked, query, matching);
    let runs = runs(hits);
    let wanted = right.len().saturating_sub(asked.offset).min(asked.limit);
    if runs.len() != wanted {
        return broken(format!("{} groups, {wanted} are right: there are {}", runs.len(), right.len()));
    }
    let heads: Vec<f32> = runs.iter().map(|run| hits[run.start].score).collect();
    if let Some(at) =
        heads.windows(2).position(|two| nearer(asked.metric, two[0].into(), two[1].into()).is_gt())
    {
        return broken(format!("group {at} is farther than group {}: {heads:?}", at + 1));
    }
    let mut seen: Vec<&Cell> = Vec::new();
    for (number, run) in runs.into_iter().enumerate() {
        let value = hits[run.start].group;
        let Some((_, members)) = right.iter().find(|(of, _)| *of == value) else {
            return broken(format!("group {number} is of {value:?}, which no matching row has"));
        };
        if seen.contains(&value) {
            return broken(format!("the group of {value:?} comes twice"));
        }
        seen.push(value);
        let nearest = &right[asked.offset + number].1[0].0;
        if asked.is_exact && !nearest.is_reached_by(asked.metric, hits[run.start].score) {
            let text =
                format!("group {number} begins at {}, nearer is {}", hits[run.start].score, nearest.value);
            return broken(text);
        }
        group(places, asked, members, &hits[run])
            .map_err(|error| crate::Broken(format!("group {number} of {value:?}: {}", error.0)))?;
    }
    Ok(())
}

fn group(places: &[usize], asked: &AskedGroups<'_>, members: &Members<'_>, hits: &[Hit<'_>]) -> Step {
    let (size, is_filled) = (asked.group_by.size, asked.group_by.is_strict || asked.group_by.size == 1);
    let most = size.min(members.len());
    if hits.len() > most || (is_filled && hits.len() < most) {
        return broken(format!("{} rows, {most} are right of {}", hits.len(), members.len()));
    }
    let mut used = vec![false; members.len()];
    for (at, hit) in hits.iter().enumerate() {
        if at > 0 && nearer(asked.metric, hits[at - 1].score.into(), hit.score.into()).is_gt() {
            return broken(format!("row {at} is nearer than the row before"));
        }
        let fits = |(at, (score, row)): &(usize, &(Score, &Row))| {
            !used[*at] && score.is(hit.score) && shows(hit.cells, places, row)
        };
        let Some((same, _)) = members.iter().enumerate().find(fits) else {
            return broken(format!(
                "row {at} is {} [{}], which is no row of it",
                hit.score,
                shown(hit.cells)
            ));
        };
        used[same] = true;
        if asked.is_exact && is_filled && !members[at].0.is_reached_by(asked.metric, hit.score) {
            return broken(format!("row {at} is {}, nearer is {}", hit.score, members[at].0.value));
        }
    }
    Ok(())
}

/// All groups with all their rows, the nearest first.
fn right<'a>(asked: &AskedGroups<'_>, query: &Cell, matching: &[&'a Row]) -> Vec<(&'a Cell, Members<'a>)> {
    let mut ranked: Members<'a> =
        matching.iter().map(|row| (Score::of(asked.metric, query, &row.cells[asked.field]), *row)).collect();
    ranked.sort_by(|a, b| nearer(asked.metric, a.0.value, b.0.value));
    let mut groups: Vec<(&Cell, Members<'a>)> = Vec::new();
    for (score, row) in ranked {
        let value = &row.cells[asked.by];
        match groups.iter_mut().find(|(of, _)| *of == value) {
            Some((_, members)) => members.push((score, row)),
            None => groups.push((value, vec![(score, row)])),
        }
    }
    groups
}

/// Where hits of the same group follow one another.
fn runs(hits: &[Hit<'_>]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, hit) in hits.iter().enumerate() {
        match runs.last_mut().filter(|run| hits[run.start].group == hit.group) {
            Some(run) => run.end = at + 1,
            None => runs.push(at..at + 1),
        }
    }
    runs
}
