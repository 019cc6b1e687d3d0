//! One search for each of some queries, beside each other when that pays.
//!
//! An index answers one query by one thread. So of several queries in one call each thread takes some; the answers come in
//! the order of the queries, whoever found them. A lone query stays on the thread that asks: nobody is woken for it.

use super::Cancel;
use super::queries::Queries;
use crate::Result;
use rayon::prelude::*;

/// Rows that a search in an index is taken to look at, for a guess of its work; a walk with the defaults looks at about as many.
const LOOKED_AT: usize = 512;
/// Multiply-adds (of four bytes of a row each) of all queries together below which nobody is woken. Rows of an index lie
/// anywhere in memory, so each costs several times as much as one that a scan comes by.
const BESIDE_ABOVE: usize = 1 << 16;

/// What `one` says of each query, in their order. `rows` is how many rows are searched.
pub(super) fn each_query<T: Send>(
    queries: &Queries<'_>,
    rows: usize,
    cancel: Cancel<'_>,
    one: impl Fn(&[f32]) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let ask = |number: usize| {
        cancel.check()?;
        one(&queries.number(number))
    };
    let all = 0..queries.len();
    let work = (queries.bytes() / size_of::<f32>()).saturating_mul(rows.min(LOOKED_AT));
    if all.len() > 1 && work > BESIDE_ABOVE && rayon::current_num_threads() > 1 {
        all.into_par_iter().map(ask).collect()
    } else {
        all.map(ask).collect()
    }
}
