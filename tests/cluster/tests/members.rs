//! Nodes join, leave, die and are replaced, while clients write.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use vecraft_client::Client;
use vecraft_test_cluster::{Sandbox, create, eventually, found, rows};
use vecraft_types::NodeId;
use vecraft_types::api::{Call, ClusterReply, ClusterRequest, Consistency, CreateCollection, Database};

/// Writers that go on until they are told to end.
struct Load {
    is_over: Arc<AtomicBool>,
    next: Arc<AtomicI64>,
    writers: Vec<JoinHandle<Written>>,
}

/// What a writer did.
#[derive(Default)]
struct Written {
    rows: i64,
    failed: Vec<String>,
    slowest: Duration,
}

const BATCH: i64 = 20;

impl Load {
    fn start(clients: impl IntoIterator<Item = Client>) -> Load {
        let (is_over, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)));
        let mut load = Load { is_over, next, writers: Vec::new() };
        clients.into_iter().for_each(|client| load.add(client));
        load
    }

    fn add(&mut self, client: Client) {
        let (is_over, next) = (self.is_over.clone(), self.next.clone());
        self.writers.push(tokio::spawn(async move {
            let mut written = Written::default();
            let books = client.collection("books");
            while !is_over.load(Ordering::SeqCst) {
                let first = next.fetch_add(BATCH, Ordering::SeqCst);
                let began = Instant::now();
                match books.insert(rows(first, BATCH)).await {
                    Ok(_) => written.rows += BATCH,
                    Err(error) => written.failed.push(error.to_string()),
                }
                written.slowest = written.slowest.max(began.elapsed());
            }
            written
        }));
    }

    fn so_far(&self) -> i64 {
        self.next.load(Ordering::SeqCst)
    }

    /// Waits until so many more batches were begun.
    async fn goes_on(&self) {
        let then = self.so_far() + 10 * BATCH;
        eventually("writes go on", async || self.so_far() >= then).await;
    }

    /// Ends it; returns the rows acknowledged. None may have failed.
    async fn end(self) -> i64 {
        self.is_over.store(true, Ordering::SeqCst);
        let (mut rows, mut slowest) = (0, Duration::ZERO);
        for writer in self.writers {
            let written = writer.await.unwrap();
            assert_eq!(written.failed, Vec::<String>::new(), "no write may fail");
            (rows, slowest) = (rows + written.rows, slowest.max(written.slowest));
        }
        println!("{rows} rows acknowledged, slowest batch {slowest:?}");
        rows
    }
}

fn state(reply: &ClusterReply, id: u64) -> Option<&str> {
    reply.nodes.iter().find(|node| node.id == NodeId(id)).map(|node| node.state.as_str())
}

fn replicas(reply: &ClusterReply) -> BTreeMap<u64, u32> {
    reply.nodes.iter().map(|node| (node.id.0, node.replicas)).collect()
}

