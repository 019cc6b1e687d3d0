//! Results as clients read them.

use super::context;
use super::fake::Fake;
use crate::params::pair;
use crate::proto::milvus as pb;
use crate::proto::schema as wire;
use crate::proto::schema::{field_data::Field, ids::IdField, scalar_field::Data as Scalar};
use crate::{flush, query, search};
use std::sync::Arc;

fn names(fields: &[wire::FieldData]) -> Vec<&str> {
    fields.iter().map(|field| field.field_name.as_str()).collect()
}

fn scalar(field: &wire::FieldData) -> &Scalar {
    match &field.field {
        Some(Field::Scalars(scalars)) => scalars.data.as_ref().unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn searched(output: &[&str], round_decimal: i64) -> wire::SearchResultData {
    searched_with(output, round_decimal, "{}").await
}

async fn searched_with(output: &[&str], round_decimal: i64, params: &str) -> wire::SearchResultData {
    replied(output, round_decimal, params).await.results.unwrap()
}

async fn replied(output: &[&str], round_decimal: i64, params: &str) -> pb::SearchResults {
    let fake = Arc::new(Fake::default());
    let group = crate::proto::common::PlaceholderGroup {
        placeholders: vec![crate::proto::common::PlaceholderValue {
            vector_type: 101,
            values: vec![bytes::Bytes::from_static(&[0; 8])],
            ..Default::default()
        }],
    };
    let bytes = prost::Message::encode_to_vec(&group).into();
    let request = pb::SearchRequest {
        collection_name: "books".to_owned(),
        search_input: Some(pb::search_request::SearchInput::PlaceholderGroup(bytes)),
        search_params: vec![pair("topk", 2), pair("round_decimal", round_decimal), pair("params", params)],
        output_fields: output.iter().map(|name| name.to_string()).collect(),
        ..Default::default()
    };
    let reply = search::search(context(&fake), request).await.unwrap();
    assert_eq!((reply.session_ts, reply.collection_name.as_str()), (77, "books"));
    reply
}

#[tokio::test]
async fn hits_are_flat_and_name_their_key() {
    let hits = searched(&["title"], -1).await;
    assert_eq!((hits.num_queries, hits.top_k, &hits.topks[..]), (1, 2, &[2][..]));
    assert_eq!(hits.ids.unwrap().id_field, Some(IdField::IntId(wire::LongArray { data: vec![1, 2] })));
    assert_eq!(hits.scores, [0.123_456, 0.5]);
    assert_eq!(hits.primary_field_name, "id");
    assert!(!names(&hits.fields_data).contains(&"id"), "the key is a field only when asked for");
    assert!(names(&searched(&["id"], -1).await.fields_data).contains(&"id"));
}

#[tokio::test]
async fn the_recall_to_expect_is_told_when_one_was_asked_for() {
    assert_eq!(searched_with(&[], -1, r#"{"recall": 0.95}"#).await.recalls, [0.97]);
    assert_eq!(searched_with(&[], -1, r#"{"level": 3}"#).await.recalls, [0.97]);
    assert_eq!(searched_with(&[], -1, r#"{"ef": 64}"#).await.recalls, [0.0f32; 0]);
}

#[tokio::test]
async fn an_explanation_is_json_in_the_place_that_clients_show() {
    let reply = replied(&[], -1, r#"{"explain": true, "why_missing": [-7, "abc"]}"#).await;
    assert_eq!(reply.status.unwrap().extra_info["scanned_total_bytes"], "4096");
    let data = reply.results.unwrap();
    assert_eq!((data.agg_topks, data.agg_buckets.len()), (vec![1], 1));
    let Some(wire::metric_value::Value::StringVal(text)) = &data.agg_buckets[0].metrics["explain"].value
    else {
        panic!("a text")
    };
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!((&json["collection"], &json["answers"]), (&"books".into(), &"nearest".into()));
    let shard = &json["shards"][0];
    assert_eq!((&shard["barrier_us"], &shard["segments"][0]["strategy"]), (&12.into(), &"no_match".into()));
    assert!(shard["segments"][0]["expected_recall"].is_null(), "what is missing is null, not left out");
    let keys: Vec<_> = json["keys"].as_array().unwrap().iter().map(|told| told["key"].clone()).collect();
    assert_eq!(keys, [serde_json::Value::from(-7), "abc".into()], "keys as people write them");
    assert_eq!(json["keys"][0]["verdict"], "beyond_limit");
    // And back: what a Rust program reads of the JSON.
    let read: vecraft_types::api::Explanation = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), *text);

    let plain = replied(&[], -1, "{}").await;
    assert!(plain.status.unwrap_or_default().extra_info.is_empty());
    assert!(plain.results.unwrap().agg_buckets.is_empty());
}

#[tokio::test]
async fn scores_are_rounded_when_asked() {
    assert_eq!(searched(&[], 2).await.scores, [0.12, 0.5]);
}

#[tokio::test]
async fn a_star_is_spelled_out_and_dynamic_keys_are_not() {
    // The client shows all dynamic keys if every output field is a column, else only those named.
    assert_eq!(searched(&["*"], -1).await.output_fields, ["id", "title", "vector", "$meta"]);
    assert_eq!(searched(&["*", "year"], -1).await.output_fields, ["id", "title", "vector", "$meta"]);
    assert_eq!(searched(&["title", "year"], -1).await.output_fields, ["title", "year"]);
    assert_eq!(searched(&["$meta", "year"], -1).await.output_fields, ["$meta"]);
}

#[tokio::test]
async fn rows_keep_placeholders_for_nulls() {
    let fake = Arc::new(Fake::default());
    let request = pb::QueryRequest {
        collection_name: "books".to_owned(),
        output_fields: vec!["*".to_owned()],
        ..Default::default()
    };
    let rows = query::query(context(&fake), request).await.unwrap();
    assert_eq!(names(&rows.fields_data), ["id", "title", "vector", "$meta"]);
    assert_eq!(rows.primary_field_name, "id");
    let [id, title, vector, meta] = &rows.fields_data[..] else { panic!("{rows:?}") };
    assert_eq!((id.field_id, id.data_type), (100, 5));
    assert_eq!(
        *scalar(title),
        Scalar::StringData(wire::StringArray { data: vec!["a".to_owned(), String::new()] })
    );
    assert_eq!(title.valid_data, [true, false]);
    assert!(id.valid_data.is_empty());
    assert_eq!((vector.data_type, meta.data_type, meta.is_dynamic), (101, 23, true));
    assert!(matches!(scalar(meta), Scalar::JsonData(json) if json.data[0] == "{\"year\": 1999}"));
}

#[tokio::test]
async fn a_count_is_one_column_with_one_number() {
    let fake = Arc::new(Fake::default());
    let request = pb::QueryRequest {
        collection_name: "books".to_owned(),
        output_fields: vec!["count(*)".to_owned()],
        ..Default::default()
    };
    let rows = query::query(context(&fake), request).await.unwrap();
    assert_eq!(names(&rows.fields_data), ["count(*)"]);
    assert_eq!(*scalar(&rows.fields_data[0]), Scalar::LongData(wire::LongArray { data: vec![5] }));
}

#[tokio::test]
async fn flush_names_segments_and_is_done_at_once() {
    let fake = Arc::new(Fake::default());
    let request = pb::FlushRequest { collection_names: vec!["books".to_owned()], ..Default::default() };
    let reply = flush::flush(context(&fake), request).await.unwrap();
    assert_eq!(reply.coll_segment_ids["books"].data, [(1 << 48) | 4]);
    assert_eq!(reply.coll_flush_ts["books"], 5_000 << 18);
    assert_eq!(reply.coll_seal_times["books"], 5);
    let state = |flush_ts| pb::GetFlushStateRequest { flush_ts, ..Default::default() };
    assert!(flush::flush_state(context(&fake), state(5_000 << 18)).await.unwrap().flushed);
    assert!(!flush::flush_state(context(&fake), state(10_000 << 18)).await.unwrap().flushed);
}

#[test]
fn an_index_that_a_damaged_file_keeps_from_being_built_has_failed_and_says_why() {
    use crate::proto::common::IndexState;
    use vecraft_types::api::IndexInfo;
    let state = |pending_rows: u64, failure: Option<&str>| {
        let info = IndexInfo { pending_rows, failure: failure.map(str::to_owned), ..super::fake::index() };
        let told = crate::index::description(info, false);
        (told.state(), told.index_state_fail_reason)
    };
    assert_eq!(state(0, None), (IndexState::Finished, String::new()));
    assert_eq!(state(2, None), (IndexState::InProgress, String::new()));
    assert_eq!(state(2, Some("corrupt x")), (IndexState::Failed, "corrupt x".to_owned()));
}

#[test]
fn an_index_on_a_scalar_field_is_told_with_its_parameters_and_without_a_metric() {
    let mut info = super::fake::index();
    info.field = "title".to_owned();
    info.index.spec.index_type = "NGRAM".to_owned();
    info.index.spec.params =
        [("min_gram".to_owned(), "2".to_owned()), ("max_gram".to_owned(), "3".to_owned())].into();
    let told = |is_scalar| {
        let params = crate::index::description(info.clone(), is_scalar).params;
        params.into_iter().map(|pair| (pair.key, pair.value)).collect::<Vec<_>>()
    };
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(told(true), [pair("index_type", "NGRAM"), pair("params", r#"{"max_gram":3,"min_gram":2}"#)]);
    assert!(told(false).contains(&pair("metric_type", "L2")));
}
