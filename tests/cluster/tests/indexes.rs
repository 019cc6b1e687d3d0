//! I13 with three replicas: each has the index file that the shard's log names, whoever built first, was away or lost its own.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use vecraft_test_cluster::{Sandbox, create, eventually, rows};
use vecraft_types::api::Consistency;
use vecraft_types::{Metric, PrimaryKey};

/// Names of a node's index files. A name says which bytes the file holds.
fn index_files(sandbox: &Sandbox, node: u64) -> BTreeSet<String> {
    let root = sandbox.config.nodes[node as usize - 1].data_dir.join("indexes");
    let Ok(dirs) = std::fs::read_dir(root) else { return BTreeSet::new() };
    let files = dirs.flat_map(|dir| {
        let dir = dir.unwrap().path();
        let names = std::fs::read_dir(&dir).into_iter().flatten().flatten().map(|file| file.file_name());
        let dir = dir.file_name().unwrap().to_string_lossy().into_owned();
        names.map(|name| format!("{dir}/{}", name.to_string_lossy())).collect::<Vec<_>>()
    });
    files.collect()
}

async fn until_all_have(sandbox: &Sandbox, what: &str, expected: impl Fn(&BTreeSet<String>) -> bool) {
    eventually(what, async || {
        let files = index_files(sandbox, 1);
        expected(&files) && (2..=3).all(|node| index_files(sandbox, node) == files)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_all_replicas_come_to_the_index_that_the_log_names() {
    let mut sandbox = Sandbox::cold(3);
    sandbox.config.index.autoindex_flat_rows_max = 100;
    sandbox.start_all().await;
    let books = create(&sandbox.client(1), "books").await;
    books.index("v", "HNSW", Metric::L2).await.unwrap();
    books.insert(rows(0, 1_000)).await.unwrap();
    sandbox.client(2).collection("books").flush().await.unwrap();
    until_all_have(&sandbox, "all nodes have the same files", |files| {
        !files.is_empty() && files.iter().all(|file| file.ends_with(".idx"))
    })
    .await;
    eventually("no row waits for its index", async || {
        books.indexes().await.unwrap().iter().all(|index| index.pending_rows == 0)
    })
    .await;
    // A client inside a node keeps its store open.
    drop(books);
    let named = index_files(&sandbox, 1);
    for node in 1..=3 {
        // Eventually reads the node's own replica.
        let books = sandbox.client(node).collection("books");
        let hit = books.search(&[321.0, 1.0, 2.0, 3.0]).consistency(Consistency::Eventually);
        let hit = hit.metric(Metric::L2).limit(1).one().await.unwrap();
        assert_eq!(hit[0].key, PrimaryKey::Int64(321));
    }

    // A node that lost its index files makes the named ones again; the others do not notice.
    sandbox.stop(3).await;
    std::fs::remove_dir_all(sandbox.config.nodes[2].data_dir.join("indexes")).unwrap();
    sandbox.start_all().await;
    until_all_have(&sandbox, "node 3 has them again", |files| *files == named).await;

    // All of them together, too: nothing is built again, nothing is named again.
    sandbox.stop_all().await;
    sandbox.start_all().await;
    until_all_have(&sandbox, "they are still there", |files| *files == named).await;

    sandbox.client(2).collection("books").drop().await.unwrap();
    until_all_have(&sandbox, "a dropped collection takes them along", BTreeSet::is_empty).await;
    sandbox.stop_all().await;
}
