//! Scans that are left to the caller: all or nothing, and only when there is much to compare.
#![allow(clippy::unwrap_used)]

use crate::conformance::data::{queries_near, random_filter, random_rows};
use crate::conformance::subjects;
use crate::scan::matches_within;
use crate::{SearchParams, Strategy};
use vecraft_types::Metric;

const DIM: usize = 8;
const ROW_BYTES: usize = 4 * DIM;

#[test]
fn a_search_that_leaves_scans_gives_the_same_answer_or_says_that_all_is_left() {
    let rows = random_rows(31, 4_000, DIM);
    let query = &queries_near(&rows, 32, 1)[0];
    for subject in subjects() {
        let index = subject.build(Metric::L2, &rows);
        let (mut left, mut kept) = (0, 0);
        for share in [0.01, 0.1, 0.5, 1.0] {
            let filter = random_filter(33, rows.len(), share);
            let matches = matches_within(&filter, rows.len());
            for k in [0, 10, 2_500] {
                let own = index.search_explained(query, k, &subject.search, Some(&filter)).unwrap();
                let is_scan = matches!(own.stats.strategy, Strategy::Exact | Strategy::WalkThenExact);
                for most in [0, 1_000 * ROW_BYTES, matches * ROW_BYTES, usize::MAX] {
                    let asked = SearchParams { leaves_above: Some(most), ..subject.search };
                    let outcome = index.search_explained(query, k, &asked, Some(&filter)).unwrap();
                    let what = format!("{index:?}, {matches} match, k {k}, {most} bytes");
                    if is_scan && k > 0 && matches * ROW_BYTES > most {
                        assert!(outcome.hits.is_empty() && outcome.stats.left == matches, "{what}");
                        assert_eq!(outcome.stats.strategy, own.stats.strategy, "{what}");
                        assert_eq!(outcome.stats.distances + matches, own.stats.distances, "{what}");
                        left += 1;
                    } else {
                        assert_eq!(outcome, own, "{what}");
                        kept += 1;
                    }
                }
            }
        }
        assert!(left > 0 && kept > 0, "{index:?}: {left} left, {kept} kept");
    }
}
