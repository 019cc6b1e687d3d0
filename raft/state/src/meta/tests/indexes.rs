//! Rules for the index descriptions of collections.

use super::*;
use vecraft_types::{Code, Error, FieldId, Metric};

#[test]
fn one_index_a_field() {
    let mut state = bootstrapped();
    let id = ready(&mut state, "a");
    let make =
        |field: &str, name: &str, kind: &str, metric, pairs: &[(&str, &str)]| MetaChange::CreateIndex {
            collection: id,
            field: field.to_owned(),
            name: name.to_owned(),
            index_type: kind.to_owned(),
            metric,
            params: properties(pairs),
        };
    let ivf = make("vector", "", "ivf_flat", Some(Metric::L2), &[("nlist", "128")]);
    let MetaOutcome::Index(first) = ok(&mut state, ivf.clone()) else { panic!() };
    let index = state.collection(id).unwrap().index_on(FieldId(102)).unwrap().clone();
    assert_eq!((&index.spec.name[..], &index.spec.index_type[..]), ("vector", "IVF_FLAT"));
    assert_eq!(ok(&mut state, ivf), MetaOutcome::Index(first));
    for other in [
        make("vector", "", "HNSW", Some(Metric::L2), &[]),
        make("vector", "", "IVF_FLAT", Some(Metric::Ip), &[("nlist", "128")]),
        make("vector", "", "IVF_FLAT", Some(Metric::L2), &[("nlist", "64")]),
        make("vector", "other", "IVF_FLAT", Some(Metric::L2), &[("nlist", "128")]),
    ] {
        let error = err(&mut state, other);
        assert!(error.detail.contains("at most one distinct index is allowed per field"), "{error}");
    }
    let drop = |field: &str, name: &str| MetaChange::DropIndex {
        collection: id,
        field: field.into(),
        name: name.into(),
    };
    assert_eq!(ok(&mut state, drop("title", "")), MetaOutcome::Done);
    assert_eq!(ok(&mut state, drop("vector", "")), MetaOutcome::Index(first));
    let MetaOutcome::Index(second) = ok(&mut state, make("vector", "mine", "", None, &[])) else { panic!() };
    assert!(second > first);
    let spec = state.collection(id).unwrap().indexes[0].spec.clone();
    assert_eq!((&spec.index_type[..], spec.metric), ("AUTOINDEX", Metric::Cosine));
    assert_eq!(ok(&mut state, drop("", "mine")), MetaOutcome::Index(second));
    assert_eq!(ok(&mut state, drop("", "mine")), MetaOutcome::Done);
}

#[test]
fn i11_an_index_dropped_by_id_again_is_not_the_one_that_has_its_name_by_then() {
    let mut state = bootstrapped();
    let id = ready(&mut state, "a");
    let make = MetaChange::CreateIndex {
        collection: id,
        field: "vector".to_owned(),
        name: String::new(),
        index_type: "FLAT".to_owned(),
        metric: None,
        params: BTreeMap::new(),
    };
    let drop = |collection, index| MetaChange::DropIndexOf { collection, index };
    let MetaOutcome::Index(first) = ok(&mut state, make.clone()) else { panic!() };
    assert_eq!(ok(&mut state, drop(id, first)), MetaOutcome::Index(first));
    let MetaOutcome::Index(second) = ok(&mut state, make) else { panic!() };
    assert_eq!(ok(&mut state, drop(id, first)), MetaOutcome::Done);
    assert_eq!(state.collection(id).unwrap().indexes[0].id, second);
    assert_eq!(ok(&mut state, drop(CollectionId(99), second)), MetaOutcome::Done);
    assert_eq!(ok(&mut state, drop(id, second)), MetaOutcome::Index(second));
}

