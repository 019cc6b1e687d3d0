//! Vectors of bits, 16-bit floats and int8: what is refused, with its place, before anything is written.

use super::*;

/// `id`, `bits` of 16, and one field of each other packed type, all of dimension 2.
fn packed_schema() -> CollectionSchema {
    CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("bits", DataType::BinaryVector { dim: 16 }),
        FieldSchema::new("half", DataType::Float16Vector { dim: 2 }),
        FieldSchema::new("brain", DataType::BFloat16Vector { dim: 2 }),
        FieldSchema::new("byte", DataType::Int8Vector { dim: 2 }),
    ])
}

fn packed(kind: Packed, dim: u32, bytes: Vec<u8>) -> Column {
    Column::new(FieldId(0), ColumnData::PackedVector { kind, dim, bytes })
}

/// Twenty rows, spread over all shards; `other` takes the place of a column of the same name, fitting or not.
fn with(other: Option<(&str, Column)>) -> NamedRows {
    let mut rows = named(vec![
        ("id", ints(0..20)),
        ("bits", packed(Packed::Bit, 16, (0..40).collect())),
        ("half", packed(Packed::Float16, 2, [0, 0x3c].repeat(40))),
        ("brain", packed(Packed::BFloat16, 2, [0x80, 0x3f].repeat(40))),
        ("byte", packed(Packed::Int8, 2, (200..240).collect())),
    ]);
    if let Some((name, column)) = other {
        let at = rows.names.iter().position(|known| known == name).unwrap();
        rows.batch.columns[at] = Column { field: FieldId(at as u64), ..column };
    }
    rows
}

fn says(error: &Error, words: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.code, Code::InvalidParameter, "{text}");
    words.iter().for_each(|word| assert!(text.contains(word), "{word:?} is not in {text:?}"));
}

#[tokio::test]
async fn rows_are_taken_as_they_are() {
    let bench = Bench::new(packed_schema(), 4);
    assert_eq!(bench.insert(with(None)).await.unwrap().inserted, 20);
    let reply = bench.query(|r| r.output_fields = vec!["*".into()]).await.unwrap();
    let sent = with(None);
    for name in ["bits", "half", "brain", "byte"] {
        assert_eq!(reply.rows.column(name).unwrap().data, sent.column(name).unwrap().data, "{name}");
    }
}

#[tokio::test]
async fn wrong_types_lengths_and_values_are_refused_and_nothing_is_written() {
    let mut half = [0, 0x3c].repeat(40);
    half[27] = 0x7c;
    let mut brain = [0x80, 0x3f].repeat(40);
    (brain[78], brain[79]) = (0xc0, 0xff);
    let cases = [
        (("half", packed(Packed::Float16, 2, half)), &["element 1", "finite", "field=half", "row=6"][..]),
        (("brain", packed(Packed::BFloat16, 2, brain)), &["element 1", "finite", "field=brain", "row=19"]),
        (("bits", packed(Packed::Bit, 24, vec![0; 60])), &["24 dim", "has 16", "field=bits"]),
        (("bits", packed(Packed::Bit, 16, vec![0; 41])), &["20 rows", "field=bits"]),
        (("bits", packed(Packed::Bit, 16, vec![0; 38])), &["19 rows", "20", "field=bits"]),
        (("bits", packed(Packed::Int8, 2, vec![0; 40])), &["BinaryVector", "Int8Vector", "field=bits"]),
        (("bits", vectors(vec![0.0; 40])), &["BinaryVector", "FloatVector", "field=bits"]),
        (("half", packed(Packed::BFloat16, 2, vec![0; 80])), &["Float16Vector", "BFloat16Vector"]),
        (("byte", packed(Packed::Int8, 0, vec![])), &["field=byte"]),
    ];
    for (other, words) in cases {
        let bench = Bench::new(packed_schema(), 4);
        says(&bench.insert(with(Some(other))).await.unwrap_err(), words);
        assert_eq!((bench.cluster.entries(), bench.cluster.row_total()), (0, 0), "{words:?}");
    }
}

