//! The majority is lost for good, and an operator lets the node that is left go on alone.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::path::Path;
use std::time::{Duration, Instant};
use vecraft_server::recover::Recovery;
use vecraft_test_cluster::{Sandbox, create, eventually, found, rows};
use vecraft_types::NodeId;
use vecraft_types::api::{Call, ClusterRequest, Consistency, Database, InsertRequest, PartitionRequest};

async fn survey(sandbox: &Sandbox, id: u64) -> Result<Recovery, String> {
    let dir = &sandbox.config.node(id).unwrap().data_dir;
    Recovery::survey(dir).await.map_err(|why| why.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_the_last_of_three_goes_on_with_all_it_applied_grows_again_and_knows_the_old_ones_no_more() {
    let mut sandbox = Sandbox::cold(3);
    // So that a part is in checkpoints, and a part in the log.
    sandbox.config.data.checkpoint_bytes = 64 << 10;
    sandbox.config.data.groups_per_node = 2;
    sandbox.start_all().await;
    let books = create(&sandbox.client(1), "books").await;
    for batch in 0..30 {
        books.insert(rows(batch * 100, 100)).await.unwrap();
    }
    books.delete_where("id < 10").await.unwrap();
    let last = sandbox.client(3);
    eventually("node 3 has all rows", async || {
        found(&last, "books", Consistency::Eventually).await == Ok(2_990)
    })
    .await;
    sandbox.at_rest(1, 3).await;
    drop((last, books));
    let why = survey(&sandbox, 3).await.err().expect("it is running");
    assert!(why.contains("in use"), "{why}");
    sandbox.stop_all().await;
    std::fs::remove_dir_all(&sandbox.config.nodes[0].data_dir).unwrap();

    let recovery = survey(&sandbox, 3).await.unwrap();
    let (was, words) = (recovery.cluster_id(), recovery.to_string());
    for said in ["LOST", "Removed for ever: node 1, 2", "group 0 (metastore): voters on node 1, 2, 3", &was] {
        assert!(words.contains(said), "{said} is missing:\n{words}");
    }
    // Shards that the checkpoint has count as well as those of the log.
    assert!(!words.contains("INCOMPLETE") && recovery.amended().is_empty(), "{words}");
    let becomes = recovery.force().await.unwrap();
    assert_ne!(becomes, was);
    let why = survey(&sandbox, 3).await.err().expect("it is done");
    assert!(why.contains("needs no recovery"), "{why}");

    sandbox.try_start(3).await.unwrap();
    let books = sandbox.client(3).collection("books");
    assert_eq!(books.count().await.unwrap(), 2_990);
    books.insert(rows(10_000, 10)).await.unwrap();
    create(&sandbox.client(3), "new").await;
    let reply = sandbox.at_rest(3, 1).await;
    assert_eq!((reply.nodes[0].id, reply.nodes[0].replicas, reply.nodes[0].leads), (NodeId(3), 6, 7));

    // I1: an old node that returns, with its directory or with an empty one, under its old id.
    let why = sandbox.try_start(2).await.unwrap_err();
    assert!(why.contains("has let node 2 go"), "{why}");
    let why = sandbox.try_start(1).await.unwrap_err();
    assert!(why.contains("node 1 was removed"), "{why}");
    let add = ClusterRequest::Add { node: NodeId(2), address: sandbox.node_address(2) };
    let why = sandbox.ask(3, add).await.unwrap_err();
    assert!(why.contains("never used again"), "{why}");

    let joined = sandbox.join_another().await;
    sandbox.at_rest(3, 2).await;
    let another = sandbox.client(joined);
    eventually("the new node has all rows", async || {
        found(&another, "books", Consistency::Eventually).await == Ok(3_000)
    })
    .await;
    drop((another, books));
    sandbox.stop(joined).await;
    sandbox.stop(3).await;
    for started in sandbox.try_start_together(&[3, joined]).await {
        started.unwrap();
    }
    assert_eq!(sandbox.client(joined).collection("books").count().await.unwrap(), 3_000);
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_old_nodes_that_would_be_a_majority_are_told_that_they_were_let_go() {
    let mut sandbox = Sandbox::start(3).await;
    create(&sandbox.client(1), "books").await;
    sandbox.at_rest(1, 3).await;
    sandbox.stop_all().await;
    survey(&sandbox, 3).await.unwrap().force().await.unwrap();
    sandbox.try_start(3).await.unwrap();
    for (id, refused) in [1, 2].into_iter().zip(sandbox.try_start_together(&[1, 2]).await) {
        let why = refused.expect_err("it started");
        assert!(why.contains(&format!("has let node {id} go")), "{why}");
    }
    assert_eq!(sandbox.client(3).collection("books").count().await.unwrap(), 0);
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_old_nodes_are_told_also_when_another_old_one_is_silent() {
    let mut sandbox = Sandbox::cold(5);
    sandbox.config.cluster.replication = 5;
    sandbox.start_all().await;
    sandbox.at_rest(1, 5).await;
    sandbox.stop_all().await;
    survey(&sandbox, 5).await.unwrap().force().await.unwrap();
    sandbox.try_start(5).await.unwrap();
    // Node 4's host takes connections and says nothing.
    let _silent = std::net::TcpListener::bind(sandbox.node_address(4)).unwrap();
    for (id, refused) in [1, 2, 3].into_iter().zip(sandbox.try_start_together(&[1, 2, 3]).await) {
        let why = refused.expect_err("it started");
        assert!(why.contains(&format!("has let node {id} go")), "{why}");
    }
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_old_nodes_that_serve_already_end_once_the_recovered_one_is_there() {
    let mut sandbox = Sandbox::start(3).await;
    create(&sandbox.client(1), "books").await;
    sandbox.at_rest(1, 3).await;
    sandbox.stop_all().await;
    survey(&sandbox, 3).await.unwrap().force().await.unwrap();
    for started in sandbox.try_start_together(&[1, 2]).await {
        started.unwrap();
    }
    sandbox.client(1).collection("books").insert(rows(0, 1)).await.unwrap();
    sandbox.try_start(3).await.unwrap();
    for id in [1, 2] {
        let why = sandbox.failed(id).await;
        assert!(why.contains(&format!("has let node {id} go")), "{why}");
    }
    assert_eq!(sandbox.client(3).collection("books").count().await.unwrap(), 0);
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_all_groups_cannot_stand_for_the_cluster() {
    let mut sandbox = Sandbox::start(4).await;
    sandbox.at_rest(1, 4).await;
    sandbox.stop_all().await;
    let why = survey(&sandbox, 4).await.err().expect("it lacks a group");
    assert!(why.contains("has no replica of group"), "{why}");
    sandbox.start_all().await;
    sandbox.stop_all().await;
}

/// Whether a file below a directory is on its way from another node.
fn is_fetching(dir: &Path) -> bool {
    std::fs::read_dir(dir).into_iter().flatten().flatten().any(|entry| match entry.path() {
        path if path.is_dir() => is_fetching(&path),
        path => path.extension().is_some_and(|end| end == "part"),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i11_a_half_copied_node_says_so_and_its_collections_answer_although_their_shards_never_came() {
    let mut sandbox = Sandbox::cold(3);
    sandbox.config.data.follower_log_bytes = 0;
    sandbox.config.data.fetch_bytes_per_s = 1 << 20;
    sandbox.start_all().await;
    let writer = sandbox.client(1);
    let books = create(&writer, "books").await;
    let old = PartitionRequest { collection: "books".to_owned(), partition: "old".to_owned() };
    writer.create_partition(Call::default(), old.clone()).await.unwrap();
    let into_old = InsertRequest {
        collection: "books".to_owned(),
        partition: Some("old".to_owned()),
        rows: rows(5_000_000, 30).build().unwrap(),
        schema_timestamp: None,
        request: None,
    };
    writer.insert(Call::default(), into_old).await.unwrap();
    books.insert(rows(0, 100)).await.unwrap();
    let third = sandbox.client(3);
    eventually("node 3 has what there is", async || {
        found(&third, "books", Consistency::Eventually).await == Ok(130)
    })
    .await;
    drop(third);
    sandbox.stop(3).await;

    writer.drop_partition(Call::default(), old).await.unwrap();
    let late = ["late1", "late2", "late3"];
    for name in late {
        create(&writer, name).await.insert(rows(0, 100)).await.unwrap();
    }
    // As long as in the test of snapshots, and more than a fetch brings before it is stopped.
    let (mut written, until) = (100, Instant::now() + Duration::from_secs(3));
    while written < 250_000 || Instant::now() < until {
        for _ in 0..20 {
            books.insert(rows(written, 1_000)).await.unwrap();
            written += 1_000;
        }
        books.flush().await.unwrap();
    }
    sandbox.try_start(3).await.unwrap();
    let dir = sandbox.config.node(3).unwrap().data_dir.clone();
    eventually("node 3 fetches a copy", async || is_fetching(&dir.join("groups"))).await;
    let third = sandbox.client(3);
    eventually("node 3 knows what was made last", async || {
        third.collection("late3").describe().await.is_ok()
    })
    .await;
    drop((third, writer, books));
    sandbox.stop(3).await;
    sandbox.stop_all().await;

    let recovery = survey(&sandbox, 3).await.unwrap();
    let words = recovery.to_string();
    for said in [
        "INCOMPLETE: a copy up to entry",
        "THIS NODE IS THE WORST CHOICE",
        "ALL ITS ROWS ARE LOST; it is made anew, empty",
        "which was dropped; they are dropped again",
    ] {
        assert!(words.contains(said), "{said} is missing:\n{words}");
    }
    recovery.force().await.unwrap();

    sandbox.try_start(3).await.unwrap();
    assert!(!is_fetching(&dir.join("groups")), "what nobody offers any more stays");
    let client = sandbox.client(3);
    // The rows of the partition that was dropped do not come back.
    let books = client.collection("books");
    let again = books.query("id >= 5000000").output(["id"]).rows().await.unwrap();
    assert_eq!(again.rows.batch.rows, 0);
    // One of its two groups may have arrived.
    let kept = books.count().await.unwrap();
    assert!((100..written as u64).contains(&kept), "{kept} of {written}");
    let mut lost = 0;
    for name in late {
        let collection = client.collection(name);
        let kept = collection.count().await.unwrap();
        lost += 100 - kept;
        collection.insert(rows(1_000, 10)).await.unwrap();
        assert_eq!(collection.count().await.unwrap(), kept + 10, "{name}");
    }
    assert!(lost > 0, "nothing was lost, so this tests nothing");
    drop((client, books));
    sandbox.stop_all().await;
}
