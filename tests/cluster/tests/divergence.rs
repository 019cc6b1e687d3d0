//! I22, I23: a replica that holds something else than the others leaves service, and nobody else does.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use vecraft_storage::failpoint;
use vecraft_test_cluster::{Sandbox, create, eventually, figure, found, rows};
use vecraft_types::api::Consistency;

/// More entries than there are between two marks, in each of two shards' groups, wherever they are.
const ENTRIES: i64 = 2_400;

async fn insert(sandbox: &Sandbox, first: i64, count: i64) {
    let books = sandbox.client(1).collection("books");
    let books = &books;
    let insert = |key| async move { books.insert(rows(key, 1)).await.unwrap() };
    let keys: Vec<i64> = (first..first + count).collect();
    for keys in keys.chunks(100) {
        futures::future::join_all(keys.iter().map(|key| insert(*key))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i22_a_replica_that_differs_leaves_service_and_the_others_serve() {
    let mut sandbox = Sandbox::start(3).await;
    create(&sandbox.client(1), "books").await;
    // One replica takes one entry for another than it is.
    failpoint::configure("data.digest=1*error").unwrap();
    insert(&sandbox, 0, ENTRIES).await;

    let out = async || {
        let mut out = Vec::new();
        for id in 1..=3 {
            out.push(figure(&sandbox, id, "vecraft_groups_out_of_service").await as u64);
        }
        out
    };
    eventually("a replica leaves service", async || out().await.iter().sum::<u64>() > 0).await;
    // Nobody loses anything: reads at every level and writes through every node.
    for id in 1..=3 {
        let client = sandbox.client(id);
        assert_eq!(client.collection("books").count().await.unwrap(), ENTRIES as u64);
        assert_eq!(found(&client, "books", Consistency::Eventually).await, Ok(ENTRIES as usize));
    }
    insert(&sandbox, ENTRIES, ENTRIES).await;
    assert_eq!(sandbox.client(2).collection("books").count().await.unwrap(), 2 * ENTRIES as u64);
    assert_eq!(out().await.iter().sum::<u64>(), 1, "only the odd one out");

    // It stays away after a restart, with the reason.
    let odd = 1 + out().await.iter().position(|groups| *groups == 1).unwrap() as u64;
    sandbox.stop(odd).await;
    sandbox.start_all().await;
    assert_eq!(figure(&sandbox, odd, "vecraft_groups_out_of_service").await, 1.0);
    assert_eq!(sandbox.client(odd).collection("books").count().await.unwrap(), 2 * ENTRIES as u64);
    sandbox.stop_all().await;
}
