//! Query-only nodes: a door for everything and replicas that answer reads, and nothing that a majority waits for.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use vecraft_client::Client;
use vecraft_config::Role;
use vecraft_test_cluster::{Sandbox, create, eventually, found, metric, rows};
use vecraft_types::api::{ClusterReply, ClusterRequest, Consistency, NodeInfo};
use vecraft_types::{Metric, NodeId, PrimaryKey};

const QUERY_ONLY: [Role; 2] = [Role::Proxy, Role::Query];

fn make_query_only(sandbox: &mut Sandbox, id: u64) {
    sandbox.config.nodes[id as usize - 1].roles = QUERY_ONLY.to_vec();
}

fn info(reply: &ClusterReply, id: u64) -> &NodeInfo {
    reply.nodes.iter().find(|node| node.id == NodeId(id)).unwrap()
}

/// Reads of shards that a node handed to others, since it was started.
async fn read_elsewhere(sandbox: &Sandbox, id: u64) -> f64 {
    metric(sandbox, id, "vecraft_shard_calls_total{kind=\"read\",place=\"elsewhere\"}").await
}

/// Waits until a node's own replicas answer a read alone, with so many rows.
async fn answers_itself(sandbox: &Sandbox, id: u64, consistency: Consistency, rows: usize) {
    let client = sandbox.client(id);
    eventually(&format!("node {id} answers itself, {consistency:?}"), async || {
        let before = read_elsewhere(sandbox, id).await;
        let found = found(&client, "books", consistency).await;
        found == Ok(rows) && read_elsewhere(sandbox, id).await == before
    })
    .await;
}

/// A writer that goes on until it is told to end.
struct Load {
    is_over: Arc<AtomicBool>,
    written: Arc<AtomicI64>,
    writer: JoinHandle<Duration>,
}

