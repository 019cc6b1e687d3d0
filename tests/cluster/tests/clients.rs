//! The tarpc client among several nodes: one address is enough, leaders get writes, replicas get reads, and a node that
//! goes takes nothing with it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use vecraft_client::Client;
use vecraft_test_cluster::{Relay, Sandbox, create, eventually, found, metric, rows};
use vecraft_types::api::{Call, Consistency, CreateCollection, Database, TopologyRequest};
use vecraft_types::{Code, CollectionSchema, DataType, FieldSchema};

/// A client that was told of one node.
async fn client(sandbox: &Sandbox, seed: u64) -> Client {
    let builder = Client::builder().address(sandbox.client_address(seed)).deadline(Duration::from_secs(30));
    builder.connect().await.unwrap()
}

/// A collection in which a row that is written twice is there twice.
async fn create_with_doubles(client: &Client, name: &str) {
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("v", DataType::FloatVector { dim: 4 }),
    ]);
    let request = CreateCollection {
        name: name.to_owned(),
        schema,
        shards: 2,
        properties: BTreeMap::from([("pk.on_conflict".to_owned(), "allow".to_owned())]),
        default_consistency: 2,
    };
    client.create_collection(Call::default(), request).await.unwrap();
}

/// The leaders of a collection's shards, as a node tells them; none while one is unknown.
async fn leaders(sandbox: &Sandbox, at: u64, collection: &str) -> Option<Vec<u64>> {
    let request = TopologyRequest { collection: Some(collection.to_owned()) };
    let reply = sandbox.client(at).topology(Call::default(), request).await.unwrap();
    let shards = reply.collection?.shards;
    shards.iter().map(|shard| shard.leader.map(|node| node.0)).collect()
}

/// The same from the first node that runs, once it is known.
async fn leader(sandbox: &Sandbox, collection: &str) -> u64 {
    let at = sandbox.running()[0];
    let mut found = None;
    eventually("a leader is known", async || {
        found = leaders(sandbox, at, collection).await;
        found.is_some()
    })
    .await;
    found.unwrap()[0]
}

