//! A node that was away for longer than the others' logs reach.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use vecraft_test_cluster::{Sandbox, create, eventually, found, rows};
use vecraft_types::api::Consistency;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i5_a_node_that_the_logs_do_not_reach_any_more_catches_up_by_snapshot() {
    let mut sandbox = Sandbox::cold(3);
    sandbox.config.data.follower_log_bytes = 0;
    sandbox.start_all().await;
    create(&sandbox.client(1), "books").await;
    create(&sandbox.client(1), "gone").await;
    sandbox.client(1).collection("books").insert(rows(0, 100)).await.unwrap();
    sandbox.client(1).collection("gone").insert(rows(0, 100)).await.unwrap();
    sandbox.stop(3).await;

    let mut written = 100;
    let writer = sandbox.client(1);
    writer.collection("gone").drop().await.unwrap();
    create(&writer, "new").await;
    writer.collection("new").insert(rows(0, 50)).await.unwrap();
    // More entries than the margin that every purge keeps (I4), checkpoints of the leaders in between. Entries on
    // their way to the absent node go a moment later than others: so it takes a while, not only a number.
    let until = Instant::now() + Duration::from_secs(3);
    while written < 2_000 || Instant::now() < until {
        for _ in 0..20 {
            writer.collection("books").insert(rows(written, 10)).await.unwrap();
            written += 10;
        }
        writer.collection("books").flush().await.unwrap();
    }
    writer.collection("books").delete_where("id < 50").await.unwrap();
    sandbox.start_all().await;

    let local = sandbox.client(3);
    eventually("node 3's own replica has all rows", async || {
        found(&local, "books", Consistency::Eventually).await == Ok(written as usize - 50)
    })
    .await;
    eventually("node 3's own replica has the new collection", async || {
        found(&local, "new", Consistency::Eventually).await == Ok(50)
    })
    .await;
    assert!(local.collection("gone").count().await.is_err());
    // It has written no checkpoint since it is back, so a file that the others have came from them.
    let files = [1, 2, 3].map(|id| files(&sandbox.config.nodes[id - 1].data_dir.join("groups")));
    let shared = files[2].iter().filter(|file| files[0].contains(file) || files[1].contains(file));
    assert!(shared.count() > 0, "not by snapshot: {files:#?}");

    // It goes on from there, and again after a restart.
    writer.collection("books").insert(rows(written, 10)).await.unwrap();
    // A client inside the node would keep its directory.
    drop(local);
    sandbox.stop(3).await;
    sandbox.start_all().await;
    let local = sandbox.client(3);
    eventually("node 3's own replica has the last rows", async || {
        found(&local, "books", Consistency::Eventually).await == Ok(written as usize - 40)
    })
    .await;
    sandbox.stop_all().await;
}

/// Names of all files below a directory, with their length.
fn files(dir: &Path) -> BTreeSet<(PathBuf, u64)> {
    let mut found = BTreeSet::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in std::fs::read_dir(next).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => dirs.push(entry.path()),
                false => {
                    let name = entry.path().strip_prefix(dir).unwrap().to_owned();
                    found.insert((name, entry.metadata().unwrap().len()));
                }
            }
        }
    }
    found
}
