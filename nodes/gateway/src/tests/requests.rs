//! Searches, queries and writes: what reaches the database.

use super::columns::{scalars, vectors};
use super::fake::Fake;
use super::{context, refused};
use crate::params::pair;
use crate::proto::common::{KeyValuePair, PlaceholderGroup, PlaceholderValue};
use crate::proto::milvus as pb;
use crate::proto::milvus::search_request::SearchInput;
use crate::proto::schema as wire;
use crate::proto::schema::{DataType as Type, scalar_field::Data as Scalar};
use crate::{dml, query, search};
use prost::Message;
use std::sync::Arc;
use vecraft_types::api::{Consistency, DeleteRows, Explain, GroupBy};
use vecraft_types::{Metric, Packed, PrimaryKey, QueryVectors, Timestamp};

fn placeholder(vector_type: i32, queries: &[&[f32]]) -> Option<SearchInput> {
    let bytes = |query: &&[f32]| query.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>().into();
    let value = PlaceholderValue {
        tag: "$0".to_owned(),
        vector_type,
        values: queries.iter().map(bytes).collect(),
        element_level: false,
    };
    Some(SearchInput::PlaceholderGroup(PlaceholderGroup { placeholders: vec![value] }.encode_to_vec().into()))
}

fn packed(vector_type: i32, queries: &[&[u8]]) -> Option<SearchInput> {
    let value = PlaceholderValue {
        tag: "$0".to_owned(),
        vector_type,
        values: queries.iter().map(|query| query.to_vec().into()).collect(),
        element_level: false,
    };
    Some(SearchInput::PlaceholderGroup(PlaceholderGroup { placeholders: vec![value] }.encode_to_vec().into()))
}

#[tokio::test]
async fn queries_of_every_vector_type_arrive() {
    let cases = [
        (100, Packed::Bit, 16),
        (102, Packed::Float16, 1),
        (103, Packed::BFloat16, 1),
        (105, Packed::Int8, 2),
    ];
    for (number, kind, dim) in cases {
        let fake = Arc::new(Fake::default());
        let mut request = search_request(&[]);
        (request.search_input, request.nq) = (packed(number, &[&[1, 2], &[3, 4]]), 2);
        let _ = search::search(context(&fake), request).await;
        let asked = fake.searched.lock().take().unwrap();
        assert_eq!((asked.dim, asked.vectors), (dim, QueryVectors::Packed { kind, bytes: vec![1, 2, 3, 4] }));
    }
    let with = |input| pb::SearchRequest { search_input: input, nq: 0, ..search_request(&[]) };
    refuses(&["3 bytes", "BFloat16Vector"], with(packed(103, &[&[1, 2, 3]]))).await;
    refuses(&["0 bytes", "BinaryVector"], with(packed(100, &[&[]]))).await;
    refuses(&["query vector 1", "24", "16"], with(packed(100, &[&[1, 2], &[1, 2, 3]]))).await;
    refuses(&["query vectors", "16384"], with(packed(105, &[]))).await;
}

/// As pymilvus sends it: its own keys again inside `params`.
pub(super) fn search_request(extra: &[KeyValuePair]) -> pb::SearchRequest {
    let params = "{\"metric_type\": \"L2\", \"nprobe\": 10}";
    let mut search_params = vec![
        pair("topk", 3),
        pair("round_decimal", -1),
        pair("ignore_growing", "False"),
        pair("metric_type", "L2"),
        pair("anns_field", "vector"),
        pair("params", params),
    ];
    search_params.retain(|known| extra.iter().all(|other| other.key != known.key));
    search_params.extend_from_slice(extra);
    pb::SearchRequest {
        collection_name: "books".to_owned(),
        dsl: "id > 1".to_owned(),
        dsl_type: 1,
        search_input: placeholder(101, &[&[1.0, 2.0]]),
        nq: 1,
        search_params,
        use_default_consistency: true,
        guarantee_timestamp: 900,
        ..Default::default()
    }
}

