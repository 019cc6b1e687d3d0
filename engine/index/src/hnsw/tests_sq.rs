#![allow(clippy::unwrap_used)]

use crate::conformance::check_answer;
use crate::conformance::data::{queries_near, random_rows};
use crate::{IndexSpec, Refine, SearchParams, SqType, Strategy, Unwatched, VectorIndex, build};
use std::sync::Arc;
use vecraft_types::Metric;

const ROWS: usize = 3_000;

fn built(refine: Refine) -> Arc<dyn VectorIndex> {
    let spec = IndexSpec::HnswSq { m: 12, ef_construction: 80, sq_type: SqType::Sq8, refine, seed: 5 };
    build(&spec, Metric::L2, random_rows(61, ROWS, 16), &Unwatched).unwrap()
}

/// Distances of the search beyond those of the same walk that refines `limit` only.
fn refined(index: &dyn VectorIndex, k: usize, ef: usize, refine_k: Option<f32>) -> usize {
    let query = &queries_near(index.rows(), 62, 1)[0];
    let distances = |refine_k| {
        let params = SearchParams { ef: Some(ef), refine_k, ..SearchParams::default() };
        check_answer(index, query, k, &params, None);
        let stats = index.search_explained(query, k, &params, None).unwrap().stats;
        assert_eq!(stats.strategy, Strategy::Walk);
        stats.distances
    };
    k + distances(refine_k) - distances(Some(1.0))
}

#[test]
fn refine_k_says_how_many_candidates_get_exact_distances() {
    let index = built(Refine::Fp32);
    for (k, ef, refine_k, want) in [
        (10, 100, Some(1.0), 10),
        (10, 100, Some(1.05), 11),
        (10, 100, Some(8.0), 80),
        (10, 100, None, 20),
        (40, 100, None, 80),
        (40, 50, None, 50),
    ] {
        assert_eq!(refined(&*index, k, ef, refine_k), want, "k {k}, ef {ef}, refine_k {refine_k:?}");
    }
    assert_eq!(refined(&*built(Refine::Off), 10, 100, None), 10, "refine = false");
}

#[test]
fn a_refine_k_beyond_ef_widens_the_walk_up_to_all_rows() {
    let index = built(Refine::Off);
    let query = &queries_near(index.rows(), 63, 1)[0];
    let found = |refine_k| {
        let params = SearchParams { ef: Some(10), refine_k: Some(refine_k), ..SearchParams::default() };
        check_answer(&*index, query, 10, &params, None)
    };
    assert!(found(50.0) >= found(1.0));
    assert_eq!(found(f32::MAX), 1.0, "all rows");
}

#[test]
fn damaged_words_in_the_header_are_refused() {
    let index = built(Refine::Bf16);
    let mut file = Vec::new();
    index.save(&mut file).unwrap();
    let opened = crate::open(&file, index.rows().clone()).unwrap();
    assert_eq!(opened.spec(), index.spec());
    // Without the curve before it.
    let start = file.windows(8).position(|bytes| bytes == b"VCINDEX\n").unwrap();
    let file = &file[start..];
    // Container header, then metric, dimension, rows and fingerprint; then sq_type and refine.
    for (at, what) in [(40, "sq_type number 9"), (44, "refine number 9")] {
        let mut damaged = file[..file.len() - 8].to_vec();
        damaged[at..at + 4].copy_from_slice(&9u32.to_le_bytes());
        damaged.extend(xxhash_rust::xxh3::xxh3_64(&damaged).to_le_bytes());
        let error = crate::open(&damaged, index.rows().clone()).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
}
