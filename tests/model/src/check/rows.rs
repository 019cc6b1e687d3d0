//! Queries and gets: exactly the twin's rows, in key order.

use super::{same_columns, shown, shows};
use crate::cell::cells;
use crate::shape::Shape;
use crate::twin::Row;
use crate::{Step, broken};
use vecraft_types::api::NamedRows;

/// The places of the columns that a read with these output fields returns: the key first, each once.
pub fn columns_of(shape: &Shape, asked: &[String]) -> Vec<usize> {
    let mut places = vec![0];
    let mut add = |place: usize| {
        if !places.contains(&place) {
            places.push(place);
        }
    };
    for name in asked {
        match shape.place(name) {
            _ if name == "*" => (0..shape.fields().len()).for_each(&mut add),
            Some(place) => add(place),
            // A key of `$meta`, which comes as a whole.
            None => shape.meta().into_iter().for_each(&mut add),
        }
    }
    places
}

/// `matching` are all rows that match, by key; the answer shows those after `offset`, at most `limit`. Among rows of
/// the same key (`pk.on_conflict = allow`) the order is free, but each comes once.
pub fn rows(
    shape: &Shape,
    places: &[usize],
    matching: &[&Row],
    offset: usize,
    limit: Option<usize>,
    answer: &NamedRows,
) -> Step {
    same_columns(shape, places, answer)?;
    let wanted: Vec<&Row> = matching.iter().skip(offset).take(limit.unwrap_or(usize::MAX)).copied().collect();
    let found = cells(answer);
    let mut used = vec![false; matching.len()];
    for (at, cells) in found.iter().enumerate() {
        let key = cells[0].key();
        if wanted.get(at).map(|row| row.key()) != key {
            let expected = wanted.get(at).map_or("nothing".to_owned(), |row| shown(&row.cells));
            return broken(format!(
                "row {at} of {} (wanted {}) is [{}], expected [{expected}]",
                found.len(),
                wanted.len(),
                shown(cells)
            ));
        }
        let fits =
            |(at, row): &(usize, &&Row)| !used[*at] && Some(row.key()) == key && shows(cells, places, row);
        let Some((same, _)) = matching.iter().enumerate().find(fits) else {
            let of_key: Vec<String> =
                matching.iter().filter(|row| Some(row.key()) == key).map(|row| shown(&row.cells)).collect();
            return broken(format!(
                "row {at} is [{}], the rows of that key are [{}]",
                shown(cells),
                of_key.join("] [")
            ));
        };
        used[same] = true;
    }
    if found.len() < wanted.len() {
        let missing = &wanted[found.len()];
        return broken(format!(
            "{} rows instead of {}: [{}] is missing",
            found.len(),
            wanted.len(),
            shown(&missing.cells)
        ));
    }
    Ok(())
}
