//! What only the whole wiring shows, and no client can see.
#![allow(clippy::unwrap_used)]

use super::*;
use vecraft_rpc::services::ShardCreation;
use vecraft_types::api::{Call, CollectionName, CreateCollection};
use vecraft_types::{CollectionDescriptor, CollectionSchema, DataType, FieldSchema};

/// Longest wait on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

async fn made(server: &Server, name: &str) -> CollectionDescriptor {
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("v", DataType::FloatVector { dim: 4 }),
    ]);
    let (name, properties) = (name.to_owned(), Default::default());
    let request =
        CreateCollection { name: name.clone(), schema, shards: 1, properties, default_consistency: 2 };
    let db = server.database();
    db.create_collection(Call::default(), request).await.unwrap();
    db.describe_collection(Call::default(), CollectionName::Name(name)).await.unwrap()
}

/// Shards on this node.
fn shards(server: &Server) -> u64 {
    server.roles.data.figures().shards
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let reached = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, reached).await.is_ok(), "never: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i11_a_shard_that_a_late_call_makes_for_a_dropped_collection_does_not_stay() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::embedded(dir.path()).with_free_ports();
    let server = Server::start(&config, 1).await.unwrap();
    made(&server, "kept").await;
    let dropped = made(&server, "dropped").await;
    server.database().drop_collection(Call::default(), "dropped".to_owned()).await.unwrap();
    until("it is dropped", || shards(&server) == 1).await;
    // The coordinator's call arrives only now.
    let placed = dropped.shards[0];
    let creation = ShardCreation { shard: placed.shard, schema: dropped.schema };
    server.roles.local.admin.create_shard(placed.group, creation).await.unwrap();
    until("it is gone again", || shards(&server) == 1).await;
    server.stop("the test says so").await;

    let server = Server::start(&config, 1).await.unwrap();
    assert_eq!(shards(&server), 1);
    made(&server, "kept").await;
    server.stop("the test says so").await;
}
