//! Scalar indexes with three replicas: each node builds its own, answers with it, and builds it again when it lost it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use vecraft_test_cluster::{Sandbox, create, eventually, metric, rows};
use vecraft_types::api::Consistency;

/// Waits until filters of every node that runs use so many.
async fn until_all_use(sandbox: &Sandbox, count: usize) {
    for node in sandbox.running() {
        eventually("scalar indexes are in use", async || {
            metric(sandbox, node, "vecraft_scalar_index_attached").await as usize == count
        })
        .await;
    }
}

/// Eventually reads the node's own replica.
async fn finds(sandbox: &Sandbox, node: u64) {
    let books = sandbox.client(node).collection("books");
    for (filter, wanted) in
        [("id == 321", 1), ("100 <= id < 110", 10), ("id in [1, 2, 5000]", 2), ("id != 7", 999)]
    {
        let query = books.query(filter).output(["id"]).consistency(Consistency::Eventually);
        assert_eq!(query.rows().await.unwrap().rows.batch.rows, wanted, "node {node}: {filter}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_replica_has_a_scalar_index_of_its_own() {
    let mut sandbox = Sandbox::cold(3);
    sandbox.config.index.autoindex_flat_rows_max = 100;
    sandbox.start_all().await;
    let books = create(&sandbox.client(1), "books").await;
    books.scalar_index("id", "STL_SORT", &[]).await.unwrap();
    books.insert(rows(0, 1_000)).await.unwrap();
    let segments: usize = sandbox
        .client(2)
        .collection("books")
        .flush()
        .await
        .unwrap()
        .iter()
        .map(|info| info.segments.len())
        .sum();
    assert!(segments > 0);
    until_all_use(&sandbox, segments).await;
    eventually("no row waits for its index", async || {
        books
            .indexes()
            .await
            .unwrap()
            .iter()
            .all(|index| index.pending_rows == 0 && index.indexed_rows == 1_000)
    })
    .await;
    drop(books);
    for node in 1..=3 {
        assert_eq!(metric(&sandbox, node, "vecraft_scalar_index_built_total").await as usize, segments);
        finds(&sandbox, node).await;
    }

    // One lost its files; the others open theirs.
    sandbox.stop_all().await;
    std::fs::remove_dir_all(sandbox.config.nodes[2].data_dir.join("scalars")).unwrap();
    sandbox.start_all().await;
    until_all_use(&sandbox, segments).await;
    for node in 1..=3 {
        let built = if node == 3 { segments } else { 0 };
        assert_eq!(
            metric(&sandbox, node, "vecraft_scalar_index_built_total").await as usize,
            built,
            "node {node}"
        );
        finds(&sandbox, node).await;
    }

    // Everywhere it goes with the collection.
    sandbox.client(2).collection("books").drop().await.unwrap();
    until_all_use(&sandbox, 0).await;
    let is_empty = |node: usize| {
        let root = sandbox.config.nodes[node].data_dir.join("scalars");
        std::fs::read_dir(root).is_ok_and(|dirs| dirs.count() == 0)
    };
    eventually("its files go", async || (0..3).all(is_empty)).await;
    sandbox.stop_all().await;
}