impl Load {
    fn start(first: i64, client: Client) -> Load {
        let (is_over, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)));
        let (ends, counts) = (is_over.clone(), written.clone());
        let writer = tokio::spawn(async move {
            let mut slowest = Duration::ZERO;
            while !ends.load(Ordering::SeqCst) {
                let began = Instant::now();
                let next = first + counts.load(Ordering::SeqCst);
                client.collection("books").insert(rows(next, 10)).await.expect("no write may fail");
                counts.fetch_add(10, Ordering::SeqCst);
                slowest = slowest.max(began.elapsed());
            }
            slowest
        });
        Load { is_over, written, writer }
    }

    async fn goes_on(&self) {
        let then = self.written.load(Ordering::SeqCst) + 100;
        eventually("writes go on", async || self.written.load(Ordering::SeqCst) >= then).await;
    }

    /// Ends it; returns the rows acknowledged and how long the slowest write took.
    async fn end(self) -> (usize, Duration) {
        self.is_over.store(true, Ordering::SeqCst);
        let slowest = self.writer.await.unwrap();
        (self.written.load(Ordering::SeqCst) as usize, slowest)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i15_i16_a_query_only_node_is_a_door_reads_itself_and_never_votes() {
    let mut sandbox = Sandbox::cold(4);
    sandbox.config.index.autoindex_flat_rows_max = 100;
    // Not the last one, so that nothing rests on the order of ids.
    make_query_only(&mut sandbox, 2);
    sandbox.start_all().await;
    let reply = sandbox.at_rest(2, 4).await;
    for node in &reply.nodes {
        let (part, votes) = if node.id == NodeId(2) { ("query-only", "learner") } else { ("all", "voter") };
        assert_eq!(
            (node.part.as_str(), node.metastore.as_str(), node.replicas),
            (part, votes, 3),
            "{node:?}"
        );
    }
    assert_eq!(info(&reply, 2).leads, 0);

    // A door for everything.
    let books = create(&sandbox.client(2), "books").await;
    books.index("v", "HNSW", Metric::L2).await.unwrap();
    books.insert(rows(0, 1_000)).await.unwrap();
    books.flush().await.unwrap();
    books.delete_where("id < 10").await.unwrap();
    assert_eq!(sandbox.client(1).collection("books").count().await.unwrap(), 990);

    // Its own replica answers, at each level.
    for level in
        [Consistency::Eventually, Consistency::Strong, Consistency::Bounded(60_000, Default::default())]
    {
        answers_itself(&sandbox, 2, level, 990).await;
    }
    let before = read_elsewhere(&sandbox, 2).await;
    for round in 0..20 {
        // Session of another client, written elsewhere: Strong sees it at once all the same.
        sandbox.client(3).collection("books").insert(rows(2_000 + round * 5, 5)).await.unwrap();
        let seen = found(&sandbox.client(2), "books", Consistency::Strong).await;
        assert_eq!(seen, Ok(990 + (round as usize + 1) * 5));
        let own = sandbox.client(2).collection("books");
        own.upsert(rows(2_000, 5)).await.unwrap();
        assert_eq!(own.count().await.unwrap(), 990 + (round as u64 + 1) * 5);
    }
    assert_eq!(read_elsewhere(&sandbox, 2).await, before, "no read left the node");

    // I13: it builds nothing and fetches the files.
    eventually("its searches use indexes", async || {
        metric(&sandbox, 2, "vecraft_index_attached").await
            == metric(&sandbox, 1, "vecraft_index_attached").await
            && metric(&sandbox, 2, "vecraft_index_attached").await > 0.0
    })
    .await;
    assert_eq!(metric(&sandbox, 2, "vecraft_index_built_total").await, 0.0);
    let hit = books.search(&[321.0, 1.0, 2.0, 3.0]).consistency(Consistency::Eventually);
    assert_eq!(hit.metric(Metric::L2).limit(1).one().await.unwrap()[0].key, PrimaryKey::Int64(321));

    // Its replicas count among those that may serve.
    books.load(Some(4)).await.unwrap();
    assert_eq!(books.describe().await.unwrap().replicas(), Some(4));
    let why = books.load(Some(5)).await.unwrap_err().to_string();
    assert!(why.contains("the collection has 4"), "{why}");

    // Alone it still answers what may be old, and takes nothing.
    drop(books);
    for id in [1, 3, 4] {
        sandbox.stop(id).await;
    }
    assert_eq!(found(&sandbox.client(2), "books", Consistency::Eventually).await, Ok(1_090));
    sandbox.start_all().await;
    let reply = sandbox.at_rest(1, 4).await;
    assert_eq!((info(&reply, 2).metastore.as_str(), info(&reply, 2).leads), ("learner", 0));
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_only_node_comes_and_goes_and_no_write_notices() {
    let mut sandbox = Sandbox::cold(3);
    // So that the log is soon gone and it needs files.
    sandbox.config.data.checkpoint_bytes = 32 << 10;
    sandbox.config.data.follower_log_bytes = 0;
    sandbox.start_all().await;
    create(&sandbox.client(1), "books").await;
    let load = Load::start(0, sandbox.client(1));
    load.goes_on().await;
    let id = sandbox.list_another();
    make_query_only(&mut sandbox, id);
    let add = ClusterRequest::Add { node: NodeId(id), address: sandbox.node_address(id) };
    sandbox.ask(1, add).await.unwrap();
    sandbox.try_start(id).await.unwrap();
    let reply = sandbox.at_rest(1, 4).await;
    let joined = info(&reply, id);
    assert_eq!(
        (joined.part.as_str(), joined.metastore.as_str(), joined.replicas),
        ("query-only", "learner", 3)
    );
    assert!(reply.nodes.iter().all(|node| node.replicas == 3), "nothing moved: {reply:?}");
    load.goes_on().await;

    // It is away, and comes back; what it is may not change meanwhile.
    sandbox.stop(id).await;
    load.goes_on().await;
    let reply = sandbox.at_rest(1, 4).await;
    assert_eq!(info(&reply, id).replicas, 3);
    sandbox.config.nodes[id as usize - 1].roles = Role::ALL.to_vec();
    let why = sandbox.try_start(id).await.unwrap_err();
    assert!(why.contains("node.roles") && why.contains("query-only"), "{why}");
    make_query_only(&mut sandbox, id);
    // The start that was refused lets go of its ports and its directory in its own time.
    eventually("it starts again", async || sandbox.try_start(id).await.is_ok()).await;
    load.goes_on().await;
    let (written, slowest) = load.end().await;
    assert!(slowest < Duration::from_secs(3), "a write waited {slowest:?}");
    answers_itself(&sandbox, id, Consistency::Strong, written).await;
    answers_itself(&sandbox, id, Consistency::Eventually, written).await;

    // It is no place for copies, and goes without asking anybody.
    for leaves in [ClusterRequest::Drain(NodeId(id)), ClusterRequest::Remove(NodeId(id))] {
        sandbox.ask(1, leaves).await.unwrap();
        sandbox
            .cluster_is(1, "it holds nothing", |reply| {
                reply.nodes.iter().find(|node| node.id == NodeId(id)).is_none_or(|node| node.replicas == 0)
            })
            .await;
    }
    sandbox.cluster_is(1, "it is gone", |reply| reply.nodes.len() == 3 && reply.under_way.is_empty()).await;
    assert_eq!(found(&sandbox.client(2), "books", Consistency::Strong).await, Ok(written));
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_follows_answers_nothing_before_it_has_caught_up_once() {
    let mut sandbox = Sandbox::start(1).await;
    create(&sandbox.client(1), "books").await;
    sandbox.client(1).collection("books").insert(rows(0, 100)).await.unwrap();
    let id = sandbox.list_another();
    make_query_only(&mut sandbox, id);
    let add = ClusterRequest::Add { node: NodeId(id), address: sandbox.node_address(id) };
    sandbox.ask(1, add).await.unwrap();
    sandbox.try_start(id).await.unwrap();
    sandbox.at_rest(1, 2).await;
    sandbox.cluster_is(1, "it has everything", |reply| info(reply, id).lag == Some(0)).await;
    let why = sandbox.ask(1, ClusterRequest::Remove(NodeId(1))).await.unwrap_err();
    assert!(why.contains("node 1 is the last one"), "{why}");

    // It has all rows, but nobody was there to tell it so.
    sandbox.stop(1).await;
    let quick = Client::builder().address(sandbox.client_address(id)).deadline(Duration::from_secs(2));
    let quick = quick.connect().await.unwrap();
    let why = found(&quick, "books", Consistency::Eventually).await.unwrap_err();
    assert!(why.contains("has not caught up since the node started"), "{why}");
    drop(quick);
    sandbox.try_start(1).await.unwrap();
    answers_itself(&sandbox, id, Consistency::Eventually, 100).await;
    sandbox.stop(1).await;
    assert_eq!(found(&sandbox.client(id), "books", Consistency::Eventually).await, Ok(100));
    sandbox.stop_all().await;
}
