//! Issue 2, 'Bad input': what is wrong is named with its place and limit, and nothing is written.

use super::*;
use vecraft_types::limits::{MESSAGE_BYTES_MAX, NQ_MAX, TOPK_MAX};

/// The insert is refused with this code and these words, and nothing at all was written.
async fn refused(schema: CollectionSchema, rows: NamedRows, code: Code, words: &[&str]) {
    let bench = Bench::new(schema, 4);
    let error = bench.insert(rows).await.unwrap_err();
    says(&error, code, words);
    assert_eq!((bench.cluster.entries(), bench.cluster.row_total()), (0, 0), "{error}");
}

fn says(error: &Error, code: Code, words: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.code, code, "{text}");
    words.iter().for_each(|word| assert!(text.contains(word), "{word:?} is not in {text:?}"));
}

/// Twenty good rows, spread over all shards, so that a bad one among them must stop the others.
fn good() -> NamedRows {
    rows(0..20)
}

fn with(mut rows: NamedRows, name: &str, mut column: Column) -> NamedRows {
    match rows.names.iter().position(|known| known == name) {
        Some(at) => {
            column.field = FieldId(at as u64);
            rows.batch.columns[at] = column;
        }
        None => {
            column.field = FieldId(rows.names.len() as u64);
            rows.names.push(name.into());
            rows.batch.columns.push(column);
        }
    }
    rows
}

fn without(rows: NamedRows, name: &str) -> NamedRows {
    let columns = rows.names.into_iter().zip(rows.batch.columns);
    NamedRows::new(columns.filter(|(known, _)| known != name).collect()).unwrap()
}

#[tokio::test]
async fn fields_must_be_those_of_the_schema() {
    let unknown = with(good(), "color", ints(0..20));
    refused(schema(), unknown, Code::FieldNotFound, &["color", "title", "vector"]).await;
    refused(schema(), without(good(), "vector"), Code::InvalidParameter, &["missing", "field=vector"]).await;
    refused(schema(), without(good(), "id"), Code::InvalidParameter, &["missing", "field=id"]).await;
    let mut twice = with(good(), "title2", texts(vec!["x"; 20]));
    twice.names[3] = "title".into();
    refused(schema(), twice, Code::InvalidParameter, &["twice", "field=title"]).await;
    let no_dynamic = with(good(), "$meta", json(vec!["{}"; 20]));
    let plain = CollectionSchema::new(schema().fields.into_iter().filter(|f| !f.is_dynamic).collect());
    refused(plain, no_dynamic, Code::InvalidParameter, &["dynamic"]).await;
}

#[tokio::test]
async fn types_and_dimensions_must_fit() {
    let wrong_type = with(good(), "title", ints(0..20));
    refused(schema(), wrong_type, Code::InvalidParameter, &["VarChar", "Int64", "field=title"]).await;
    let three = Column::new(FieldId(0), ColumnData::FloatVector { dim: 3, values: vec![0.0; 60] });
    refused(schema(), with(good(), "vector", three), Code::InvalidParameter, &["3 dim", "2", "field=vector"])
        .await;
}

#[tokio::test]
async fn values_must_be_finite_and_short_enough() {
    for (value, word) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let mut values = vec![0.5; 40];
        values[35] = value;
        let words = [word, "element 1", "field=vector", "row=17"];
        refused(schema(), with(good(), "vector", vectors(values)), Code::InvalidParameter, &words).await;
    }
    let mut ranks = vec![0.5; 20];
    ranks[3] = f64::NAN;
    let rank = Column::new(FieldId(0), ColumnData::Double(ranks));
    refused(schema(), with(good(), "rank", rank), Code::InvalidParameter, &["NaN", "field=rank", "row=3"])
        .await;
    // Six characters, but eleven bytes.
    let mut titles = vec!["ok"; 20];
    titles[6] = "żółwżż";
    let words = ["11 bytes", "max_length is 8", "field=title", "row=6"];
    refused(schema(), with(good(), "title", texts(titles)), Code::ParameterTooLarge, &words).await;
}

#[tokio::test]
async fn json_must_be_json_small_and_must_not_hide_fields() {
    let bad = |row: usize, text: &str| {
        let mut values = vec!["{}".to_owned(); 20];
        values[row] = text.to_owned();
        with(good(), "$meta", json(values))
    };
    refused(schema(), bad(2, "{\"a\": }"), Code::InvalidParameter, &["JSON", "row=2", "column 7"]).await;
    refused(schema(), bad(3, "[1]"), Code::InvalidParameter, &["object", "row=3"]).await;
    refused(schema(), bad(4, "{\"title\": 1}"), Code::InvalidParameter, &["title", "row=4"]).await;
    refused(schema(), bad(4, "{\"$meta\": 1}"), Code::InvalidParameter, &["$meta", "row=4"]).await;
    let long = format!("{{\"a\": \"{}\"}}", "x".repeat(70_000));
    refused(schema(), bad(5, &long), Code::ParameterTooLarge, &["65536", "row=5"]).await;
}

