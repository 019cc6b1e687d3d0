//! I13 with three replicas: one builds and the others fetch, so each has the index file that the shard's log names, whether
//! it was there, was away or lost its own; and a builder that goes is followed by another.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use vecraft_test_cluster::{Sandbox, create, eventually, metric, rows};
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

/// Indexes that the running nodes built, and index files that they fetched, since they were started.
async fn built_and_fetched(sandbox: &Sandbox) -> (usize, usize) {
    let (mut built, mut fetched) = (0, 0);
    for node in sandbox.running() {
        built += metric(sandbox, node, "vecraft_index_built_total").await as usize;
        fetched += metric(sandbox, node, "vecraft_index_fetched_total").await as usize;
    }
    (built, fetched)
}

/// Waits until every running node's searches use all of these.
async fn until_all_use(sandbox: &Sandbox, files: &BTreeSet<String>) {
    for node in sandbox.running() {
        eventually("all indexes are in use", async || {
            metric(sandbox, node, "vecraft_index_attached").await as usize == files.len()
        })
        .await;
    }
}

/// Eventually reads the node's own replica.
async fn finds(sandbox: &Sandbox, node: u64, key: i64) {
    let books = sandbox.client(node).collection("books");
    let hit = books.search(&[key as f32, 1.0, 2.0, 3.0]).consistency(Consistency::Eventually);
    let hit = hit.metric(Metric::L2).limit(1).one().await.unwrap();
    assert_eq!(hit[0].key, PrimaryKey::Int64(key));
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
    until_all_use(&sandbox, &named).await;
    // A fetch that ends just when the builder stops waiting for it is not counted; but there is no third way to a file.
    let (built, fetched) = built_and_fetched(&sandbox).await;
    assert_eq!(built, named.len(), "one builds, two fetch");
    assert!((named.len()..=2 * named.len()).contains(&fetched), "{fetched} of {}", named.len());
    for node in 1..=3 {
        finds(&sandbox, node, 321).await;
    }

    // A node that lost its index files fetches the named ones; the others do not notice.
    sandbox.stop(3).await;
    std::fs::remove_dir_all(sandbox.config.nodes[2].data_dir.join("indexes")).unwrap();
    sandbox.start_all().await;
    until_all_have(&sandbox, "node 3 has them again", |files| *files == named).await;
    until_all_use(&sandbox, &named).await;
    assert_eq!(metric(&sandbox, 3, "vecraft_index_fetched_total").await as usize, named.len());
    assert_eq!(metric(&sandbox, 3, "vecraft_index_built_total").await, 0.0);
    finds(&sandbox, 3, 321).await;

    // All of them together, too: nothing is built again, nothing is named again.
    sandbox.stop_all().await;
    sandbox.start_all().await;
    until_all_have(&sandbox, "they are still there", |files| *files == named).await;
    until_all_use(&sandbox, &named).await;
    assert_eq!(built_and_fetched(&sandbox).await, (0, 0));

    sandbox.client(2).collection("books").drop().await.unwrap();
    until_all_have(&sandbox, "a dropped collection takes them along", BTreeSet::is_empty).await;
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_a_node_that_was_away_fetches_what_was_built_meanwhile() {
    let mut sandbox = Sandbox::cold(3);
    sandbox.config.index.autoindex_flat_rows_max = 100;
    sandbox.start_all().await;
    let books = create(&sandbox.client(1), "books").await;
    books.index("v", "HNSW", Metric::L2).await.unwrap();
    sandbox.stop(3).await;
    books.insert(rows(0, 1_000)).await.unwrap();
    sandbox.client(2).collection("books").flush().await.unwrap();
    eventually("two of three are enough to name it", async || {
        let files = index_files(&sandbox, 1);
        !files.is_empty()
            && files.iter().all(|file| file.ends_with(".idx"))
            && index_files(&sandbox, 2) == files
    })
    .await;
    let named = index_files(&sandbox, 1);
    until_all_use(&sandbox, &named).await;
    assert_eq!(built_and_fetched(&sandbox).await, (named.len(), named.len()));

    sandbox.start_all().await;
    until_all_have(&sandbox, "node 3 has them, too", |files| *files == named).await;
    until_all_use(&sandbox, &named).await;
    assert_eq!(built_and_fetched(&sandbox).await, (named.len(), 2 * named.len()));
    finds(&sandbox, 3, 321).await;
    drop(books);
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_a_builder_that_goes_midway_is_followed_by_another() {
    let mut sandbox = Sandbox::cold(3);
    sandbox.start_all().await;
    create(&sandbox.client(1), "books").await;
    for first in 0..6 {
        sandbox.client(1).collection("books").insert(rows(first * 10_000, 10_000)).await.unwrap();
    }
    sandbox.client(1).collection("books").flush().await.unwrap();
    sandbox.client(1).collection("books").index("v", "HNSW", Metric::L2).await.unwrap();
    let mut builder = None;
    eventually("somebody builds", async || {
        for node in 1..=3 {
            let is_building = metric(&sandbox, node, "vecraft_index_working").await == 1.0
                && metric(&sandbox, node, "vecraft_index_awaited").await == 0.0;
            builder = builder.or(is_building.then_some(node));
        }
        builder.is_some()
    })
    .await;
    let builder = builder.unwrap();
    assert!((1..=3).all(|node| index_files(&sandbox, node).iter().all(|file| !file.ends_with(".idx"))));
    sandbox.stop(builder).await;

    let others = sandbox.running();
    eventually("another one builds, the third fetches", async || {
        let files = index_files(&sandbox, others[0]);
        !files.is_empty()
            && files.iter().all(|file| file.ends_with(".idx"))
            && index_files(&sandbox, others[1]) == files
    })
    .await;
    let named = index_files(&sandbox, others[0]);
    until_all_use(&sandbox, &named).await;
    assert_eq!(built_and_fetched(&sandbox).await, (named.len(), named.len()));
    eventually("no row waits for its index", async || {
        let indexes = sandbox.client(others[0]).collection("books").indexes().await;
        indexes.is_ok_and(|indexes| indexes.iter().all(|index| index.pending_rows == 0))
    })
    .await;

    sandbox.start_all().await;
    until_all_have(&sandbox, "the first builder fetches", |files| *files == named).await;
    until_all_use(&sandbox, &named).await;
    assert_eq!(metric(&sandbox, builder, "vecraft_index_built_total").await, 0.0);
    finds(&sandbox, builder, 4_321).await;
    sandbox.stop_all().await;
}