#[tokio::test]
async fn a_search_arrives_whole() {
    let fake = Arc::new(Fake::default());
    let mut request = search_request(&[pair("offset", 5)]);
    request.partition_names = vec!["old".to_owned()];
    search::search(context(&fake), request).await.unwrap();
    let asked = fake.searched.lock().take().unwrap();
    assert_eq!((asked.field.as_str(), asked.dim, asked.vectors), ("vector", 2, vec![1.0, 2.0].into()));
    assert_eq!((asked.limit, asked.offset, asked.metric), (3, 5, Some(Metric::L2)));
    assert_eq!((asked.filter.as_str(), asked.partitions), ("id > 1", vec!["old".to_owned()]));
    assert_eq!(asked.params.into_iter().collect::<Vec<_>>(), [("nprobe".to_owned(), "10".to_owned())]);
    assert_eq!(asked.consistency, Consistency::Session(Timestamp(900)), "the collection's level");
}

#[tokio::test]
async fn the_bounds_of_a_range_go_to_the_index_wherever_they_are_written() {
    for given in [
        vec![pair("radius", "2.5"), pair("range_filter", "1")],
        vec![pair("params", "{\"radius\": 2.5, \"range_filter\": 1}")],
        // Clients write them twice.
        vec![pair("radius", "2.5"), pair("params", "{\"radius\": 2.5, \"range_filter\": 1}")],
    ] {
        let fake = Arc::new(Fake::default());
        search::search(context(&fake), search_request(&given)).await.unwrap();
        let asked = fake.searched.lock().take().unwrap();
        let bounds: Vec<&str> =
            ["radius", "range_filter"].iter().map(|name| asked.params[*name].as_str()).collect();
        assert_eq!(bounds, ["2.5", "1"], "{given:?}");
    }
}

#[tokio::test]
async fn an_explanation_is_asked_for_and_its_words_do_not_reach_the_index() {
    let fake = Arc::new(Fake::default());
    let params = pair("params", "{\"nprobe\": 10, \"explain\": true, \"why_missing\": [1, \"abc\"]}");
    search::search(context(&fake), search_request(&[params, pair("explain", "True")])).await.unwrap();
    let asked = fake.searched.lock().take().unwrap();
    let keys = vec![PrimaryKey::Int64(1), PrimaryKey::VarChar("abc".into())];
    assert_eq!(asked.explain, Some(Explain { why_missing: keys }));
    assert_eq!(asked.params.into_keys().collect::<Vec<_>>(), ["nprobe"]);
    refuses(
        &["explain", "sometimes", "neither true nor false"],
        search_request(&[pair("explain", "sometimes")]),
    )
    .await;
    refuses(&["why_missing", "explain is not true"], search_request(&[pair("why_missing", "[1]")])).await;
}

#[tokio::test]
async fn only_strong_reads_ask_for_the_newest_collection() {
    let asked = |level: i32, guarantee: u64| async move {
        let fake = Arc::new(Fake::default());
        let mut request = search_request(&[]);
        (request.use_default_consistency, request.consistency_level) = (false, level);
        request.guarantee_timestamp = guarantee;
        search::search(context(&fake), request).await.unwrap();
        fake.verbs.lock().clone()
    };
    for (level, guarantee) in [(3, 1), (2, 2), (1, 900)] {
        assert_eq!(asked(level, guarantee).await, ["known_collection", "search"], "level {level}");
    }
    assert_eq!(asked(0, 0).await, ["known_collection", "describe_collection", "search"]);
}

/// The search must be refused, naming what, before the database hears of it.
async fn refuses(names: &[&str], request: pb::SearchRequest) {
    let fake = Arc::new(Fake::default());
    refused(search::search(context(&fake), request).await, 1100, names);
    assert!(fake.verbs.lock().is_empty());
}

#[tokio::test]
async fn groups_are_read_from_beside_the_parameters_or_among_them() {
    let given = [pair("group_by_field", "title"), pair("group_size", 3), pair("strict_group_size", "True")];
    for (pairs, size, is_strict) in [
        (&given[..], 3, true),
        (&given[..1], 1, false),
        (&[pair("params", "{\"group_by_field\": \"title\", \"group_size\": 2}")], 2, false),
        (&[pair("group_by_fields", "title")], 1, false),
    ] {
        let fake = Arc::new(Fake::default());
        search::search(context(&fake), search_request(pairs)).await.unwrap();
        let wanted = GroupBy { field: "title".to_owned(), size, is_strict };
        assert_eq!(fake.searched.lock().take().unwrap().group_by, Some(wanted));
    }
    refuses(&["group_size", "group_by_field"], search_request(&given[1..])).await;
    refuses(&["strict_group_size", "perhaps"], search_request(&[pair("strict_group_size", "perhaps")])).await;
    let size = [pair("group_by_field", "title"), pair("group_size", -1)];
    refuses(&["group_size", "-1"], search_request(&size)).await;
}

