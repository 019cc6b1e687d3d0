//! Collections and indexes: what a client sends, and what it sees.

use super::fake::Fake;
use super::{context, refused};
use crate::params::pair;
use crate::proto::milvus as pb;
use crate::proto::schema as wire;
use crate::proto::schema::{DataType as Type, value_field::Data as Default_};
use crate::{collection, index, load};
use prost::Message;
use std::sync::Arc;
use vecraft_types::{Metric, PkConflict, Value};

fn field(name: &str, data_type: Type, params: &[(&str, &str)]) -> wire::FieldSchema {
    let type_params = params.iter().map(|(key, value)| pair(*key, value)).collect();
    wire::FieldSchema {
        name: name.to_owned(),
        data_type: data_type.into(),
        type_params,
        ..Default::default()
    }
}

fn schema() -> wire::CollectionSchema {
    let mut id = field("id", Type::Int64, &[]);
    id.is_primary_key = true;
    let fields = vec![id, field("v", Type::FloatVector, &[("dim", "8")])];
    wire::CollectionSchema { name: "c".to_owned(), fields, ..Default::default() }
}

fn request(schema: &wire::CollectionSchema) -> pb::CreateCollectionRequest {
    pb::CreateCollectionRequest {
        collection_name: "c".to_owned(),
        schema: schema.encode_to_vec(),
        consistency_level: 2,
        ..Default::default()
    }
}

/// Changes a good request, and expects it to be refused by name before the database hears of it.
async fn refuses(
    names: &[&str],
    change: impl FnOnce(&mut wire::CollectionSchema, &mut pb::CreateCollectionRequest),
) {
    let fake = Arc::new(Fake::default());
    let (mut schema, mut outer) = (schema(), pb::CreateCollectionRequest::default());
    change(&mut schema, &mut outer);
    let whole = pb::CreateCollectionRequest {
        collection_name: "c".to_owned(),
        schema: schema.encode_to_vec(),
        consistency_level: 2,
        ..outer
    };
    refused(collection::create(context(&fake), whole).await, 1100, names);
    assert!(fake.verbs.lock().is_empty());
}

#[tokio::test]
async fn a_schema_arrives_whole() {
    let fake = Arc::new(Fake::default());
    let mut wire = schema();
    wire.enable_dynamic_field = true;
    wire.auto_id = true;
    let mut year = field("year", Type::Int16, &[]);
    year.nullable = true;
    year.default_value = Some(wire::ValueField { data: Some(Default_::IntData(1999)) });
    wire.fields.push(year);
    wire.fields.push(field("title", Type::VarChar, &[("max_length", "64")]));
    let mut request = request(&wire);
    request.shards_num = 3;
    request.properties = vec![pair("milvus.strict_load", "True"), pair("pk.on_conflict", "reject")];
    collection::create(context(&fake), request).await.unwrap();

    let created = fake.created.lock().take().unwrap();
    created.schema.check().unwrap();
    let names: Vec<&str> = created.schema.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["id", "v", "year", "title", "$meta"]);
    assert!(created.schema.primary_field().unwrap().auto_id);
    assert_eq!(created.schema.field("year").unwrap().default_value, Some(Value::Int(1999)));
    assert_eq!(created.schema.pk_conflict, PkConflict::Reject);
    assert_eq!((created.shards, created.default_consistency), (3, 2));
    assert_eq!(created.properties["milvus.strict_load"], "true");
}

#[tokio::test]
async fn every_vector_type_arrives_and_is_described() {
    let fake = Arc::new(Fake::default());
    let types = [Type::BinaryVector, Type::Float16Vector, Type::BFloat16Vector, Type::Int8Vector];
    let mut wire = schema();
    wire.fields.truncate(1);
    wire.fields.extend(types.map(|data_type| field(data_type.as_str_name(), data_type, &[("dim", "16")])));
    collection::create(context(&fake), request(&wire)).await.unwrap();
    let created = fake.created.lock().take().unwrap().schema;
    created.check().unwrap();
    let described = crate::schema::to_wire("c", &created);
    for (sent, told) in wire.fields.iter().zip(&described.fields) {
        assert_eq!((sent.data_type, &sent.type_params), (told.data_type, &told.type_params));
    }
    for data_type in types {
        refuses(&["x", "dim"], |s, _| s.fields.push(field("x", data_type, &[]))).await;
    }
}