#[tokio::test]
async fn nulls_need_a_nullable_field_or_a_default() {
    let mut title = texts(vec!["a"; 20]);
    title.validity = Some((0..20).map(|row| row != 9).collect());
    refused(
        schema(),
        with(good(), "title", title),
        Code::InvalidParameter,
        &["null", "field=title", "row=9"],
    )
    .await;
    let mut id = ints(0..20);
    id.validity = Some((0..20).map(|row| row != 1).collect());
    refused(schema(), with(good(), "id", id), Code::InvalidParameter, &["null", "field=id", "row=1"]).await;
}

#[tokio::test]
async fn keys_follow_auto_id_and_the_conflict_rule() {
    let given = named(vec![("id", ints([1])), ("vector", vectors(vec![0.0; 2]))]);
    refused(auto_id_schema(), given, Code::InvalidParameter, &["auto_id", "field=id"]).await;
    let mut reject = schema();
    reject.pk_conflict = PkConflict::Reject;
    refused(reject, rows([4, 5, 4]), Code::InvalidParameter, &["key 4", "rows 0 and 2", "reject"]).await;
}

#[tokio::test]
async fn the_batch_itself_must_make_sense() {
    refused(schema(), rows([]), Code::InvalidParameter, &["no rows"]).await;
    let mut ragged = good();
    ragged.batch.columns[1] = texts(["one"]);
    refused(schema(), ragged, Code::InvalidParameter, &["1 rows", "20", "field=title"]).await;
    let mut half_vector = good();
    half_vector.batch.columns[2] = vectors(vec![0.0; 41]);
    refused(schema(), half_vector, Code::InvalidParameter, &["field=vector"]).await;
    let mut nameless = good();
    nameless.names.pop();
    refused(schema(), nameless, Code::InvalidParameter, &["2 names for 3 columns"]).await;
    let big = "x".repeat(MESSAGE_BYTES_MAX / 20 + 1);
    let big = with(good(), "$meta", json(vec![big; 20]));
    refused(schema(), big, Code::ParameterTooLarge, &["67108864"]).await;
}

#[tokio::test]
async fn a_request_may_have_so_many_bytes() {
    let config = ProxyConfig { message_bytes_max: 600, ..ProxyConfig::default() };
    let bench = Bench::with_config(schema(), 2, config);
    bench.insert(rows(0..4)).await.unwrap();
    let too_large = |error: Error| says(&error, Code::ParameterTooLarge, &["at most 600"]);
    too_large(bench.insert(rows(0..100)).await.unwrap_err());
    too_large(bench.search(|r| r.vectors = vec![0.0; 2 * 100].into()).await.unwrap_err());
    too_large(
        bench.query(|r| r.filter = format!("id in {:?}", (0..200).collect::<Vec<_>>())).await.unwrap_err(),
    );
    assert_eq!(bench.cluster.row_total(), 4);
}

#[tokio::test]
async fn requests_must_name_what_exists_and_what_is_current() {
    let bench = Bench::new(schema(), 2);
    let insert = |change: fn(&mut InsertRequest)| {
        let mut request = insert_request(good());
        change(&mut request);
        bench.proxy.insert(Call::default(), request)
    };
    let error = insert(|request| request.collection = "nothing".into()).await.unwrap_err();
    assert_eq!(error.to_string(), "collection not found[database=default][collection=nothing]");
    let error = insert(|request| request.partition = Some("nowhere".into())).await.unwrap_err();
    says(&error, Code::PartitionNotFound, &["nowhere"]);
    let error = insert(|request| request.schema_timestamp = Some(Timestamp(9))).await.unwrap_err();
    says(&error, Code::SchemaMismatch, &["9", "10"]);
    let part = RequestId { part: 1, ..RequestId::default() };
    let mut request = insert_request(good());
    request.request = Some(part);
    says(&bench.proxy.insert(Call::default(), request).await.unwrap_err(), Code::InvalidParameter, &["part"]);
    let other = Call { database: "other".into(), ..Call::default() };
    let error = bench.proxy.insert(other, insert_request(good())).await.unwrap_err();
    says(&error, Code::DatabaseNotFound, &["other"]);
    assert_eq!(bench.cluster.entries(), 0);
}

