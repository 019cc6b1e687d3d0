//! I21: inserts wait for the voter that has the least room, by name; for one that is gone they do not.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::time::Duration;
use vecraft_client::types::{CollectionSchema, DataType, FieldSchema};
use vecraft_client::{Client, Rows};
use vecraft_test_cluster::{PATIENCE, Sandbox, create, eventually, found, metric, rows};
use vecraft_types::api::Consistency;

/// One for each group of three nodes, so that node 3 does not lead all of them.
const NAMES: [&str; 3] = ["a", "b", "c"];

/// Restarts node 3 with a memory limit; 0 is the default.
async fn limit_third(sandbox: &mut Sandbox, bytes: u64) {
    if sandbox.running().contains(&3) {
        sandbox.stop(3).await;
    }
    sandbox.config.data.memory_limit_bytes = bytes;
    sandbox.try_start(3).await.unwrap();
    sandbox.config.data.memory_limit_bytes = 0;
}

/// The first of the collections whose insert is refused because of node 3.
async fn refused_for_third(client: &Client, key: &mut i64) -> Option<&'static str> {
    for name in NAMES {
        *key += 1;
        if let Err(error) = client.collection(name).insert(rows(*key, 1)).await {
            let text = error.to_string();
            assert!(text.contains("memory limit exceeded"), "{text}");
            if text.contains("node 3, which has a replica, has no room") {
                return Some(name);
            }
        }
    }
    None
}

async fn all_are_taken(client: &Client, key: &mut i64) -> bool {
    for name in NAMES {
        *key += 1;
        if client.collection(name).insert(rows(*key, 1)).await.is_err() {
            return false;
        }
    }
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i21_a_voter_without_room_stops_inserts_by_name_and_one_that_is_gone_does_not() {
    let mut sandbox = Sandbox::start(3).await;
    for name in NAMES {
        create(&sandbox.client(1), name).await.insert(rows(0, 100)).await.unwrap();
    }
    let mut key = 1_000;
    // What every replica holds already is more.
    limit_third(&mut sandbox, 1).await;
    let client = sandbox.client(1);
    let mut hit = None;
    eventually("inserts are refused for node 3", async || {
        hit = refused_for_third(&client, &mut key).await;
        hit.is_some()
    })
    .await;
    // Deletes are how a user makes room, and reads go on.
    let hit = hit.unwrap();
    let before = found(&client, hit, Consistency::Strong).await.unwrap();
    client.collection(hit).delete_where("id < 50").await.unwrap();
    assert_eq!(found(&client, hit, Consistency::Strong).await.unwrap(), before - 50);

    sandbox.stop(3).await;
    eventually("two voters go on without the third", async || all_are_taken(&client, &mut key).await).await;

    limit_third(&mut sandbox, 0).await;
    sandbox.at_rest(1, 3).await;
    for _ in 0..20 {
        eventually("inserts are taken", async || all_are_taken(&client, &mut key).await).await;
    }
    assert_eq!(refused_for_third(&client, &mut key).await, None);
    drop(client);
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i21_a_voter_with_less_memory_gets_room_again_without_help() {
    const DIM: usize = 8_192;
    const LIMIT_BYTES: u64 = 16 << 20;
    let mut sandbox = Sandbox::start(3).await;
    limit_third(&mut sandbox, LIMIT_BYTES).await;
    sandbox.at_rest(1, 3).await;
    let client = sandbox.client(1);
    for name in NAMES {
        let schema = CollectionSchema::new(vec![
            FieldSchema::new("id", DataType::Int64).primary(false),
            FieldSchema::new("v", DataType::FloatVector { dim: DIM as u32 }),
        ]);
        client.create(name, schema).await.unwrap();
    }
    // Twice the limit into each collection, 50 rows (1.6 MiB) at a time, one after another: the leader of at least two of
    // them is another node than the third, and has memory for all of it.
    let each = 2 * LIMIT_BYTES as i64 / (50 * DIM as i64 * 4);
    let batches = each * NAMES.len() as i64;
    let (mut for_third, mut most) = (0, 0.0_f64);
    let filling = async {
        for batch in 0..batches {
            let keys = batch * 50..batch * 50 + 50;
            let rows = || Rows::new().int64("id", keys.clone()).vectors("v", DIM as u32, vec![1.0; 50 * DIM]);
            let wide = client.collection(NAMES[(batch / each) as usize]);
            while let Err(error) = wide.insert(rows()).await {
                let text = error.to_string();
                assert!(text.contains("limit") || text.contains("leader"), "{text}");
                for_third += usize::from(text.contains("node 3, which has a replica"));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            most = most.max(metric(&sandbox, 3, "vecraft_memory_bytes").await);
        }
    };
    tokio::time::timeout(2 * PATIENCE, filling).await.expect("inserts stayed refused");
    assert!(for_third > 0, "nobody waited for node 3");
    // Without its word it would hold all of it: a segment is sealed by size at 122 MB only.
    assert!(most < 2.0 * LIMIT_BYTES as f64, "{} MiB of rows in memory", most as u64 >> 20);
    for name in NAMES {
        assert_eq!(client.collection(name).count().await.unwrap(), 50 * each as u64);
    }
    drop(client);
    sandbox.stop_all().await;
}
