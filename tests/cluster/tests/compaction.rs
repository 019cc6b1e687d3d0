//! Compactions on demand: whoever led when somebody asked, they are done, and every node says the same of them.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use vecraft_client::{Client, Rows};
use vecraft_test_cluster::{Sandbox, eventually, metric};
use vecraft_types::api::*;
use vecraft_types::{CollectionSchema, DataType, FieldSchema, NodeId};

const SHARDS: u32 = 2;

async fn create(client: &Client) {
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("v", DataType::FloatVector { dim: 2 }),
    ]);
    let request = CreateCollection {
        name: "books".to_owned(),
        schema,
        shards: SHARDS,
        properties: BTreeMap::new(),
        default_consistency: 2,
    };
    client.create_collection(Call::default(), request).await.unwrap();
}

fn rows(keys: std::ops::Range<i64>) -> Rows {
    let values = keys.clone().flat_map(|key| [key as f32, 0.0]).collect();
    Rows::new().int64("id", keys).vectors("v", 2, values)
}

/// Who takes the writes of the first shard, as soon as a node knows it.
async fn leader(client: &Client) -> NodeId {
    let mut found = None;
    eventually("a leader of the first shard", async || {
        let request = TopologyRequest { collection: Some("books".to_owned()) };
        let place = client.topology(Call::default(), request).await.unwrap().collection;
        found = place.and_then(|place| place.shards.first()?.leader);
        found.is_some()
    })
    .await;
    found.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_an_ask_is_done_whichever_leader_goes_right_after_it() {
    let mut sandbox = Sandbox::start(3).await;
    create(&sandbox.client(1)).await;
    let mut live = 0;
    for round in 0..4 {
        let first = round as i64 * 1_000;
        let client = sandbox.client(1 + round % 3);
        let books = client.collection("books");
        books.insert(rows(first..first + 500)).await.unwrap();
        if round % 2 == 0 {
            books.flush().await.unwrap();
        }
        let gone = books.delete_where(&format!("id >= {first} and id % 20 == 0")).await.unwrap().deleted;
        assert_eq!(gone, 25);
        live += 500 - gone;
        books.compact(None).await.unwrap();
        // The one that has the ask in its hands.
        let led = leader(&client).await.0;
        // A client inside a node keeps its files open.
        drop((client, books));
        sandbox.stop(led).await;
        let at = sandbox.running()[0];
        let books = sandbox.client(at).collection("books");
        eventually("the compaction that was asked for", async || {
            books.segments().await.is_ok_and(|told| told.asked.is_some_and(|asked| asked.is_done))
        })
        .await;
        let told = books.segments().await.unwrap();
        assert_eq!(told.segments.iter().map(|segment| segment.rows).sum::<u64>(), live, "{told:?}");
        assert_eq!(told.segments.len(), SHARDS as usize, "{told:?}");
        assert_eq!(books.count().await.unwrap(), live);
        drop(books);
        sandbox.try_start(led).await.unwrap();
    }
    // Every door says the same, and every replica has changed over.
    let told = sandbox.client(1).collection("books").segments().await.unwrap();
    let names = |told: &CollectionSegments| {
        told.segments.iter().map(|one| (one.shard, one.id, one.rows, one.standing)).collect::<Vec<_>>()
    };
    for node in 1..=3 {
        let here = sandbox.client(node).collection("books").segments().await.unwrap();
        assert_eq!(names(&here), names(&told));
        eventually("outputs to be read", async || {
            metric(&sandbox, node, "vecraft_compacting_segments").await == 0.0
        })
        .await;
    }
    sandbox.stop_all().await;
}