/// Shard calls of a kind that each node answered here and handed on.
async fn calls(sandbox: &Sandbox, kind: &str) -> BTreeMap<u64, (u64, u64)> {
    let mut found = BTreeMap::new();
    for node in sandbox.running() {
        let one = async |place: &str| {
            let name = format!("vecraft_shard_calls_total{{kind=\"{kind}\",place=\"{place}\"}}");
            metric(sandbox, node, &name).await as u64
        };
        found.insert(node, (one("here").await, one("elsewhere").await));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_tells_all_doors_and_who_leads() {
    let mut sandbox = Sandbox::start(3).await;
    create(&sandbox.client(1), "books").await;
    for at in sandbox.running() {
        eventually("the node knows all doors, the leader and the readers", async || {
            let request = TopologyRequest { collection: Some("books".to_owned()) };
            let reply = sandbox.client(at).topology(Call::default(), request).await.unwrap();
            let doors: BTreeMap<u64, String> =
                reply.doors.into_iter().map(|door| (door.node.0, door.address)).collect();
            let wanted = (1..=3).map(|node| (node, sandbox.client_address(node))).collect();
            let shard = reply.collection.map(|place| place.shards[0].clone()).unwrap_or_default();
            doors == wanted && shard.leader.is_some() && shard.readers.len() == 3
        })
        .await;
    }
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_to_the_leader_without_a_hop_and_reads_to_every_replica() {
    let mut sandbox = Sandbox::start(3).await;
    create(&sandbox.client(1), "books").await;
    sandbox.client(1).collection("books").insert(rows(0, 10)).await.unwrap();
    let led_by = leader(&sandbox, "books").await;
    // From a node that does not lead, so that staying there would cost a hop.
    let seed = (1..=3).find(|node| *node != led_by).unwrap();
    let client = client(&sandbox, seed).await;
    let books = client.collection("books");
    let (writes, reads) = (calls(&sandbox, "write").await, calls(&sandbox, "read").await);
    for batch in 1..=12 {
        books.insert(rows(batch * 10, 10)).await.unwrap();
        let found = books.query("id >= 0").output(["id"]).consistency(Consistency::Strong).rows();
        assert_eq!(found.await.unwrap().rows.batch.rows as i64, (batch + 1) * 10);
    }
    assert_eq!(leader(&sandbox, "books").await, led_by, "another leads now, and this test says nothing");
    for (node, (here, elsewhere)) in calls(&sandbox, "write").await {
        let (here, elsewhere) = (here - writes[&node].0, elsewhere - writes[&node].1);
        let expected = if node == led_by { (12, 0) } else { (0, 0) };
        assert_eq!((here, elsewhere), expected, "writes at node {node}, led by {led_by}");
    }
    for (node, (here, _)) in calls(&sandbox, "read").await {
        assert_eq!(here - reads[&node].0, 4, "reads at node {node}");
    }
    sandbox.stop_all().await;
}

const BATCH: i64 = 10;

/// Four writers of one client. No write may fail.
struct Writers {
    is_over: Arc<AtomicBool>,
    acked: Arc<AtomicI64>,
    tasks: Vec<JoinHandle<()>>,
}

impl Writers {
    fn start(client: &Client) -> Writers {
        let (is_over, acked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)));
        let write = |writer: i64| {
            let (books, is_over, acked) = (client.collection("books"), is_over.clone(), acked.clone());
            tokio::spawn(async move {
                let mut first = writer * 1_000_000;
                while !is_over.load(Ordering::SeqCst) {
                    let reply = books.insert(rows(first, BATCH)).await.unwrap();
                    assert_eq!((reply.inserted, reply.keys.len() as i64), (BATCH as u64, BATCH));
                    acked.fetch_add(BATCH, Ordering::SeqCst);
                    first += BATCH;
                }
            })
        };
        Writers { tasks: (0..4).map(write).collect(), is_over: is_over.clone(), acked: acked.clone() }
    }

    async fn go_on(&self) {
        let then = self.acked.load(Ordering::SeqCst) + 20 * BATCH;
        eventually("writes go on", async || self.acked.load(Ordering::SeqCst) >= then).await;
    }

    /// Ends them; every row that was acknowledged is there once, and no other.
    async fn end(self, sandbox: &Sandbox, client: &Client) {
        self.is_over.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        let acked = self.acked.load(Ordering::SeqCst) as u64;
        assert_eq!(client.collection("books").count().await.unwrap(), acked);
        for node in sandbox.running() {
            let found = sandbox.client(node).collection("books").count().await.unwrap();
            assert_eq!(found, acked, "at node {node}");
        }
        println!("{acked} rows acknowledged, all there once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i10_leaders_that_go_under_writes_cost_no_row_and_double_none() {
    let mut sandbox = Sandbox::start(3).await;
    let client = client(&sandbox, 1).await;
    create_with_doubles(&client, "books").await;
    let writers = Writers::start(&client);
    for _ in 0..3 {
        writers.go_on().await;
        let led_by = leader(&sandbox, "books").await;
        sandbox.stop(led_by).await;
        writers.go_on().await;
        sandbox.start_all().await;
    }
    // The node that the client was told of.
    sandbox.stop(1).await;
    writers.go_on().await;
    writers.end(&sandbox, &client).await;
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i10_wires_that_are_cut_under_writes_cost_no_row_and_double_none() {
    let mut sandbox = Sandbox::start(3).await;
    let mut wires = Vec::new();
    for node in sandbox.running() {
        wires.push(Relay::to(sandbox.client_address(node)).await);
    }
    // To stay on the wires: the doors that the nodes tell of lead around them.
    let builder = Client::builder().follow_topology(false);
    let builder = wires.iter().fold(builder, |builder, wire| builder.address(wire.address()));
    let client = builder.connect().await.unwrap();
    create_with_doubles(&client, "books").await;
    let writers = Writers::start(&client);
    for round in 0..60 {
        // Between the moments when batches end, so that some have arrived and are not answered.
        tokio::time::sleep(Duration::from_millis(20 + 3 * (round % 7))).await;
        wires.iter().for_each(Relay::cut);
        if round == 30 {
            let led_by = leader(&sandbox, "books").await;
            sandbox.stop(led_by).await;
        }
    }
    writers.go_on().await;
    writers.end(&sandbox, &client).await;
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_replicas_answer_as_a_load_asked_for_and_others_when_those_are_away() {
    let mut sandbox = Sandbox::start(3).await;
    create(&sandbox.client(1), "books").await;
    let mut client = client(&sandbox, 1).await;
    client.collection("books").insert(rows(0, 10)).await.unwrap();
    let refused = client.collection("books").load(Some(4)).await.unwrap_err();
    assert_eq!(refused.code, Code::NotEnoughNodes);
    assert!(refused.detail.contains("4 replicas") && refused.detail.contains("has 3"), "{refused}");
    client.collection("books").load(Some(1)).await.unwrap();
    // It is in the catalogue: a restart forgets nothing.
    sandbox.stop_all().await;
    sandbox.start_all().await;
    client = self::client(&sandbox, 1).await;
    let described = client.collection("books").describe().await.unwrap();
    assert_eq!((described.is_loaded, described.replicas()), (true, Some(1)));
    // Soon after the restart that one may not be ready, and then others answer.
    let mut only = 0;
    eventually("one replica answers every door and the client", async || {
        let before = calls(&sandbox, "read").await;
        for at in sandbox.running() {
            let reader = sandbox.client(at);
            assert_eq!(found(&reader, "books", Consistency::Strong).await, Ok(10), "at node {at}");
        }
        for _ in 0..3 {
            assert_eq!(found(&client, "books", Consistency::Strong).await, Ok(10));
        }
        let after = calls(&sandbox, "read").await;
        let answered = |node: &u64| after[node].0 - before[node].0;
        only = (1..=3).max_by_key(answered).unwrap();
        // Of its own door and of the client; the other doors' came over the node port and are counted there.
        let elsewhere = (1..=3).filter(|node| *node != only).map(|node| after[&node].1 - before[&node].1);
        (1..=3).map(|node| answered(&node)).sum::<u64>() == 4
            && answered(&only) == 4
            && elsewhere.sum::<u64>() == 2
    })
    .await;
    sandbox.stop(only).await;
    for at in sandbox.running() {
        let reader = sandbox.client(at);
        assert_eq!(found(&reader, "books", Consistency::Eventually).await, Ok(10), "at node {at}");
    }
    assert_eq!(found(&client, "books", Consistency::Strong).await, Ok(10));
    client.collection("books").release().await.unwrap();
    assert_eq!(client.collection("books").describe().await.unwrap().replicas(), None);
    sandbox.stop_all().await;
}
