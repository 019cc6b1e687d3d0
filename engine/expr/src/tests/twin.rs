//! Random filters on random rows: the evaluator and a naive twin, which goes row by row through the tree as it was
//! written with `Option<bool>` for the three truths, must find the same rows. `VECRAFT_FILTERS=n` tries n filters.

use super::twin_make;
use super::twin_rows::{random_batch, schema};
use crate::Filter;
use proptest::prelude::*;
use vecraft_types::Bitmap;

proptest! {
    #![proptest_config(super::random())]

    #[test]
    fn the_twin_finds_the_same_rows(
        cond in twin_make::condition(),
        picks in proptest::collection::vec(any::<[u8; 12]>(), 1..100),
        dead in any::<u8>(),
    ) {
        let (text, batch) = (cond.to_string(), random_batch(&picks));
        let filter = match Filter::parse(&text, &schema()) {
            Ok(filter) => filter,
            Err(error) => return Err(TestCaseError::fail(format!("{text}\n{error}"))),
        };
        let alive: Bitmap = (0..batch.rows).map(|row| row % 7 != dead as usize % 14).collect();
        let found: Vec<usize> = filter.evaluate_within(&batch, &alive).unwrap().iter_ones().collect();
        let wanted: Vec<usize> =
            (0..batch.rows).filter(|row| alive.get(*row) && cond.truth(&batch, *row) == Some(true)).collect();
        prop_assert_eq!(found, wanted, "{}\nplan {}", text, filter);
    }
}