#[tokio::test]
async fn what_is_not_built_is_refused_by_name() {
    for data_type in [Type::Array, Type::SparseFloatVector, Type::Geometry, Type::Timestamptz] {
        refuses(&["x", data_type.as_str_name()], |s, _| s.fields.push(field("x", data_type, &[]))).await;
    }
    refuses(&["functions"], |s, _| s.functions.push(wire::FunctionSchema { name: "bm25".to_owned() })).await;
    refuses(&["is_partition_key", "id"], |s, _| s.fields[0].is_partition_key = true).await;
    refuses(&["is_clustering_key"], |s, _| s.fields[0].is_clustering_key = true).await;
    refuses(&["nullable vector"], |s, _| s.fields[1].nullable = true).await;
    refuses(&["enable_namespace"], |s, _| s.enable_namespace = true).await;
    refuses(&["mmap.enabled", "maybe"], |s, _| s.fields[1].type_params.push(pair("mmap.enabled", "maybe")))
        .await;
    refuses(&["mmap.enabled", "yes"], |_, r| r.properties = vec![pair("mmap.enabled", "yes")]).await;
    refuses(&["analyzer_params"], |s, _| s.fields[0].type_params.push(pair("analyzer_params", "{}"))).await;
    refuses(&["num_partitions"], |_, r| r.num_partitions = 16).await;
    refuses(&["collection.ttl.seconds"], |_, r| r.properties = vec![pair("collection.ttl.seconds", 5)]).await;
    refuses(&["collection.ttl.seconds"], |s, _| s.properties = vec![pair("collection.ttl.seconds", 5)]).await;
    refuses(&["pk.on_conflict"], |_, r| r.properties = vec![pair("pk.on_conflict", "panic")]).await;
    refuses(&["max_length"], |s, _| s.fields.push(field("t", Type::VarChar, &[]))).await;
    refuses(&["dim", "\"many\""], |s, _| s.fields[1].type_params = vec![pair("dim", "many")]).await;
    refuses(&["other"], |s, _| s.name = "other".to_owned()).await;
}

#[tokio::test]
async fn describing_shows_what_clients_need() {
    let fake = Arc::new(Fake::default());
    let request = pb::DescribeCollectionRequest { collection_name: "books".to_owned(), ..Default::default() };
    let found = collection::describe(context(&fake), request).await.unwrap();
    let schema = found.schema.unwrap();
    let names: Vec<&str> = schema.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["id", "title", "vector"], "the dynamic field is only a flag");
    assert!(schema.enable_dynamic_field);
    assert_eq!((schema.fields[0].field_id, schema.fields[0].is_primary_key), (100, true));
    assert_eq!(schema.fields[2].type_params, [pair("dim", 2)]);
    assert_eq!((found.collection_id, found.shards_num, found.num_partitions), (7, 1, 2));
    assert_eq!(found.update_timestamp, 2_000 << 18);
    assert_eq!(found.consistency_level, 1);

    let by_id = pb::DescribeCollectionRequest { collection_id: 7, ..Default::default() };
    assert_eq!(collection::describe(context(&fake), by_id).await.unwrap().collection_name, "books");
    let missing = pb::DescribeCollectionRequest { collection_name: "nope".to_owned(), ..Default::default() };
    refused(collection::describe(context(&fake), missing).await, 100, &["nope"]);
}