#[tokio::test]
async fn queries_are_of_the_type_of_the_field_and_metrics_too() {
    let bench = Bench::new(packed_schema(), 2);
    let bad = async |field: &str, dim: u32, vectors: QueryVectors, metric: Option<Metric>, words: &[&str]| {
        let change = |r: &mut SearchRequest| {
            (r.field, r.dim, r.vectors, r.metric) = (field.into(), dim, vectors, metric);
        };
        says(&bench.search(change).await.unwrap_err(), words);
    };
    let of = |kind, bytes: &[u8]| QueryVectors::Packed { kind, bytes: bytes.to_vec() };
    let same = "vector type must be the same";
    bad("bits", 16, vec![0.0; 16].into(), None, &[same, "BinaryVector", "FloatVector", "field=bits"]).await;
    bad("half", 2, of(Packed::BFloat16, &[0; 4]), None, &[same, "Float16Vector", "BFloat16Vector"]).await;
    bad("bits", 24, of(Packed::Bit, &[0; 3]), None, &["24 dimensions", "has 16"]).await;
    bad("bits", 16, of(Packed::Bit, &[0; 3]), None, &["3 bytes", "16 dimensions"]).await;
    bad("bits", 16, of(Packed::Bit, &[]), None, &["nq is 0"]).await;
    let infinite = of(Packed::Float16, &[0, 0, 0, 0, 0, 0, 0, 0xfc]);
    bad("half", 2, infinite, None, &["element 1", "query vector 1", "finite"]).await;
    let two = || of(Packed::Bit, &[1, 2]);
    bad("bits", 16, two(), Some(Metric::L2), &["L2", "BinaryVector", "HAMMING, JACCARD"]).await;
    let byte = of(Packed::Int8, &[1, 2]);
    bad("byte", 2, byte, Some(Metric::Jaccard), &["JACCARD", "Int8Vector", "COSINE, L2, IP"]).await;
    let range = bench.search(|r| {
        (r.field, r.dim, r.vectors, r.metric) = ("bits".into(), 16, two(), None);
        r.params = [("radius", "1"), ("range_filter", "4")].map(|(k, v)| (k.into(), v.into())).into();
    });
    says(&range.await.unwrap_err(), &["radius", "range_filter"]);
}

#[tokio::test]
async fn an_index_is_one_that_the_type_has() {
    let bench = Bench::new(packed_schema(), 2);
    let make = |field: &str, index_type: &str, metric: Option<Metric>| {
        let asked = CreateIndex {
            collection: "docs".into(),
            field: field.into(),
            name: String::new(),
            index_type: index_type.into(),
            metric,
            params: BTreeMap::new(),
        };
        bench.proxy.create_index(Call::default(), asked)
    };
    let bad = async |field: &str, index_type: &str, metric: Option<Metric>, words: &[&str]| {
        says(&make(field, index_type, metric).await.unwrap_err(), words);
    };
    bad("bits", "HNSW", None, &["HNSW", "BinaryVector", "BIN_FLAT", "field=bits"]).await;
    bad("bits", "flat", None, &["FLAT", "BinaryVector", "BIN_FLAT"]).await;
    bad("bits", "BIN_FLAT", Some(Metric::Cosine), &["COSINE", "HAMMING, JACCARD", "field=bits"]).await;
    bad("byte", "BIN_FLAT", None, &["BIN_FLAT", "Int8Vector"]).await;
    bad("byte", "BIN_IVF_FLAT", None, &["BIN_IVF_FLAT", "Int8Vector"]).await;
    bad("bits", "BIN_IVF_FLAT", Some(Metric::Ip), &["IP", "HAMMING, JACCARD", "field=bits"]).await;
    bad("half", "FLAT", Some(Metric::Hamming), &["HAMMING", "Float16Vector", "COSINE, L2, IP"]).await;
    assert_eq!(bench.cluster.entries(), 0);
    make("bits", "bin_flat", Some(Metric::Jaccard)).await.unwrap();
}