#[tokio::test]
async fn search_parameters_that_are_not_built_are_named() {
    for (key, value) in [
        ("ignore_growing", "True"),
        ("search_iter_v2", "True"),
        ("group_by_fields", "title,year"),
        ("order_by_fields", "year:desc"),
        ("hints", "iterative_filter"),
        ("never_heard_of", "1"),
        // A slip is one without a value, too.
        ("never_heard_off", ""),
    ] {
        refuses(&[key], search_request(&[pair(key, value)])).await;
    }
    // Asked for with nothing: as good as not asked.
    let fake = Arc::new(Fake::default());
    search::search(context(&fake), search_request(&[pair("group_by_field", "")])).await.unwrap();
    for inside in ["{\"hints\": 2}", "{\"page_retain_order\": true}"] {
        let name = inside.split('"').nth(1).unwrap();
        refuses(&[name], search_request(&[pair("params", inside)])).await;
    }
    let change = |change: fn(&mut pb::SearchRequest)| {
        let mut request = search_request(&[]);
        change(&mut request);
        request
    };
    refuses(&["function_score"], change(|r| r.function_score = Some(wire::Opaque {}))).await;
    refuses(&["highlighter"], change(|r| r.highlighter = Some(wire::Opaque {}))).await;
    refuses(&["namespace"], change(|r| r.namespace = Some("n".to_owned()))).await;
    refuses(
        &["filter templates"],
        change(|r| _ = r.expr_template_values.insert("a".to_owned(), wire::Opaque {})),
    )
    .await;
    refuses(&["hybrid"], change(|r| r.sub_reqs.push(wire::Opaque {}))).await;
    refuses(&["primary keys"], change(|r| r.search_input = Some(SearchInput::Ids(wire::Ids::default()))))
        .await;
    refuses(&["SparseFloatVector"], change(|r| r.search_input = placeholder(104, &[&[1.0]]))).await;
}

#[tokio::test]
async fn bad_searches_say_the_limit() {
    refuses(&["0", "1 to 16384"], search_request(&[pair("topk", 0)])).await;
    refuses(&["16385", "1 to 16384"], search_request(&[pair("topk", 16_385)])).await;
    refuses(&["offset", "16384"], search_request(&[pair("topk", 16_000), pair("offset", 385)])).await;
    refuses(&["topk", "three"], search_request(&[pair("topk", "three")])).await;
    refuses(&["BM25", "HAMMING"], search_request(&[pair("metric_type", "BM25"), pair("params", "{}")])).await;
    refuses(&["metric_type", "twice"], search_request(&[pair("metric_type", "IP")])).await;
    refuses(&["params", "JSON"], search_request(&[pair("params", "{nprobe}")])).await;
    // A long text is not sent back.
    let long = search_request(&[pair("params", "[".to_owned() + &"ü".repeat(50_000))]);
    let error = search::search(context(&Arc::new(Fake::default())), long).await.unwrap_err();
    assert!(error.detail.len() < 500 && error.detail.contains("100001 bytes"), "{error}");
    refuses(&["round_decimal"], search_request(&[pair("round_decimal", 9)])).await;
    let with = |input| pb::SearchRequest { search_input: input, nq: 0, ..search_request(&[]) };
    refuses(&["query vectors", "16384"], with(placeholder(101, &[]))).await;
    refuses(&["16385", "16384"], with(placeholder(101, &vec![&[1.0, 2.0][..]; 16_385]))).await;
    refuses(&["query vector 1", "3"], with(placeholder(101, &[&[1.0, 2.0], &[1.0, 2.0, 3.0]]))).await;
    refuses(&["query vector 1", "NaN"], with(placeholder(101, &[&[1.0, 2.0], &[1.0, f32::NAN]]))).await;
    refuses(&["no query vectors"], with(None)).await;
    refuses(&["nq is 2"], pb::SearchRequest { nq: 2, ..search_request(&[]) }).await;
}