#[tokio::test]
async fn index_parameters_come_nested_or_flat() {
    let fake = Arc::new(Fake::default());
    let nested =
        [pair("index_type", "IVF_FLAT"), pair("metric_type", "l2"), pair("params", "{\"nlist\": 128}")];
    let flat = [pair("index_type", "IVF_FLAT"), pair("metric_type", "L2"), pair("nlist", "128")];
    for extra_params in [nested, flat] {
        let request = pb::CreateIndexRequest {
            collection_name: "books".to_owned(),
            field_name: "vector".to_owned(),
            extra_params: extra_params.to_vec(),
            ..Default::default()
        };
        index::create(context(&fake), request).await.unwrap();
        let created = fake.indexed.lock().take().unwrap();
        assert_eq!((created.index_type.as_str(), created.metric), ("IVF_FLAT", Some(Metric::L2)));
        assert_eq!(created.params.into_iter().collect::<Vec<_>>(), [("nlist".to_owned(), "128".to_owned())]);
    }
    let unknown =
        pb::CreateIndexRequest { extra_params: vec![pair("metric_type", "BM25")], ..Default::default() };
    let words = ["BM25", "L2, IP, COSINE, HAMMING, JACCARD"];
    refused(index::create(context(&fake), unknown).await, 1100, &words);
}

#[tokio::test]
async fn an_index_is_finished_when_nothing_is_pending() {
    let fake = Arc::new(Fake::default());
    let of_books = || pb::DescribeIndexRequest { collection_name: "books".to_owned(), ..Default::default() };
    let described = index::describe(context(&fake), of_books()).await.unwrap();
    let found = &described.index_descriptions[0];
    assert_eq!((found.total_rows, found.indexed_rows, found.pending_index_rows), (3, 1, 2));
    assert_eq!(found.state, 2, "in progress");
    assert_eq!(found.params[2], pair("params", "{\"nlist\":128}"));
    let other = pb::DescribeIndexRequest { index_name: "nope".to_owned(), ..of_books() };
    refused(index::describe(context(&fake), other).await, 700, &["nope"]);
}

#[tokio::test]
async fn loading_sets_the_collections_flag() {
    let fake = Arc::new(Fake::default());
    let books = || "books".to_owned();
    let load = pb::LoadPartitionsRequest {
        collection_name: books(),
        partition_names: vec!["old".to_owned()],
        ..Default::default()
    };
    load::load_partitions(context(&fake), load).await.unwrap();
    assert_eq!(fake.loaded.lock().take(), Some(true));
    let release = |partition_names: &[&str]| pb::ReleasePartitionsRequest {
        collection_name: books(),
        partition_names: partition_names.iter().map(|name| name.to_string()).collect(),
        ..Default::default()
    };
    refused(load::release_partitions(context(&fake), release(&["old"])).await, 1100, &["release_partitions"]);
    refused(load::release_partitions(context(&fake), release(&["nope"])).await, 200, &["nope"]);
    assert_eq!(fake.loaded.lock().take(), None);
    load::release_partitions(context(&fake), release(&["old", "_default"])).await.unwrap();
    assert_eq!(fake.loaded.lock().take(), Some(false));

    for (asked, expected) in [(2, Some(2)), (0, None), (-1, None), (1, Some(1))] {
        let load = pb::LoadCollectionRequest {
            collection_name: books(),
            replica_number: asked,
            ..Default::default()
        };
        load::load(context(&fake), load).await.unwrap();
        assert_eq!((fake.loaded.lock().take(), fake.replicas.lock().take()), (Some(true), expected));
    }
    let load = pb::LoadPartitionsRequest {
        collection_name: books(),
        partition_names: vec!["old".to_owned()],
        replica_number: 3,
        ..Default::default()
    };
    load::load_partitions(context(&fake), load).await.unwrap();
    assert_eq!(fake.replicas.lock().take(), Some(3));
    let missing = pb::GetLoadStateRequest { collection_name: "nope".to_owned(), ..Default::default() };
    assert_eq!(load::state(context(&fake), missing).await.unwrap().state, 0);
}
