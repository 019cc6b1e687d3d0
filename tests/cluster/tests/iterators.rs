//! I18: pages of one moment, whoever serves them, whatever is written between them, and whichever node is away.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::time::Duration;
use vecraft_client::{Client, Rows};
use vecraft_test_cluster::{Sandbox, eventually};
use vecraft_types::api::*;
use vecraft_types::{
    CollectionSchema, ColumnData, DataType, FieldSchema, Metric, PrimaryKey, QueryVectors, Result, Timestamp,
};

const ROWS: i64 = 300;
/// Rows have one of so many distances from the origin.
const DISTANCES: i64 = 7;

/// Rows whose version says which writing they are of.
fn rows(keys: impl Iterator<Item = i64> + Clone, version: i32) -> Rows {
    let values = keys.clone().flat_map(|key| [(key % DISTANCES) as f32, 0.0]).collect();
    Rows::new()
        .int64("id", keys.clone())
        .vectors("v", 2, values)
        .data("version", ColumnData::Int32(keys.map(|_| version).collect()))
}

async fn filled(client: &Client) {
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("v", DataType::FloatVector { dim: 2 }),
        FieldSchema::new("version", DataType::Int32),
    ]);
    let request = CreateCollection {
        name: "books".to_owned(),
        schema,
        shards: 2,
        properties: BTreeMap::new(),
        default_consistency: 2,
    };
    client.create_collection(Call::default(), request).await.unwrap();
    client.collection("books").insert(rows(0..ROWS, 1)).await.unwrap();
}

/// Replaces, deletes and adds rows, and seals what is there.
async fn disturb(client: &Client, round: i64) {
    let books = client.collection("books");
    books.upsert(rows((0..ROWS).step_by(3).map(|key| (key + round) % ROWS), 2)).await.unwrap();
    books.delete([round * 40, round * 40 + 1].map(PrimaryKey::Int64)).await.unwrap();
    books.insert(rows(1_000 + round * 10..1_005 + round * 10, 2)).await.unwrap();
    if round % 2 == 0 {
        books.flush().await.unwrap();
    }
}

/// Where the last page ended.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    moment: Moment,
    key: i64,
    score: Option<f32>,
}

const BEGIN: Cursor = Cursor { moment: Moment::Begin, key: -1, score: None };

/// Keys and versions of one page, and where it ended.
async fn query_page(client: &Client, at: Cursor) -> Result<(Vec<(i64, i32)>, Cursor)> {
    let request = QueryRequest {
        collection: "books".to_owned(),
        partitions: vec![],
        filter: format!("id > {}", at.key),
        output_fields: vec!["version".to_owned()],
        limit: Some(40),
        offset: 0,
        consistency: Consistency::Eventually,
        moment: at.moment,
        seen: vec![],
    };
    let reply = client.query(Call::default(), request).await?;
    let page = told(&reply.rows);
    let key = page.last().map_or(at.key, |(key, _)| *key);
    Ok((page, Cursor { moment: Moment::Of(reply.timestamp), key, ..at }))
}

async fn search_page(client: &Client, at: Cursor) -> Result<(Vec<(i64, i32)>, Cursor)> {
    let request = SearchRequest {
        collection: "books".to_owned(),
        partitions: vec![],
        field: String::new(),
        dim: 2,
        vectors: QueryVectors::Float(vec![0.0, 0.0]),
        metric: Some(Metric::L2),
        limit: 20,
        offset: 0,
        filter: "id >= 0".to_owned(),
        params: BTreeMap::new(),
        output_fields: vec!["version".to_owned()],
        group_by: None,
        page: Some(SearchPage { after: at.score }),
        consistency: Consistency::Eventually,
        moment: at.moment,
        seen: vec![],
        explain: None,
    };
    let reply = client.search(Call::default(), request).await?;
    assert!(reply.scores.windows(2).all(|two| two[0] <= two[1]));
    let score = reply.scores.last().copied().or(at.score);
    Ok((told(&reply.rows), Cursor { moment: Moment::Of(reply.timestamp), score, ..at }))
}

fn told(rows: &NamedRows) -> Vec<(i64, i32)> {
    let column = |name: &str| rows.column(name).map(|column| &column.data);
    match (column("id"), column("version")) {
        (Some(ColumnData::Int64(ids)), Some(ColumnData::Int32(versions))) => {
            ids.iter().copied().zip(versions.iter().copied()).collect()
        }
        _ => panic!("{:?}", rows.names),
    }
}

