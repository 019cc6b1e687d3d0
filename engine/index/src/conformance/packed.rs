//! Rows of 16-bit floats and int8: every index that takes them keeps the contract, and its distances are the kernels'.

use super::bytes::{check_opened_again, saved};
use super::data::{clustered_values, queries_near, random_filter};
use super::{METRICS, Subject, check_answer, mean_recall, subjects, variants};
use crate::{Error, IndexKind, IndexSpec, SearchParams, Unwatched, VectorRows, build, open};
use bytes::Bytes;
use vecraft_kernel::PackedQuery;
use vecraft_types::Packed;

const KINDS: [Packed; 3] = [Packed::Float16, Packed::BFloat16, Packed::Int8];
const DIM: usize = 24;

/// A value in the fewer bits of a kind; cut, not rounded, and too small ones for a normal half are 0.
fn narrow(kind: Packed, value: f32) -> Vec<u8> {
    let bits = value.to_bits();
    match kind {
        Packed::Float16 if value.abs() < 1e-4 => vec![0, 0],
        Packed::Float16 => {
            let exponent = (bits >> 23 & 0xff) + 15 - 127;
            let half = bits >> 16 & 0x8000 | exponent << 10 | bits >> 13 & 0x3ff;
            (half as u16).to_le_bytes().to_vec()
        }
        Packed::BFloat16 => ((bits >> 16) as u16).to_le_bytes().to_vec(),
        _ => vec![(value * 8.0) as i8 as u8],
    }
}

/// The rows, and the same widened.
fn rows(kind: Packed, count: usize) -> (VectorRows, VectorRows) {
    let values = clustered_values(71, count, DIM, 30);
    let bytes: Vec<u8> = values.iter().flat_map(|value| narrow(kind, *value)).collect();
    let rows = VectorRows::from_packed(kind, DIM, count, Bytes::from(bytes)).unwrap();
    let wide = (0..count as u32).flat_map(|row| rows.values(row).into_owned()).collect();
    (rows, VectorRows::from_vec(DIM, wide).unwrap())
}

/// What is built over a kind of rows: every kind of index, and each variant over one of them.
fn takers(kind: Packed) -> impl Iterator<Item = Subject> {
    let takes = |subject: &Subject| !matches!(subject.spec, IndexSpec::Hnswlib { .. });
    let mine = move |(at, _): &(usize, Subject)| KINDS[at % KINDS.len()] == kind;
    let variants = variants().into_iter().enumerate().filter(mine).map(|(_, variant)| variant);
    subjects().into_iter().filter(takes).chain(variants)
}

#[test]
fn every_index_over_packed_rows_keeps_the_contract() {
    let filter = random_filter(72, 3_000, 0.3);
    for kind in KINDS {
        let (rows, wide) = rows(kind, 3_000);
        let queries = queries_near(&wide, 73, 15);
        for subject in takers(kind) {
            for &metric in subject.metrics {
                let index = subject.build(metric, &rows);
                let what = format!("{kind:?} {metric:?} {:?}", subject.spec);
                let found = mean_recall(&*index, &queries, 10, &subject.search, None);
                subject.check_recall(found, 0.95, &what);
                for query in &queries {
                    check_answer(&*index, query, 10, &subject.search, Some(&filter));
                    let exact = PackedQuery::of_values(metric, kind, query).unwrap();
                    for hit in index.search(query, 10, &subject.search, None).unwrap() {
                        assert_eq!(hit.distance, exact.distance(rows.bytes(hit.row)), "{what}");
                    }
                }
                check_opened_again(&index, &queries[..3], &subject.search, &filter);
                assert!(
                    matches!(open(&saved(&*index), wide.clone()), Err(Error::OtherRows(_))),
                    "{what}: as f32"
                );
            }
        }
    }
}

#[test]
fn autoindex_takes_packed_rows_and_the_twin_refuses_them() {
    let (rows, _) = rows(Packed::Int8, 4_500);
    let index = build(&IndexSpec::Auto, METRICS[2], rows.clone(), &Unwatched).unwrap();
    assert!(matches!(index.kind(), IndexKind::HnswSq | IndexKind::Hnsw));
    assert!(check_answer(&*index, &rows.values(17), 10, &SearchParams::default(), None) >= 0.9);
    let twin = IndexSpec::Hnswlib { m: 8, ef_construction: 20, seed: 1 };
    let error = build(&twin, METRICS[0], rows, &Unwatched).unwrap_err();
    assert!(error.to_string().contains("Int8Vector"), "{error}");
}

#[test]
fn packed_rows_have_a_length() {
    let bytes = |length: usize| Bytes::from(vec![0; length]);
    assert!(VectorRows::from_packed(Packed::Float16, 3, 4, bytes(24)).is_ok());
    assert!(VectorRows::from_packed(Packed::Bit, 8, 4, bytes(4)).is_ok());
    for (kind, dim, rows, length) in [
        (Packed::Float16, 3, 4, 23),
        (Packed::Int8, 0, 4, 0),
        (Packed::Bit, 8, 4, 3),
        (Packed::Bit, 12, 4, 8),
        (Packed::Int8, 3, 2, 5),
    ] {
        let made = VectorRows::from_packed(kind, dim, rows, bytes(length));
        assert!(matches!(made, Err(Error::Rows(_))), "{kind:?} {dim} {rows} {length}");
    }
}
