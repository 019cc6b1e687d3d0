//! I21: wide rows past the memory limit, and nobody flushes. Inserts must be taken again by themselves.
#![allow(clippy::unwrap_used)]

use std::time::Duration;
use vecraft_client::types::{CollectionSchema, DataType, FieldSchema};
use vecraft_client::{Client, Rows};
use vecraft_config::Config;
use vecraft_server::Server;

const DIM: usize = 8_192;
const LIMIT_BYTES: u64 = 32 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i21_inserts_past_the_memory_limit_are_taken_again_without_help() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config::embedded(directory.path().join("data")).with_free_ports();
    config.data.memory_limit_bytes = LIMIT_BYTES;
    let server = Server::start(&config, 1).await.unwrap();
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("v", DataType::FloatVector { dim: DIM as u32 }),
    ]);
    let client = Client::embedded(server.database()).unwrap();
    let wide = client.create("wide", schema).await.unwrap();

    // Four times the limit, 100 rows (3 MiB) at a time; the client waits when it is told to.
    let batches = 4 * LIMIT_BYTES as i64 / (100 * DIM as i64 * 4);
    let filling = async {
        for batch in 0..batches {
            let keys = batch * 100..batch * 100 + 100;
            let rows = || {
                Rows::new().int64("id", keys.clone()).vectors("v", DIM as u32, vec![batch as f32; 100 * DIM])
            };
            while let Err(error) = wide.insert(rows()).await {
                assert!(error.to_string().contains("limit"), "{error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(120), filling).await.expect("inserts stayed refused");
    assert_eq!(wide.count().await.unwrap(), batches as u64 * 100);
    server.stop("the test is over").await;
}