#[test]
fn bad_indexes_say_what_is_allowed() {
    let mut state = bootstrapped();
    let id = ready(&mut state, "a");
    let mut check = |field: &str, kind: &str, pairs: &[(&str, &str)], expected: Option<&str>| {
        let change = MetaChange::CreateIndex {
            collection: id,
            field: field.to_owned(),
            name: String::new(),
            index_type: kind.to_owned(),
            metric: None,
            params: properties(pairs),
        };
        match (expected, reply(&mut state, change).outcome) {
            (None, outcome) => assert!(outcome.is_ok(), "{outcome:?}"),
            (Some(part), Err(error)) => assert!(error.to_string().contains(part), "{error}"),
            (Some(_), outcome) => panic!("{outcome:?}"),
        }
        ok(&mut state, MetaChange::DropIndex { collection: id, field: "vector".into(), name: String::new() });
    };
    check(
        "vector",
        "DISKANN",
        &[],
        Some(
            "supported are FLAT, BIN_FLAT, BIN_IVF_FLAT, IVF_FLAT, IVF_SQ8, IVF_PQ, IVF_RABITQ, SCANN, HNSW",
        ),
    );
    check("vector", "FLAT", &[("nlist", "1")], Some("which takes none"));
    check("vector", "IVF_FLAT", &[("nlist", "0")], Some("from 1 to 65536"));
    check("vector", "IVF_FLAT", &[("nlist", "65537")], Some("65537"));
    check("vector", "IVF_FLAT", &[("nlist", "many")], Some("\"many\""));
    check("vector", "IVF_SQ8", &[("m", "8")], Some("takes nlist, refine, refine_type"));
    check("vector", "ivf_sq8", &[("nlist", "65536"), ("refine", "false")], None);
    check("vector", "IVF_RABITQ", &[("m", "8")], Some("takes nlist, refine, refine_type"));
    check("vector", "ivf_rabitq", &[("nlist", "8"), ("refine_type", "SQ8")], None);
    check("vector", "SCANN", &[("with_raw_data", "1")], Some("allowed are true, false"));
    check("vector", "scann", &[("nlist", "8"), ("with_raw_data", "True")], None);
    check("vector", "IVF_PQ", &[("m", "0")], Some("from 1 to 65536"));
    check("vector", "HNSW_PQ", &[("nbits", "25")], Some("from 1 to 24"));
    check("vector", "hnsw_pq", &[("M", "8"), ("m", "4"), ("nbits", "4")], None);
    check("vector", "HNSW", &[("M", "1")], Some("from 2 to 2048"));
    check("vector", "HNSW", &[("M", "30"), ("efconstruction", "9")], Some("M, efConstruction"));
    check("vector", "HNSW", &[("M", "30"), ("efConstruction", "360")], None);
    check("vector", "HNSW", &[("sq_type", "SQ8")], Some("takes M, efConstruction"));
    check(
        "vector",
        "HNSW_SQ",
        &[("sq_type", "SQ7")],
        Some("sq_type is \"SQ7\", allowed are SQ4, SQ6, SQ8, BF16, FP16"),
    );
    check("vector", "HNSW_SQ", &[("refine", "yes")], Some("allowed are true, false"));
    check("vector", "HNSW_SQ", &[("refine_type", "FP8")], Some("SQ6, SQ8, FP16, BF16, FP32"));
    check("vector", "HNSW_SQ", &[("M", "1")], Some("from 2 to 2048"));
    let all = [
        ("M", "8"),
        ("efConstruction", "80"),
        ("sq_type", "sq8"),
        ("refine", "True"),
        ("refine_type", "FP32"),
    ];
    check("vector", "hnsw_sq", &all, None);
    check("vector", "hnswlib", &[], None);
    check("title", "HNSW", &[], Some("\"HNSW\" is not supported on a field of type VarChar"));
    check("title", "NGRAM", &[], Some("min_gram and max_gram"));
    check("missing", "FLAT", &[], Some("field not found"));
}

#[test]
fn an_index_name_is_unique_in_its_collection() {
    let mut state = bootstrapped();
    let mut two = request("a");
    two.schema.fields.insert(3, FieldSchema::new("second", DataType::FloatVector { dim: 8 }));
    let MetaOutcome::Collection { id, .. } = ok(&mut state, create(two)) else { panic!() };
    ok(&mut state, MetaChange::CollectionReady(id));
    let make = |field: &str| MetaChange::CreateIndex {
        collection: id,
        field: field.to_owned(),
        name: "same".to_owned(),
        index_type: "FLAT".to_owned(),
        metric: None,
        params: BTreeMap::new(),
    };
    ok(&mut state, make("vector"));
    let error: Error = err(&mut state, make("second"));
    assert_eq!(error.code, Code::IndexDuplicate);
}

#[test]
fn a_scalar_field_has_one_index_and_a_json_field_one_a_path() {
    let mut state = bootstrapped();
    let mut wide = request("a");
    wide.schema.fields.insert(3, FieldSchema::new("doc", DataType::Json));
    let MetaOutcome::Collection { id, .. } = ok(&mut state, create(wide)) else { panic!() };
    ok(&mut state, MetaChange::CollectionReady(id));
    let make = |field: &str, name: &str, kind: &str, pairs: &[(&str, &str)]| MetaChange::CreateIndex {
        collection: id,
        field: field.to_owned(),
        name: name.to_owned(),
        index_type: kind.to_owned(),
        metric: None,
        params: properties(pairs),
    };
    let MetaOutcome::Index(first) = ok(&mut state, make("title", "", "inverted", &[])) else { panic!() };
    assert_eq!(ok(&mut state, make("title", "", "INVERTED", &[])), MetaOutcome::Index(first));
    let error = err(&mut state, make("title", "", "TRIE", &[]));
    assert!(error.detail.contains("at most one distinct index is allowed per field"), "{error}");
    let text = |path: &'static str| [("json_path", path), ("json_cast_type", "varchar")];
    let MetaOutcome::Index(a) = ok(&mut state, make("doc", "by_a", "INVERTED", &text("doc['a']"))) else {
        panic!()
    };
    let MetaOutcome::Index(b) = ok(&mut state, make("doc", "by_b", "INVERTED", &text("doc['b']"))) else {
        panic!()
    };
    assert_ne!(a, b);
    assert_eq!(ok(&mut state, make("doc", "", "INVERTED", &text("doc['b']"))), MetaOutcome::Index(b));
    let other = [("json_path", "doc['b']"), ("json_cast_type", "double")];
    let error = err(&mut state, make("doc", "by_b", "INVERTED", &other));
    assert!(error.detail.contains("at most one distinct index is allowed per field"), "{error}");
    let error = err(&mut state, make("doc", "by_b", "INVERTED", &text("doc['c']")));
    assert_eq!(error.code, Code::IndexDuplicate);
    let drop = MetaChange::DropIndexOf { collection: id, index: a };
    assert_eq!(ok(&mut state, drop), MetaOutcome::Index(a));
    assert_eq!(state.collection(id).map(|row| row.indexes.len()), Some(2));
}
