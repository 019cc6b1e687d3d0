//! An explanation through the Rust client names the replica that answered, and counts ranks over all shards.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use vecraft_client::Client;
use vecraft_test_cluster::{Sandbox, eventually, found, rows};
use vecraft_types::api::{Call, Consistency, CreateCollection, Database, KeyVerdict};
use vecraft_types::{CollectionSchema, DataType, FieldSchema, Metric, NodeId, PrimaryKey};

async fn create(client: &Client) {
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("v", DataType::FloatVector { dim: 4 }),
    ]);
    let request = CreateCollection {
        name: "books".to_owned(),
        schema,
        shards: 3,
        properties: BTreeMap::new(),
        default_consistency: 2,
    };
    client.create_collection(Call::default(), request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_replica_that_answered_is_named_and_ranks_are_those_of_all_shards() {
    let mut sandbox = Sandbox::start(3).await;
    let writer = sandbox.client(1);
    create(&writer).await;
    writer.collection("books").insert(rows(0, 300)).await.unwrap();
    for node in 1..=3 {
        // Over the network, asking this door only; what it has itself it answers itself.
        let builder = Client::builder().address(sandbox.client_address(node)).follow_topology(false);
        let client = builder.connect().await.unwrap();
        eventually("the replica has the rows", async || {
            found(&sandbox.client(node), "books", Consistency::Eventually).await == Ok(300)
        })
        .await;
        let search = client.collection("books").search(&[100.0, 1.0, 2.0, 3.0]).metric(Metric::L2).limit(5);
        let keys = [100, 99, 150, 1_000].map(PrimaryKey::Int64);
        let told =
            search.consistency(Consistency::Eventually).explain().why_missing(keys).run().await.unwrap();
        let shards = &told.explanation.shards;
        let first: Vec<_> = shards.iter().filter(|shard| shard.round == 1).collect();
        assert_eq!(first.iter().map(|shard| shard.shard).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(first.iter().all(|shard| shard.node == NodeId(node) && shard.group.is_some()), "{shards:#?}");
        assert!(
            first.iter().all(|shard| shard.proxy_us >= shard.execute_us + shard.barrier_us),
            "{shards:#?}"
        );
        let rows: u64 = first.iter().flat_map(|shard| &shard.segments).map(|segment| segment.matches).sum();
        assert_eq!(rows, 300);
        let told = &told.explanation.keys;
        assert_eq!((told[0].verdict, told[0].rank, told[0].place), (KeyVerdict::Found, Some(1), Some(1)));
        // 99 and 101 are as near as each other.
        assert!(matches!(told[1].rank, Some(2 | 3)), "{told:?}");
        assert!(matches!(told[2].rank, Some(100 | 101)), "{told:?}");
        assert_eq!((told[2].verdict, told[3].verdict), (KeyVerdict::BeyondLimit, KeyVerdict::Absent));
        assert!(told.iter().all(|told| told.is_of_one_view), "nobody writes");
    }
    sandbox.stop_all().await;
}
