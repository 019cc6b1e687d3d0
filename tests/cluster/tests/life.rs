//! Forming, writing and reading at every node, losing one, losing the majority, coming back.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::time::{Duration, Instant};
use vecraft_client::Client;
use vecraft_config::Config;
use vecraft_server::Server;
use vecraft_test_cluster::{PATIENCE, Sandbox, create, eventually, found, rows};
use vecraft_types::api::{ClusterRequest, Consistency};
use vecraft_types::{Code, CollectionSchema, DataType, Error, FieldSchema, Metric, NodeId, PrimaryKey};

async fn start_refusal(config: &Config, id: u64) -> String {
    match tokio::time::timeout(PATIENCE, Server::start(config, id))
        .await
        .expect("it neither starts nor refuses")
    {
        Err(why) => why.to_string(),
        Ok(_) => panic!("it started"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_is_a_door_and_strong_reads_see_every_acknowledged_write() {
    let mut sandbox = Sandbox::start(3).await;
    create(&sandbox.client(2), "books").await;
    for round in 0..5 {
        for writer in 1..=3 {
            let first = (round * 3 + writer as i64 - 1) * 10;
            sandbox.client(writer).collection("books").insert(rows(first, 10)).await.unwrap();
            for reader in 1..=3 {
                let books = sandbox.client(reader).collection("books");
                assert_eq!(
                    books.count().await.unwrap(),
                    first as u64 + 10,
                    "written at {writer}, read at {reader}"
                );
                let hit = books.search(&[first as f32, 1.0, 2.0, 3.0]).consistency(Consistency::Strong);
                let hit = hit.metric(Metric::L2).limit(1).one().await.unwrap();
                assert_eq!(hit[0].key, PrimaryKey::Int64(first));
            }
        }
    }
    sandbox.client(3).collection("books").delete_where("id < 20").await.unwrap();
    for reader in 1..=3 {
        assert_eq!(sandbox.client(reader).collection("books").count().await.unwrap(), 130);
    }
    sandbox.client(1).collection("books").drop().await.unwrap();
    for reader in 1..=3 {
        assert!(sandbox.client(reader).collection("books").count().await.is_err());
    }
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_one_node_may_be_away_and_has_everything_when_it_is_back() {
    let mut sandbox = Sandbox::start(3).await;
    create(&sandbox.client(1), "books").await;
    let mut written = 0;
    for away in 1..=3 {
        sandbox.stop(away).await;
        let began = Instant::now();
        for writer in sandbox.running() {
            sandbox.client(writer).collection("books").insert(rows(written, 50)).await.unwrap();
            written += 50;
        }
        println!("node {away} away: both others wrote after {:?}", began.elapsed());
        create(&sandbox.client(sandbox.running()[0]), &format!("while_{away}_was_away")).await;
        sandbox.start_all().await;
        let books = sandbox.client(away).collection("books");
        assert_eq!(books.count().await.unwrap(), written as u64);
        assert_eq!(
            sandbox.client(away).collection(format!("while_{away}_was_away")).count().await.unwrap(),
            0
        );
        // Its own replica catches up, not only the leader's answer: Eventually reads the local view.
        let local = sandbox.client(away);
        eventually("the node's own replica has all rows", async || {
            found(&local, "books", Consistency::Eventually).await == Ok(written as usize)
        })
        .await;
    }
    sandbox.stop_all().await;
    sandbox.start_all().await;
    assert_eq!(sandbox.client(2).collection("books").count().await.unwrap(), written as u64);
    sandbox.stop_all().await;
}

/// What a client hears of everything that needs a majority, asked at once. What may be done after all changes neither
/// `books` nor its first rows.
async fn refusals(client: &Client) -> Vec<(&'static str, Error)> {
    let (books, old) = (client.collection("books"), client.collection("old"));
    let search = books.search(&[1.0; 4]).metric(Metric::L2).consistency(Consistency::Strong).limit(1);
    let (insert, keys, filter, create, index, drop, strong) = tokio::join!(
        books.insert(rows(100, 10)),
        books.delete([PrimaryKey::Int64(-1)]),
        books.delete_where("id < 0"),
        create_with(client, "films"),
        books.index("v", "AUTOINDEX", Metric::L2),
        old.drop(),
        search.one(),
    );
    vec![
        ("insert", insert.unwrap_err()),
        ("delete by key", keys.unwrap_err()),
        ("delete by filter", filter.unwrap_err()),
        ("create collection", create.unwrap_err()),
        ("create index", index.unwrap_err()),
        ("drop collection", drop.unwrap_err()),
        ("search at Strong", strong.unwrap_err()),
    ]
}

async fn create_with(client: &Client, name: &str) -> Result<(), Error> {
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("v", DataType::FloatVector { dim: 4 }),
    ]);
    client.create(name, schema).await.map(drop)
}

fn is_named(error: &Error, group: &str) -> bool {
    error.context.contains(&("group".to_owned(), group.to_owned()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_writes_are_refused_reads_at_eventually_go_on_and_nothing_exits() {
    let mut sandbox = Sandbox::start(3).await;
    create(&sandbox.client(1), "books").await;
    sandbox.client(1).collection("books").insert(rows(0, 10)).await.unwrap();
    let door = |seconds| {
        let builder = Client::builder().deadline(Duration::from_secs(seconds));
        builder.address(sandbox.client_address(3)).follow_topology(false).connect()
    };
    let (alone, hasty) = (door(4).await.unwrap(), door(1).await.unwrap());
    eventually("node 3 has the rows", async || {
        found(&alone, "books", Consistency::Eventually).await == Ok(10)
    })
    .await;
    sandbox.stop(1).await;
    sandbox.stop(2).await;
    // Names are looked up in group 0, whose majority went too: it is the group that everybody hears of, from the first
    // moment, when the lost leader is still believed in, and later.
    for client in [&alone, &hasty, &alone, &alone] {
        for (verb, error) in refusals(client).await {
            println!("{verb}: {error}");
            assert!(is_named(&error, "0"), "{verb} does not name the group: {error}");
            assert!(error.detail.contains("group 0 (the metastore)"), "{verb}: {error}");
            assert!(error.detail.contains("on nodes 1, 2, 3"), "{verb}: {error}");
            // I10: what the leader took while it still believed in itself is not called refused.
            let codes = [Code::ReplicaUnavailable, Code::Deadline, Code::OutcomeUnknown];
            assert!(codes.contains(&error.code), "{verb}: {error}");
            let is_read = verb.starts_with("search");
            assert!(!is_read || error.code != Code::OutcomeUnknown, "{verb}: {error}");
        }
        assert_eq!(found(client, "books", Consistency::Eventually).await, Ok(10));
        // Milvus's clients ask for the schema before such a read.
        assert_eq!(client.collection("books").describe().await.unwrap().name, "books");
    }
    // By now it is no election: who comes with half a minute is not held for it.
    let began = Instant::now();
    let error = create_with(&sandbox.client(3), "films").await.unwrap_err();
    assert!(error.detail.contains("it has answered nobody here for"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    println!("after {:?}: {error}", began.elapsed());
    sandbox.start_all().await;
    let books = sandbox.client(3).collection("books");
    // The refused insert may have stayed in node 3's log and been committed since: all of it or nothing (I10).
    let count = books.count().await.unwrap();
    assert!(count == 10 || count == 20, "{count}");
    books.insert(rows(200, 10)).await.unwrap();
    assert_eq!(sandbox.client(1).collection("books").count().await.unwrap(), count + 10);
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_nodes_that_do_not_belong_together_do_not_form_a_cluster() {
    let mut sandbox = Sandbox::start(3).await;
    sandbox.stop(3).await;
    // A node that lost its directory.
    let mut config = sandbox.config.clone();
    config.nodes[2].data_dir = config.nodes[2].data_dir.with_extension("new");
    let why = start_refusal(&config, 3).await;
    assert!(why.contains("I1") && why.contains("empty"), "{why}");
    // A node of another cluster.toml.
    config.cluster.name = "another".to_owned();
    let why = start_refusal(&config, 3).await;
    assert!(why.contains("another cluster.toml"), "{why}");
    // Node 2's directory under node 3's id.
    let mut config = sandbox.config.clone();
    let spare = config.nodes[1].data_dir.with_extension("spare");
    config.nodes[2].data_dir = std::mem::replace(&mut config.nodes[1].data_dir, spare);
    sandbox.stop(2).await;
    let why = start_refusal(&config, 3).await;
    assert!(why.contains("belongs to node 2") && why.contains("node 3"), "{why}");
    sandbox.start_all().await;
    create(&sandbox.client(3), "books").await;
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_of_two_nodes_one_that_lost_its_directory_is_refused_though_nobody_leads() {
    let mut sandbox = Sandbox::start(2).await;
    sandbox.at_rest(1, 2).await;
    for emptied in [1, 2] {
        sandbox.stop(emptied).await;
        let mut config = sandbox.config.clone();
        let at = emptied as usize - 1;
        config.nodes[at].data_dir = config.nodes[at].data_dir.with_extension("new");
        let why = start_refusal(&config, emptied).await;
        assert!(why.contains("I1") && why.contains("vecraft node recover"), "{why}");
        sandbox.start_all().await;
    }
    // The other one waits for a majority itself: it knows enough to refuse all the same.
    sandbox.stop_all().await;
    let mut config = sandbox.config.clone();
    config.nodes[0].data_dir = config.nodes[0].data_dir.with_extension("new");
    let waiting = {
        let config = config.clone();
        tokio::spawn(async move { Server::start(&config, 2).await })
    };
    let why = start_refusal(&config, 1).await;
    assert!(why.contains("I1"), "{why}");
    waiting.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_contradicts_the_cluster_is_refused_with_both_values() {
    let mut sandbox = Sandbox::start(3).await;
    create(&sandbox.client(1), "books").await;
    sandbox.at_rest(1, 3).await;
    sandbox.stop(3).await;
    let kept = sandbox.config.clone();
    sandbox.config.cluster.name = "another".to_owned();
    let why = sandbox.try_start(3).await.unwrap_err();
    assert!(why.contains("cluster.name is another") && why.contains("stored is vecraft"), "{why}");
    sandbox.config = kept.clone();
    sandbox.config.data.groups_per_node = 7;
    let why = sandbox.try_start(3).await.unwrap_err();
    assert!(why.contains("data.groups_per_node is 7") && why.contains("stored is 1"), "{why}");
    sandbox.config = kept.clone();
    sandbox.config.cluster.replication = 2;
    let why = sandbox.try_start(3).await.unwrap_err();
    assert!(why.contains("cluster.replication is 2") && why.contains("stored is 3"), "{why}");
    sandbox.config = kept;
    // The refused start lets go of the directory and the port a moment later.
    eventually("node 3 starts with what was settled", async || sandbox.try_start(3).await.is_ok()).await;
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_would_join_with_another_configuration_is_refused_before_it_is_admitted() {
    let mut sandbox = Sandbox::start(1).await;
    let id = sandbox.list_another();
    let add = ClusterRequest::Add { node: NodeId(id), address: sandbox.node_address(id) };
    sandbox.ask(1, add).await.unwrap();
    let kept = sandbox.config.clone();
    sandbox.config.data.groups_per_node = 7;
    let why = sandbox.try_start(id).await.unwrap_err();
    assert!(why.contains("data.groups_per_node is 7") && why.contains("1 in this cluster"), "{why}");
    sandbox.config = kept.clone();
    sandbox.config.cluster.replication = 1;
    // The refused start lets go of the directory and the port a moment later.
    let mut why = String::new();
    eventually("it asks again", async || {
        why = sandbox.try_start(id).await.unwrap_err();
        why.contains("cannot join")
    })
    .await;
    assert!(why.contains("cluster.replication is 1") && why.contains("3 in this cluster"), "{why}");
    let reply = sandbox.ask(1, ClusterRequest::List).await.unwrap();
    let states: Vec<_> = reply.nodes.iter().map(|node| (node.id.0, node.state.as_str())).collect();
    assert_eq!(states, [(1, "active"), (id, "expected")]);
    sandbox.config = kept.clone();
    eventually("it joins with the cluster's values", async || sandbox.try_start(id).await.is_ok()).await;
    sandbox.at_rest(1, 2).await;
    sandbox.stop(id).await;
    sandbox.config.data.groups_per_node = 7;
    let why = sandbox.try_start(id).await.unwrap_err();
    assert!(why.contains("data.groups_per_node is 7") && why.contains("stored is 1"), "{why}");
    sandbox.stop_all().await;
}