/// What the moment before all disturbances had, in the order of keys.
fn expected() -> Vec<(i64, i32)> {
    (0..ROWS).map(|key| (key, 1)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i18_pages_at_different_nodes_are_of_one_moment_while_nodes_go_and_come() {
    let mut sandbox = Sandbox::start(3).await;
    filled(&sandbox.client(1)).await;
    let (mut by_key, mut by_distance) = (BEGIN, BEGIN);
    let (mut queried, mut searched) = (vec![], vec![]);
    for round in 0..30 {
        let running = sandbox.running();
        let node = running[round as usize % running.len()];
        let (page, next) = query_page(&sandbox.client(node), by_key).await.unwrap();
        let (hits, next_hits) = search_page(&sandbox.client(node), by_distance).await.unwrap();
        if page.is_empty() && hits.is_empty() {
            break;
        }
        (by_key, by_distance) = (next, next_hits);
        queried.extend(page);
        searched.extend(hits);
        disturb(&sandbox.client(running[0]), round).await;
        // Whoever leads is among those that go.
        match round {
            0 => sandbox.stop(1).await,
            1 => sandbox.try_start(1).await.unwrap(),
            2 => sandbox.stop(2).await,
            3 => sandbox.try_start(2).await.unwrap(),
            4 => sandbox.stop(3).await,
            5 => sandbox.try_start(3).await.unwrap(),
            _ => {}
        }
    }
    assert_eq!(queried, expected());
    searched.sort_unstable();
    assert_eq!(searched, expected(), "each once");

    // A moment that only a made-up timestamp names is refused at every node, and told from one that is too new.
    let Moment::Of(moment) = by_key.moment else { panic!("it began") };
    for node in 1..=3 {
        let nobodys = Cursor { moment: Moment::Of(Timestamp(moment.0 - 1)), ..BEGIN };
        let error = query_page(&sandbox.client(node), nobodys).await.unwrap_err();
        assert!(error.is_input_error() && error.detail.contains("no iterator"), "node {node}: {error}");
    }
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i18_a_moment_survives_a_restart_of_the_only_node() {
    let mut sandbox = Sandbox::start(1).await;
    filled(&sandbox.client(1)).await;
    let (mut queried, mut at) = query_page(&sandbox.client(1), BEGIN).await.unwrap();
    for round in 0..10 {
        disturb(&sandbox.client(1), round).await;
        sandbox.stop(1).await;
        sandbox.try_start(1).await.unwrap();
        let (page, next) = query_page(&sandbox.client(1), at).await.unwrap();
        at = next;
        queried.extend(page);
        if queried.len() >= ROWS as usize {
            break;
        }
    }
    assert_eq!(queried, expected());
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i18_the_clients_pages_go_on_when_the_leader_goes() {
    let mut sandbox = Sandbox::start(3).await;
    filled(&sandbox.client(1)).await;
    let builder = Client::builder().address(sandbox.client_address(1)).address(sandbox.client_address(2));
    let client = builder.deadline(Duration::from_secs(60)).connect().await.unwrap();
    let books = client.collection("books");
    let mut pages = books.query("").output(["version"]).pages(70);
    let mut hits = books.search(&[0.0, 0.0]).metric(Metric::L2).output(["version"]).pages(50);
    let (mut queried, mut searched) = (vec![], vec![]);
    for round in 0..20 {
        let page = pages.next().await.unwrap();
        let found = hits.next().await.unwrap();
        if page.is_none() && found.is_none() {
            break;
        }
        queried.extend(page.map(|page| told(&page.rows)).unwrap_or_default());
        let key = |key: &PrimaryKey| match key {
            PrimaryKey::Int64(key) => *key,
            PrimaryKey::VarChar(_) => panic!("keys are numbers"),
        };
        let of = found.unwrap_or_default();
        searched.extend(of.iter().map(|hit| (key(&hit.key), hit.int("version").unwrap() as i32)));
        disturb(&client, round).await;
        if round == 1 {
            let request = TopologyRequest { collection: Some("books".to_owned()) };
            let mut leader = None;
            eventually("a leader is known", async || {
                let reply = client.topology(Call::default(), request.clone()).await.unwrap();
                leader = reply.collection.and_then(|place| place.shards[0].leader);
                leader.is_some()
            })
            .await;
            sandbox.stop(leader.unwrap().0).await;
        }
    }
    assert_eq!(queried, expected());
    searched.sort_unstable();
    assert_eq!(searched, expected());
    assert!(pages.moment().is_some() && pages.moment() != hits.moment(), "each has its own");
    sandbox.stop_all().await;
}