#[tokio::test]
async fn a_query_arrives_whole() {
    let fake = Arc::new(Fake::default());
    let ask = |params: &[(&str, &str)]| pb::QueryRequest {
        collection_name: "books".to_owned(),
        expr: "id > 1".to_owned(),
        output_fields: vec!["title".to_owned()],
        query_params: params.iter().map(|(key, value)| pair(*key, value)).collect(),
        ..Default::default()
    };
    let request = ask(&[
        ("limit", "4"),
        ("offset", "1"),
        ("ignore_growing", "False"),
        ("reduce_stop_for_best", "False"),
    ]);
    query::query(context(&fake), request).await.unwrap();
    let asked = fake.queried.lock().take().unwrap();
    assert_eq!((asked.limit, asked.offset, asked.consistency), (Some(4), 1, Consistency::Strong));
    query::query(context(&fake), ask(&[("limit", "-1")])).await.unwrap();
    assert_eq!(fake.queried.lock().take().unwrap().limit, None);
    for (key, value) in
        [("reduce_stop_for_best", "True"), ("order_by_fields", "id:asc"), ("group_by_fields", "id")]
    {
        refused(query::query(context(&fake), ask(&[(key, value)])).await, 1100, &[key]);
    }
    refused(query::query(context(&fake), ask(&[("limit", "16385")])).await, 1100, &["16385", "16384"]);
    refused(query::query(context(&fake), ask(&[("offset", "-1")])).await, 1100, &["offset"]);
    let error =
        refused(query::query(context(&fake), ask(&[("offset", "30000")])).await, 1100, &["30000", "16383"]);
    assert!(!error.detail.contains("limit"), "none was given: {error}");
    assert!(fake.queried.lock().is_none());
}

fn two_rows() -> Vec<wire::FieldData> {
    let ids = Scalar::LongData(wire::LongArray { data: vec![1, 2] });
    vec![scalars("id", Type::Int64, ids, &[]), vectors("vector", 2, &[1.0, 2.0, 3.0, 4.0])]
}

#[tokio::test]
async fn writes_arrive_whole() {
    let fake = Arc::new(Fake::default());
    let request = pb::InsertRequest {
        collection_name: "books".to_owned(),
        partition_name: "old".to_owned(),
        fields_data: two_rows(),
        num_rows: 2,
        schema_timestamp: 55,
        ..Default::default()
    };
    let reply = dml::insert(context(&fake), request).await.unwrap();
    let asked = fake.inserted.lock().take().unwrap();
    assert_eq!((asked.partition.as_deref(), asked.schema_timestamp), (Some("old"), Some(Timestamp(55))));
    assert_eq!((reply.insert_cnt, reply.timestamp, reply.succ_index), (2, 99, vec![0, 1]));
    assert_eq!(
        reply.ids.unwrap().id_field,
        Some(wire::ids::IdField::IntId(wire::LongArray { data: vec![0, 1] }))
    );

    let upsert = pb::UpsertRequest { fields_data: two_rows(), num_rows: 2, ..Default::default() };
    assert_eq!(dml::upsert(context(&fake), upsert.clone()).await.unwrap().upsert_cnt, 2);
    let asked = fake.inserted.lock().take().unwrap();
    assert_eq!((asked.partition, asked.schema_timestamp), (None, None));
    let partial = pb::UpsertRequest { partial_update: true, ..upsert };
    refused(dml::upsert(context(&fake), partial).await, 1100, &["partial_update"]);

    let delete = |expr: &str| pb::DeleteRequest { expr: expr.to_owned(), ..Default::default() };
    assert_eq!(dml::delete(context(&fake), delete("id in [1, 2]")).await.unwrap().delete_cnt, 2);
    assert_eq!(fake.deleted.lock().take().unwrap().rows, DeleteRows::Filter("id in [1, 2]".to_owned()));
    refused(dml::delete(context(&fake), delete(" ")).await, 1100, &["filter"]);
}
