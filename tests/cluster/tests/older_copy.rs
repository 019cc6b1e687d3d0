//! I1: a node is started on an older copy of its own directory. It is told so, leaves, and the others go on.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::path::Path;
use vecraft_test_cluster::{Sandbox, create, eventually, metric_sum, rows};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// The directory's lock, the store's, a port.
const HELD: [&str; 3] = ["is in use by", "lock hold by", "Address already in use"];

/// Starts a node in whose directory an earlier start has just failed: what that one had opened in this process is let go a
/// moment later. A process of its own has ended by then.
async fn start_unlocked(sandbox: &mut Sandbox, id: u64) -> Result<(), String> {
    for _ in 0..200 {
        match sandbox.try_start(id).await {
            Err(why) if HELD.iter().any(|held| why.contains(held)) => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            done => return done,
        }
    }
    Err("what the failed start held stays held for 10 s".to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_a_node_on_an_older_copy_of_its_directory_leaves_and_loses_nothing() {
    let mut sandbox = Sandbox::start(3).await;
    create(&sandbox.client(1), "books").await;
    sandbox.client(1).collection("books").insert(rows(0, 100)).await.unwrap();
    sandbox.at_rest(1, 3).await;
    sandbox.stop(3).await;
    let directory = sandbox.config.node(3).unwrap().data_dir.clone();
    let (older, newest) = (directory.with_extension("older"), directory.with_extension("newest"));
    copy(&directory, &older);
    sandbox.try_start(3).await.unwrap();
    // The metastore and the pool go on, and node 3 acknowledges it.
    create(&sandbox.client(1), "later").await;
    sandbox.client(1).collection("books").insert(rows(100, 100)).await.unwrap();
    eventually("node 3 has it all", async || {
        metric_sum(&sandbox, "vecraft_group_follower_lag_entries").await == 0.0
    })
    .await;
    // It leads nothing when it goes: whoever leads by then has heard its acknowledgements.
    sandbox.client(1).collection("books").insert(rows(200, 10)).await.unwrap();
    sandbox.stop(3).await;
    std::fs::rename(&directory, &newest).unwrap();
    copy(&older, &directory);

    // Its replica of the metastore takes the node with it, at this start or a moment later, and from then on at once.
    let why = match sandbox.try_start(3).await {
        Err(why) => why,
        Ok(()) => {
            let why = sandbox.failed(3).await;
            sandbox.stop(3).await;
            why
        }
    };
    assert!(why.contains("is an older copy") && why.contains("empty directory"), "{why}");
    let again = start_unlocked(&mut sandbox, 3).await.unwrap_err();
    assert!(again.contains("left service for good") && again.contains("is an older copy"), "{again}");
    assert!(metric_sum(&sandbox, "vecraft_group_followers_gone_back").await >= 1.0);
    assert_eq!(sandbox.client(1).collection("books").count().await.unwrap(), 210);
    sandbox.client(2).collection("books").insert(rows(300, 10)).await.unwrap();

    // The newest one is still there: that is the way back.
    std::fs::remove_dir_all(&directory).unwrap();
    std::fs::rename(&newest, &directory).unwrap();
    start_unlocked(&mut sandbox, 3).await.unwrap();
    eventually("forgiven", async || metric_sum(&sandbox, "vecraft_group_followers_gone_back").await == 0.0)
        .await;
    sandbox.at_rest(1, 3).await;
    assert_eq!(sandbox.client(3).collection("books").count().await.unwrap(), 220);
    sandbox.stop_all().await;
}
