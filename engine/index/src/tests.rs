#![allow(clippy::unwrap_used)]

use crate::top_k::{distance_of, pack, row_of};
use crate::*;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;
use vecraft_types::{Bitmap, Metric};

fn params(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn build_parameters() {
    let check = |kind: &str, pairs: &[(&str, &str)], want: std::result::Result<&[(&str, &str)], &str>| match (
        IndexSpec::parse(kind, &params(pairs)),
        want,
    ) {
        (Ok(spec), Ok(want)) => assert_eq!(spec.params(), params(want), "{kind} {pairs:?}"),
        (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{error}, wanted {want}"),
        (got, want) => panic!("{kind} {pairs:?}: {got:?}, wanted {want:?}"),
    };
    check("HNSW", &[], Ok(&[("M", "30"), ("efConstruction", "360")]));
    check("hnsw", &[("M", "2"), ("efConstruction", "1")], Ok(&[("M", "2"), ("efConstruction", "1")]));
    check("HNSWLIB", &[("M", "2048")], Ok(&[("M", "2048"), ("efConstruction", "360")]));
    let sq = |refine: &[(&'static str, &'static str)]| {
        [&[("M", "30"), ("efConstruction", "360"), ("sq_type", "SQ8")], refine].concat()
    };
    check("HNSW_SQ", &[], Ok(&sq(&[("refine", "true"), ("refine_type", "FP32")])));
    check(
        "hnsw_sq",
        &[("sq_type", "sq8"), ("refine", "True"), ("refine_type", "bf16")],
        Ok(&sq(&[("refine", "true"), ("refine_type", "BF16")])),
    );
    check("HNSW_SQ", &[("refine", "false"), ("refine_type", "SQ8")], Ok(&sq(&[("refine", "false")])));
    check(
        "HNSW_SQ",
        &[("sq_type", "SQ7")],
        Err("parameter sq_type = SQ7: must be one of SQ4, SQ6, SQ8, BF16, FP16"),
    );
    check("HNSW_SQ", &[("refine", "1")], Err("refine = 1: must be one of true, false"));
    check("HNSW_SQ", &[("refine_type", "FP64")], Err("must be one of SQ6, SQ8, FP16, BF16, FP32"));
    check("HNSW_SQ", &[("M", "1")], Err("parameter M = 1: must be a whole number from 2 to 2048"));
    check(
        "HNSW_SQ",
        &[("nlist", "1")],
        Err("unknown for HNSW_SQ; known: M, efConstruction, sq_type, refine"),
    );
    check("HNSW", &[("sq_type", "SQ8")], Err("unknown for HNSW; known: M, efConstruction"));
    check("IVF_FLAT", &[], Ok(&[("nlist", "128")]));
    let list_sq8 = [("nlist", "128"), ("refine", "true"), ("refine_type", "FP32")];
    check("IVF_SQ8", &[], Ok(&list_sq8));
    check("ivf_sq8", &[("nlist", "4"), ("refine", "false")], Ok(&[("nlist", "4"), ("refine", "false")]));
    check("IVF_SQ8", &[("nlist", "0")], Err("nlist = 0: must be a whole number from 1 to 65536"));
    check("IVF_SQ8", &[("sq_type", "SQ8")], Err("unknown for IVF_SQ8; known: nlist, refine, refine_type"));
    check("IVF_RABITQ", &[], Ok(&list_sq8));
    check("IVF_RABITQ", &[("rbq_query_bits", "4")], Err("unknown for IVF_RABITQ; known: nlist, refine"));
    check("SCANN", &[], Ok(&[("nlist", "128"), ("with_raw_data", "true")]));
    check(
        "scann",
        &[("nlist", "4"), ("with_raw_data", "False")],
        Ok(&[("nlist", "4"), ("with_raw_data", "false")]),
    );
    check("SCANN", &[("with_raw_data", "1")], Err("with_raw_data = 1: must be one of true, false"));
    for sq_type in SQ_TYPES {
        let spec = IndexSpec::parse("HNSW_SQ", &params(&[("sq_type", sq_type)])).unwrap();
        assert_eq!(spec.params()["sq_type"], sq_type);
    }
    let cut = [("nlist", "128"), ("m", "8"), ("nbits", "8"), ("refine", "true"), ("refine_type", "FP32")];
    check("IVF_PQ", &[("m", "8")], Ok(&cut));
    check("IVF_PQ", &[], Err("parameter m = (not given): must be a whole number from 1 to 65536"));
    check("IVF_PQ", &[("m", "65537")], Err("m = 65537: must be a whole number from 1 to 65536"));
    check("IVF_PQ", &[("m", "8"), ("nbits", "25")], Err("nbits = 25: must be a whole number from 1 to 24"));
    check(
        "hnsw_pq",
        &[("M", "8"), ("efConstruction", "80"), ("m", "4"), ("nbits", "4"), ("refine", "false")],
        Ok(&[("M", "8"), ("efConstruction", "80"), ("m", "4"), ("nbits", "4"), ("refine", "false")]),
    );
    let pq = IndexSpec::parse("HNSW_PQ", &params(&[])).unwrap();
    assert!(pq.check_dim(64).is_ok());
    let error = pq.check_dim(48).unwrap_err().to_string();
    assert_eq!(error, "parameter m = 32: must divide the dimension of the vectors, 48");
    check("", &[], Ok(&[]));
    check("AUTOINDEX", &[], Ok(&[]));
    check("FLAT", &[], Ok(&[]));
    check("HNSW", &[("M", "1")], Err("parameter M = 1: must be a whole number from 2 to 2048"));
    check("HNSW", &[("M", "2049")], Err("from 2 to 2048"));
    check("HNSW", &[("M", "x")], Err("parameter M = x"));
    check("HNSW", &[("efConstruction", "0")], Err("efConstruction = 0: must be a whole number from 1"));
    check("IVF_FLAT", &[("nlist", "65537")], Err("nlist = 65537: must be a whole number from 1 to 65536"));
    check("IVF_FLAT", &[("M", "8")], Err("parameter M = 8: unknown for IVF_FLAT; known: nlist"));
    check("FLAT", &[("nlist", "8")], Err("unknown for FLAT; known: none"));
    check("bin_flat", &[], Ok(&[]));
    check("BIN_FLAT", &[("nlist", "8")], Err("unknown for BIN_FLAT; known: none"));
    check("bin_ivf_flat", &[], Ok(&[("nlist", "128")]));
    check("BIN_IVF_FLAT", &[("nlist", "0")], Err("nlist = 0: must be a whole number from 1 to 65536"));
    check("BIN_IVF_FLAT", &[("m", "8")], Err("m = 8: unknown for BIN_IVF_FLAT; known: nlist"));
    check(
        "DISKANN",
        &[],
        Err("index type DISKANN is not supported; supported types: AUTOINDEX, BIN_FLAT, BIN_IVF_FLAT, FLAT"),
    );
}

#[test]
fn search_parameters() {
    let hnsw = IndexSpec::parse("HNSW", &params(&[])).unwrap();
    let ivf = IndexSpec::parse("IVF_FLAT", &params(&[("nlist", "64")])).unwrap();
    let check =
        |spec: &IndexSpec, pairs: &[(&str, &str)], want: std::result::Result<SearchParams, &str>| match (
            SearchParams::parse(spec, 10, &params(pairs)),
            want,
        ) {
            (Ok(got), Ok(want)) => assert_eq!(got, want),
            (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{error}, wanted {want}"),
            (got, want) => panic!("{pairs:?}: {got:?}, wanted {want:?}"),
        };
    let none = SearchParams::default();
    check(&hnsw, &[], Ok(none));
    check(&hnsw, &[("ef", "10")], Ok(SearchParams { ef: Some(10), ..none }));
    check(&hnsw, &[("ef", "9")], Err("parameter ef = 9: must be at least the limit, 10"));
    check(&hnsw, &[("nprobe", "9")], Err("nprobe = 9: unknown for HNSW; known: ef, recall"));
    check(&hnsw, &[("recall", "0.95")], Ok(SearchParams { recall: Some(0.95), ..none }));
    check(&hnsw, &[("recall", "1.1")], Err("recall = 1.1: must be a number above 0, at most 1"));
    check(&hnsw, &[("recall", "0")], Err("recall = 0: must be a number above 0, at most 1"));
    check(&hnsw, &[("recall", "0.9"), ("ef", "64")], Err("ef = 64: recall sets it; give one of them"));
    let auto = IndexSpec::parse("AUTOINDEX", &params(&[])).unwrap();
    check(&auto, &[("level", "1"), ("ef", "500")], Err("ef = 500: level sets it; give one of them"));
    let twin = IndexSpec::parse("HNSWLIB", &params(&[])).unwrap();
    check(
        &twin,
        &[("recall", "0.9")],
        Err("recall = 0.9: HNSWLIB does not know its recall; give ef, or use HNSW"),
    );
    let sq = IndexSpec::parse("HNSW_SQ", &params(&[])).unwrap();
    check(
        &sq,
        &[("ef", "10"), ("refine_k", "1.5")],
        Ok(SearchParams { ef: Some(10), refine_k: Some(1.5), ..none }),
    );
    check(&sq, &[("refine_k", "0.9")], Err("parameter refine_k = 0.9: must be a number of at least 1"));
    check(&sq, &[("refine_k", "inf")], Err("must be a number of at least 1"));
    check(&sq, &[("refine_k", "NaN")], Err("must be a number of at least 1"));
    check(&sq, &[("ef", "9")], Err("parameter ef = 9: must be at least the limit, 10"));
    check(&hnsw, &[("refine_k", "2")], Err("refine_k = 2: unknown for HNSW; known: ef"));
    check(&ivf, &[("nprobe", "64")], Ok(SearchParams { nprobe: Some(64), ..none }));
    check(&ivf, &[("nprobe", "65")], Err("nprobe = 65: must be a whole number from 1 to 64"));
    check(&ivf, &[("nprobe", "0")], Err("from 1 to 64"));
    let bits = IndexSpec::parse("BIN_IVF_FLAT", &params(&[("nlist", "64")])).unwrap();
    check(&bits, &[("nprobe", "64")], Ok(SearchParams { nprobe: Some(64), ..none }));
    check(&bits, &[("recall", "0.9")], Ok(SearchParams { recall: Some(0.9), ..none }));
    check(&bits, &[("nprobe", "65")], Err("nprobe = 65: must be a whole number from 1 to 64"));
    check(&bits, &[("ef", "65")], Err("ef = 65: unknown for BIN_IVF_FLAT; known: nprobe, recall"));
    let ivf_sq8 = IndexSpec::parse("IVF_SQ8", &params(&[("nlist", "64")])).unwrap();
    check(
        &ivf_sq8,
        &[("nprobe", "64"), ("refine_k", "4")],
        Ok(SearchParams { nprobe: Some(64), refine_k: Some(4.0), ..none }),
    );
    check(&ivf_sq8, &[("nprobe", "65")], Err("nprobe = 65: must be a whole number from 1 to 64"));
    check(&ivf_sq8, &[("ef", "64")], Err("ef = 64: unknown for IVF_SQ8; known: nprobe, refine_k"));
    check(&ivf, &[("refine_k", "2")], Err("refine_k = 2: unknown for IVF_FLAT; known: nprobe"));
    let rabitq = IndexSpec::parse("IVF_RABITQ", &params(&[("nlist", "64")])).unwrap();
    let four_bits = SearchParams { rbq_query_bits: Some(4), ..none };
    check(&rabitq, &[("rbq_query_bits", "4")], Ok(four_bits));
    check(&rabitq, &[("rbq_bits_query", "4")], Ok(four_bits));
    check(&rabitq, &[("rbq_query_bits", "9")], Err("rbq_query_bits = 9: must be a whole number from 0 to 8"));
    check(
        &rabitq,
        &[("reorder_k", "50")],
        Err("reorder_k = 50: unknown for IVF_RABITQ; known: nprobe, refine_k"),
    );
    let scann = IndexSpec::parse("SCANN", &params(&[("nlist", "64")])).unwrap();
    check(&scann, &[("reorder_k", "50")], Ok(SearchParams { reorder_k: Some(50), ..none }));
    check(&scann, &[("reorder_k", "9")], Err("parameter reorder_k = 9: must be at least the limit, 10"));
    check(&scann, &[("refine_k", "2")], Err("refine_k = 2: unknown for SCANN; known: nprobe, reorder_k"));
    check(&IndexSpec::Auto, &[("level", "3")], Ok(SearchParams { level: Some(3), ..none }));
    check(&IndexSpec::Auto, &[("level", "11")], Err("from 1 to 10"));
    check(&IndexSpec::Flat, &[("ef", "64")], Err("unknown for FLAT"));
}

#[test]
fn autoindex_scans_below_four_thousand_rows_and_walks_by_codes_from_there() {
    for (rows, kind) in [(0, IndexKind::Flat), (3_999, IndexKind::Flat), (4_000, IndexKind::HnswSq)] {
        let vectors = conformance::data::random_rows(71, rows, 4);
        let index = build(&IndexSpec::Auto, Metric::L2, vectors, &Unwatched).unwrap();
        assert_eq!(index.kind(), kind, "{rows} rows");
    }
}

#[test]
fn autoindex_does_not_walk_by_codes_that_cannot_tell_neighbours_apart() {
    // Forty crowds of a hundred rows, within a crowd nearer to one another than one step of a code.
    let (count, dim, crowds) = (4_000, 16, 40);
    let centres = conformance::data::normal(72, crowds * dim);
    let mut values = conformance::data::normal(73, count * dim);
    for (row, vector) in values.chunks_exact_mut(dim).enumerate() {
        let centre = &centres[row % crowds * dim..][..dim];
        vector.iter_mut().zip(centre).for_each(|(x, centre)| *x = *x * 1e-3 + centre);
    }
    let rows = VectorRows::from_vec(dim, values).unwrap();
    let index = build(&IndexSpec::Auto, Metric::L2, rows.clone(), &Unwatched).unwrap();
    assert_eq!(index.kind(), IndexKind::Hnsw);
    let queries: Vec<Vec<f32>> = (0..20).map(|row| rows.row(row * 7).to_vec()).collect();
    let found = conformance::mean_recall(&*index, &queries, 10, &SearchParams::default(), None);
    assert!(found >= 0.95, "recall {found}");

    let sq = IndexSpec::parse("HNSW_SQ", &params(&[("M", "16"), ("efConstruction", "200")])).unwrap();
    let by_codes = build(&sq, Metric::L2, rows, &Unwatched).unwrap();
    let found = conformance::mean_recall(&*by_codes, &queries, 10, &SearchParams::default(), None);
    assert!(found < 0.95, "what is avoided: recall {found}");
}

#[test]
fn rows_are_read_in_place_from_chunks() {
    let chunk = |rows: std::ops::Range<u32>| -> Bytes {
        // Padded rows: dimension 2, stride 3.
        rows.flat_map(|row| [row as f32, -(row as f32), f32::NAN]).flat_map(f32::to_le_bytes).collect()
    };
    let chunks: Vec<Bytes> = vec![chunk(0..4), chunk(4..8), chunk(8..9)];
    let start = chunks[1].as_ptr();
    let rows = VectorRows::from_chunks(2, 3, 9, 2, chunks.clone()).unwrap();
    for row in 0..9 {
        assert_eq!(rows.row(row), [row as f32, -(row as f32)]);
    }
    assert_eq!(rows.row(4).as_ptr().cast::<u8>(), start, "read in place");
    let hits = flat_search(&rows, Metric::L2, &[5.2, -5.2], 2, None).unwrap();
    assert_eq!(hits.iter().map(|hit| hit.row).collect::<Vec<_>>(), [5, 6]);
    for count in [0, 1, 4, 5, 9, 12] {
        let first = rows.first(count);
        assert_eq!(first.len(), count.min(9));
        for row in 0..first.len() as u32 {
            assert_eq!(first.row(row).as_ptr(), rows.row(row).as_ptr(), "{count}");
        }
    }

    let refused = |result: Result<VectorRows>| assert!(matches!(result, Err(Error::Rows(_))), "{result:?}");
    refused(VectorRows::from_chunks(2, 3, 13, 2, chunks.clone()));
    refused(VectorRows::from_chunks(2, 1, 9, 2, chunks.clone()));
    refused(VectorRows::from_chunks(2, 3, 12, 2, chunks));
    refused(VectorRows::from_bytes(2, 2, 1, Bytes::from(vec![0; 16]).slice(1..9)));
    refused(VectorRows::from_vec(3, vec![0.0; 8]));
    refused(VectorRows::from_vec(0, vec![]));
}

#[test]
#[should_panic(expected = "row 2 of 2")]
fn a_row_that_is_not_there() {
    VectorRows::from_vec(1, vec![1.0, 2.0]).unwrap().row(2);
}

#[test]
fn equal_distances_come_by_lower_row() {
    let rows = VectorRows::from_vec(1, vec![1.0; 200]).unwrap();
    let hits = flat_search(&rows, Metric::L2, &[0.0], 3, None).unwrap();
    assert_eq!(hits.iter().map(|hit| hit.row).collect::<Vec<_>>(), [0, 1, 2]);
}

proptest! {
    #[test]
    fn packed_keys_keep_the_order(a in any::<f32>(), b in any::<f32>(), r in any::<u32>(), s in any::<u32>()) {
        prop_assume!(!a.is_nan() && !b.is_nan());
        let (a, b) = (a + 0.0, b + 0.0);
        prop_assert_eq!(pack(a, r).cmp(&pack(b, s)), a.total_cmp(&b).then(r.cmp(&s)));
        prop_assert_eq!((distance_of(pack(a, r)), row_of(pack(a, r))), (a, r));
    }

    #[test]
    fn exact_search_is_a_sorted_full_scan(
        values in prop::collection::vec(-5i8..5, 0..400), bits in prop::collection::vec(any::<bool>(), 0..250),
        k in 0usize..30,
    ) {
        let values: Vec<f32> = values[..values.len() / 2 * 2].iter().map(|x| f32::from(*x)).collect();
        let rows = VectorRows::from_vec(2, values).unwrap();
        let filter: Bitmap = bits.iter().copied().collect();
        for metric in [Metric::L2, Metric::Ip, Metric::Cosine] {
            let query = [1.0, 2.0];
            let mut want: Vec<Hit> = (0..rows.len() as u32)
                .filter(|row| filter.get(*row as usize))
                .map(|row| Hit { row, distance: vecraft_kernel::distance(metric, &query, rows.row(row)) })
                .collect();
            want.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row)));
            want.truncate(k);
            prop_assert_eq!(flat_search(&rows, metric, &query, k, Some(&filter)).unwrap(), want);
        }
    }
}