#[tokio::test]
async fn searches_are_checked() {
    let bench = Bench::new(schema(), 2);
    let bad = |code, words: &'static [&'static str], change: fn(&mut SearchRequest)| {
        let bench = &bench;
        async move { says(&bench.search(change).await.unwrap_err(), code, words) }
    };
    let invalid = Code::InvalidParameter;
    bad(invalid, &["limit is 0", "16384"], |r| r.limit = 0).await;
    bad(invalid, &["limit is 16385"], |r| r.limit = TOPK_MAX + 1).await;
    bad(invalid, &["offset + limit is 16385"], |r| r.offset = TOPK_MAX - 9).await;
    bad(invalid, &["3 dimensions", "has 2"], |r| r.dim = 3).await;
    bad(invalid, &["not a multiple"], |r| r.vectors = vec![0.0; 3].into()).await;
    bad(invalid, &["nq is 0"], |r| r.vectors = QueryVectors::Float(vec![])).await;
    bad(invalid, &["nq is 16385"], |r| r.vectors = vec![0.0; 2 * (NQ_MAX + 1)].into()).await;
    bad(invalid, &["query vector 1", "NaN"], |r| r.vectors = vec![0.0, 0.0, f32::NAN, 0.0].into()).await;
    bad(Code::FieldNotFound, &["nope"], |r| r.field = "nope".into()).await;
    bad(invalid, &["VarChar", "title"], |r| r.field = "title".into()).await;
    bad(invalid, &["nprobes"], |r| r.params = BTreeMap::from([("nprobes".into(), "8".into())])).await;
    bad(invalid, &["radius", "wide"], |r| r.params = BTreeMap::from([("radius".into(), "wide".into())]))
        .await;
    bad(Code::PartitionNotFound, &["nowhere"], |r| r.partitions = vec!["nowhere".into()]).await;
    bad(invalid, &["filter", "character"], |r| r.filter = "year >".into()).await;
    bench.cluster.add_index(Metric::Cosine, "HNSW");
    bad(invalid, &["L2", "COSINE"], |r| r.metric = Some(Metric::L2)).await;
    bad(invalid, &["ef", "10"], |r| {
        r.metric = None;
        r.params = BTreeMap::from([("ef".into(), "5".into())]);
    })
    .await;
    bench.cluster.alter(|c| drop(c.properties.insert("milvus.strict_load".into(), "true".into())));
    bad(Code::CollectionNotLoaded, &["docs"], |r| r.metric = None).await;
}

#[tokio::test]
async fn output_fields_without_dynamic_fields_must_exist() {
    let bench = Bench::new(auto_id_schema(), 1);
    let error = bench.search(|r| r.output_fields = vec!["color".into()]).await.unwrap_err();
    says(&error, Code::FieldNotFound, &["color"]);
    let error = bench.query(|r| r.output_fields = vec!["$meta".into()]).await.unwrap_err();
    says(&error, Code::FieldNotFound, &["$meta"]);
}

#[tokio::test]
async fn an_expression_is_not_taken_for_a_dynamic_key() {
    let bench = Bench::new(schema(), 1);
    for (asked, word) in [("count(*)", "query"), ("color[\"deep\"]", "JSON"), ("$meta['color']", "JSON")] {
        let error = bench.search(|r| r.output_fields = vec![asked.into()]).await.unwrap_err();
        says(&error, Code::InvalidParameter, &[word, "expression"]);
    }
    bench.search(|r| r.output_fields = vec!["first-colour".into()]).await.unwrap();
}

#[tokio::test]
async fn queries_and_deletes_are_checked() {
    let bench = Bench::new(schema(), 2);
    let count = vec!["count(*)".to_owned()];
    says(&bench.query(|r| r.limit = None).await.unwrap_err(), Code::InvalidParameter, &["limit"]);
    says(&bench.query(|r| r.limit = Some(0)).await.unwrap_err(), Code::InvalidParameter, &["limit is 0"]);
    says(&bench.query(|r| r.offset = TOPK_MAX).await.unwrap_err(), Code::InvalidParameter, &["16484"]);
    says(
        &bench.query(|r| r.output_fields = count.clone()).await.unwrap_err(),
        Code::InvalidParameter,
        &["limit"],
    );
    let both = vec!["count(*)".to_owned(), "id".to_owned()];
    says(&bench.query(|r| r.output_fields = both).await.unwrap_err(), Code::InvalidParameter, &["only"]);
    let delete = |rows| {
        let request = DeleteRequest { collection: "docs".into(), partition: None, rows, request: None };
        bench.proxy.delete(Call::default(), request)
    };
    says(&delete(DeleteRows::Filter(" ".into())).await.unwrap_err(), Code::InvalidParameter, &["filter"]);
    says(&delete(DeleteRows::Keys(vec![])).await.unwrap_err(), Code::MissingParameter, &["none"]);
    let text = DeleteRows::Keys(vec![PrimaryKey::VarChar("a".into())]);
    says(&delete(text).await.unwrap_err(), Code::InvalidParameter, &["Int64", "field=id"]);
    assert_eq!(bench.cluster.entries(), 0);
}
