//! I22, I23: a replica that holds something else than the others leaves service, nobody else does, and it is made anew.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use vecraft_storage::failpoint;
use vecraft_test_cluster::{Sandbox, create, eventually, found, metric, metric_sum, rows};
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
async fn i22_a_replica_that_differs_leaves_service_and_is_made_anew_while_the_others_serve() {
    let mut sandbox = Sandbox::start(3).await;
    create(&sandbox.client(1), "books").await;
    // One replica takes one entry for another than it is.
    failpoint::configure("data.digest=1*error").unwrap();
    insert(&sandbox, 0, ENTRIES).await;

    let told = async |name| {
        let mut told = Vec::new();
        for id in sandbox.running() {
            told.push(metric(&sandbox, id, name).await as u64);
        }
        told
    };
    let left = async || told("vecraft_replicas_left_service_total").await;
    eventually("a replica leaves service", async || left().await.iter().sum::<u64>() > 0).await;
    let odd = 1 + left().await.iter().position(|groups| *groups == 1).unwrap() as u64;
    // Nobody loses anything meanwhile: reads at every level and writes through every node.
    for id in 1..=3 {
        let client = sandbox.client(id);
        assert_eq!(client.collection("books").count().await.unwrap(), ENTRIES as u64);
        assert_eq!(found(&client, "books", Consistency::Eventually).await, Ok(ENTRIES as usize));
    }
    insert(&sandbox, ENTRIES, ENTRIES).await;
    assert_eq!(sandbox.client(2).collection("books").count().await.unwrap(), 2 * ENTRIES as u64);

    // There is no elsewhere: it is made anew in its place, and counts.
    eventually("none is out of service", async || {
        told("vecraft_groups_out_of_service").await.iter().sum::<u64>() == 0
    })
    .await;
    assert_eq!(left().await.iter().sum::<u64>(), 1, "only the odd one out, and once");
    sandbox.at_rest(1, 3).await;
    let local = sandbox.client(odd);
    eventually("the new one has it all", async || {
        found(&local, "books", Consistency::Eventually).await == Ok(2 * ENTRIES as usize)
    })
    .await;
    drop(local);
    eventually("all three follow", async || {
        metric_sum(&sandbox, "vecraft_group_follower_lag_entries").await == 0.0
    })
    .await;
    // A replica made anew learns first and counts later: of two that count, one dead is no majority left.
    eventually("all three count", async || {
        let sum = async |name| metric_sum(&sandbox, name).await;
        let replicas = sum("vecraft_group_has_leader").await;
        sum("vecraft_group_voters").await == 3.0 * replicas
            && sum("vecraft_group_voters_heard").await == replicas
    })
    .await;
    let other = 1 + odd % 3;
    sandbox.stop(other).await;
    let books = sandbox.client(odd).collection("books");
    books.insert(rows(2 * ENTRIES, 10)).await.unwrap();
    assert_eq!(books.count().await.unwrap(), 2 * ENTRIES as u64 + 10, "with one of the others dead");
    drop(books);
    sandbox.stop_all().await;
}