/// Each node's own replicas have all rows.
async fn all_have(sandbox: &Sandbox, nodes: &[u64], rows: i64) {
    for id in nodes {
        let client = sandbox.client(*id);
        eventually(&format!("node {id} has all rows"), async || {
            found(&client, "books", Consistency::Eventually).await == Ok(rows as usize)
        })
        .await;
        assert_eq!(sandbox.client(*id).collection("books").count().await.unwrap(), rows as u64);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_nodes_form_and_one_without_a_replica_is_a_door_all_the_same() {
    let mut sandbox = Sandbox::start(4).await;
    let reply = sandbox.at_rest(1, 4).await;
    assert_eq!(replicas(&reply), BTreeMap::from([(1, 3), (2, 3), (3, 3), (4, 3)]));
    let voters = reply.nodes.iter().filter(|node| node.metastore == "voter").count();
    assert_eq!(voters, 3);
    for made in 1..=4 {
        create(&sandbox.client(made), &format!("books{made}")).await;
    }
    for made in 1..=4 {
        for writer in 1..=4 {
            let books = sandbox.client(writer).collection(format!("books{made}"));
            books.insert(rows(writer as i64 * 100, 10)).await.unwrap();
        }
        for reader in 1..=4 {
            let books = sandbox.client(reader).collection(format!("books{made}"));
            assert_eq!(books.count().await.unwrap(), 40, "books{made} at node {reader}");
        }
    }
    // Also on the group of which the coordinator's node has no replica.
    let request = CreateCollection {
        name: "wide".to_owned(),
        schema: sandbox.client(1).collection("books1").describe().await.unwrap().schema,
        shards: 4,
        properties: BTreeMap::new(),
        default_consistency: 2,
    };
    sandbox.client(1).create_collection(Call::default(), request).await.unwrap();
    let wide = sandbox.client(1).collection("wide").describe().await.unwrap();
    let groups: BTreeSet<_> = wide.shards.iter().map(|shard| shard.group).collect();
    assert_eq!(groups.len(), 4, "{:?}", wide.shards);
    sandbox.stop_all().await;
    sandbox.start_all().await;
    assert_eq!(sandbox.client(4).collection("books1").count().await.unwrap(), 40);
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_node_is_replaced_and_returns_empty() {
    let mut sandbox = Sandbox::cold(4);
    sandbox.config.cluster.node_lost_after_s = 5;
    sandbox.start_all().await;
    create(&sandbox.client(1), "books").await;
    let load = Load::start([sandbox.client(1), sandbox.client(3)]);
    load.goes_on().await;
    sandbox.at_rest(1, 4).await;
    sandbox.stop(2).await;
    load.goes_on().await;
    let others = |reply: &ClusterReply| replicas(reply) == BTreeMap::from([(1, 4), (2, 0), (3, 4), (4, 4)]);
    let reply = sandbox
        .cluster_is(1, "node 2's replicas are elsewhere", |reply| others(reply) && reply.under_way.is_empty())
        .await;
    let lost = reply.nodes.iter().find(|node| node.id == NodeId(2)).unwrap();
    assert!(!lost.is_alive && lost.metastore != "voter", "{lost:?}");
    load.goes_on().await;
    sandbox.start_all().await;
    // It is filled again, with new replicas.
    sandbox
        .cluster_is(2, "replicas are spread again", |reply| {
            replicas(reply).values().all(|count| *count == 3) && reply.under_way.is_empty()
        })
        .await;
    let rows = load.end().await;
    all_have(&sandbox, &[1, 2, 3, 4], rows).await;
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_only_announced_nodes_join_and_none_with_an_emptied_directory() {
    let mut sandbox = Sandbox::start(3).await;
    // One that nobody announced, and no running node lists.
    let stranger = sandbox.list_another();
    let why = sandbox.try_start(stranger).await.unwrap_err();
    assert!(why.contains(&format!("vecraft node add {stranger}")), "{why}");
    // One of another cluster.
    sandbox.config.cluster.name = "another".to_owned();
    let why = sandbox.try_start(stranger).await.unwrap_err();
    assert!(why.contains("\"another\"") && why.contains("\"vecraft\""), "{why}");
    sandbox.config.cluster.name = "vecraft".to_owned();
    // One that joined, and comes back with an empty directory.
    let joined = sandbox.join_another().await;
    sandbox.at_rest(1, 4).await;
    sandbox.stop(joined).await;
    let at = joined as usize - 1;
    let kept = sandbox.config.nodes[at].data_dir.clone();
    sandbox.config.nodes[at].data_dir = kept.with_extension("new");
    let why = sandbox.try_start(joined).await.unwrap_err();
    assert!(why.contains("I1") && why.contains(&format!("vecraft node remove {joined}")), "{why}");
    sandbox.config.nodes[at].data_dir = kept;
    sandbox.try_start(joined).await.unwrap();
    sandbox.at_rest(joined, 4).await;
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_node_and_a_majority_at_once_may_not_leave() {
    let mut sandbox = Sandbox::start(3).await;
    sandbox.at_rest(1, 3).await;
    for (node, address, allowed) in [
        (4, sandbox.node_address(2), "is the address of node 2"),
        (4, "127.0.0.1:0".to_owned(), "a port from 1 to 65535"),
        (u64::MAX, "127.0.0.1:1".to_owned(), "a number from 1 to 65535"),
    ] {
        let why = sandbox.ask(1, ClusterRequest::Add { node: NodeId(node), address }).await.unwrap_err();
        assert!(why.contains(allowed), "{why}");
    }
    let remove = |id| ClusterRequest::Remove(NodeId(id));
    sandbox.ask(2, remove(3)).await.unwrap();
    match sandbox.ask(2, remove(2)).await {
        Err(why) => assert!(why.contains("nodes would leave at once"), "{why}"),
        // Node 3 was empty already: then keep this one.
        Ok(_) => drop(sandbox.ask(1, ClusterRequest::Keep(NodeId(2))).await.unwrap()),
    }
    sandbox.cluster_is(2, "node 3 is gone", |reply| state(reply, 3).is_none()).await;
    sandbox.stop(3).await;
    sandbox.at_rest(1, 2).await;
    sandbox.ask(1, ClusterRequest::Drain(NodeId(2))).await.unwrap();
    let why = sandbox.ask(1, remove(1)).await.unwrap_err();
    assert!(why.contains("node 1 is the last one"), "{why}");
    sandbox.cluster_is(1, "node 2 is empty", |reply| replicas(reply)[&2] == 0).await;
    let add = ClusterRequest::Add { node: NodeId(3), address: "127.0.0.1:1".to_owned() };
    let why = sandbox.ask(1, add).await.unwrap_err();
    assert!(why.contains("never used again"), "{why}");
    sandbox.ask(1, ClusterRequest::Keep(NodeId(2))).await.unwrap();
    sandbox.cluster_is(1, "node 2 is filled", |reply| replicas(reply)[&2] == 3).await;
    sandbox.stop_all().await;
}
