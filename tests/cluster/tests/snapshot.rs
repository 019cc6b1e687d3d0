//! A node that was away for longer than the others' logs reach.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::path::PathBuf;
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
    let mut theirs = files(&sandbox, 1);
    theirs.extend(files(&sandbox, 2));
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
    theirs.extend(files(&sandbox, 1).into_iter().chain(files(&sandbox, 2)));
    let own = files(&sandbox, 3);
    assert!(!own.is_disjoint(&theirs), "not by snapshot: {own:#?}, theirs {theirs:#?}");

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

/// Names and lengths of the files of a node's groups. One may go while we look.
fn files(sandbox: &Sandbox, node: usize) -> BTreeSet<(PathBuf, u64)> {
    let root = sandbox.config.nodes[node - 1].data_dir.join("groups");
    let (mut found, mut dirs) = (BTreeSet::new(), vec![root.clone()]);
    while let Some(next) = dirs.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten().flatten() {
            let Ok(what) = entry.metadata() else { continue };
            match what.is_dir() {
                true => dirs.push(entry.path()),
                false => _ = found.insert((entry.path().strip_prefix(&root).unwrap().to_owned(), what.len())),
            }
        }
    }
    found
}
