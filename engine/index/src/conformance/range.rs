//! What a range needs. An index knows none: who searches within one asks for more and more hits until the last is beyond it
//! or there are no more (`in_range` of the segment's execution). So lists must get longer by what is farther, at exact
//! distances, and end with every match.

use super::data::{Both, random_filter};
use super::{Subject, check_answer, everything, recall};
use crate::{Hit, Range, VectorIndex, flat_search};
use vecraft_types::Bitmap;

const ROWS: usize = 3_000;
/// Hits asked for at first; then four times as many, and so on.
const K: usize = 20;

/// The `K` nearest in a range, as who searches gets them. Every list is checked, and at no place is a hit of a longer one
/// farther than that of the shorter one before.
fn in_range(
    index: &dyn VectorIndex,
    subject: &Subject,
    query: &[f32],
    range: Range,
    filter: Option<&Bitmap>,
) -> Vec<Hit> {
    let (mut wanted, mut shorter) = (K, Vec::<Hit>::new());
    loop {
        check_answer(index, query, wanted, &subject.search, filter);
        let hits = index.search(query, wanted, &subject.search, filter).unwrap();
        assert!(hits.len() >= shorter.len());
        for (place, (long, short)) in hits.iter().zip(&shorter).enumerate() {
            assert!(long.distance <= short.distance, "{index:?}, {wanted} hits, place {place}");
        }
        let is_all = hits.len() < wanted || hits.last().is_some_and(|last| last.distance >= range.below);
        let within: Vec<Hit> =
            hits.iter().copied().filter(|hit| range.contains(hit.distance)).take(K).collect();
        if is_all || within.len() == K {
            return within;
        }
        (wanted, shorter) = (wanted * 4, hits);
    }
}

#[test]
fn a_range_is_found_by_asking_for_more() {
    let both = Both::clustered(51, ROWS, 6);
    let some = random_filter(52, ROWS, 0.6);
    for subject in everything() {
        let (rows, queries) = both.of(&subject);
        let index = subject.build(subject.metric(), rows);
        let (mut found, mut asked) = (0.0, 0.0);
        for query in queries {
            for filter in [None, Some(&some)] {
                let all = flat_search(rows, index.metric(), query, ROWS, filter).unwrap();
                // Around the query, from a place on, in the middle of everything, with nothing in it, and to the end.
                for (from, below) in [(0, 12), (15, 300), (200, 900), (40, 40), (all.len() - 5, all.len())] {
                    let at = |place: usize| all.get(place).map_or(f32::INFINITY, |hit| hit.distance);
                    let range = Range { from: at(from), below: at(below) };
                    let truth: Vec<Hit> =
                        all.iter().copied().filter(|hit| range.contains(hit.distance)).take(K).collect();
                    let got = in_range(&*index, &subject, query, range, filter);
                    assert!(got.len() <= truth.len(), "{index:?}: more than there are");
                    found += recall(&got, &truth);
                    asked += 1.0;
                }
            }
        }
        subject.check_recall(found / asked, 0.95, "ranges");
    }
}

#[test]
fn who_asks_for_all_gets_every_match_in_order() {
    let both = Both::clustered(53, ROWS, 3);
    for subject in everything() {
        let (rows, queries) = both.of(&subject);
        let index = subject.build(subject.metric(), rows);
        for query in queries {
            for share in [0.01, 0.3, 0.9, 1.0] {
                let filter = random_filter(54, ROWS, share);
                let all = flat_search(rows, index.metric(), query, ROWS, Some(&filter)).unwrap();
                for k in [all.len(), ROWS, ROWS + 1] {
                    let got = index.search(query, k, &subject.search, Some(&filter)).unwrap();
                    assert!(got == all, "{index:?}, {k} of {} matches", all.len());
                }
            }
        }
    }
}
