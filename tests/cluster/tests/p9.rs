//! P9: one node grows to three copies and back on the same directories, while clients write, read back and delete: no
//! operation fails, and at the end every node answers exactly what was acknowledged.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use vecraft_client::{Client, Collection};
use vecraft_test_cluster::content::{Written, books_schema, create_books, edition, keys, read, written};
use vecraft_test_cluster::{Sandbox, eventually, metric};
use vecraft_types::NodeId;
use vecraft_types::api::{Call, ClusterRequest, Consistency, CreateCollection, Database, TopologyRequest};

const BATCH: i64 = 20;

/// More for a larger run by hand: `VECRAFT_P9_ROWS=300000 cargo test -p vecraft-test-cluster p9 -- --nocapture`.
fn rows_before_growing() -> i64 {
    std::env::var("VECRAFT_P9_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(10_000)
}

/// Clients that go on until they are told to end. Each has keys of its own, so it knows what should be there.
struct Load {
    is_over: Arc<AtomicBool>,
    next: Arc<AtomicI64>,
    workers: Vec<JoinHandle<Worker>>,
}

/// One client, and what it did.
struct Worker {
    books: Collection,
    /// First keys of its batches, oldest first.
    batches: Vec<i64>,
    rows: Written,
    operations: u64,
    failed: Vec<String>,
    slowest: Duration,
}

impl Worker {
    /// Inserts a batch, and with it changes, deletes or reads back an older one.
    async fn round(&mut self, first: i64) {
        let new = first..first + BATCH;
        let books = self.books.clone();
        if self.done("insert", books.insert(edition(new.clone(), 0))).await {
            self.batches.push(first);
            self.rows.extend(new.map(|key| (key, 0)));
        }
        let round = self.batches.len();
        let Some(older) = self.batches.get(round.saturating_sub(1 + round % 7)).copied() else { return };
        let older = older..older + BATCH;
        match round % 4 {
            1 => {
                let held: Vec<i64> = self.rows.range(older).map(|(key, _)| *key).collect();
                let version = round as i32;
                let rows = edition(held.iter().copied(), version);
                if !held.is_empty() && self.done("upsert", books.upsert(rows)).await {
                    self.rows.extend(held.into_iter().map(|key| (key, version)));
                }
            }
            2 => {
                let gone = older.step_by(3);
                if self.done("delete", books.delete(keys(gone.clone()))).await {
                    for key in gone {
                        self.rows.remove(&key);
                    }
                }
            }
            _ => {
                let wanted = written(self.rows.range(older.clone()));
                let found = async {
                    match read(&books, older.start, older.end, Consistency::Strong).await {
                        Ok(found) if found == wanted => Ok(()),
                        Ok(found) => Err(format!("{found:?} where {wanted:?} were acknowledged")),
                        Err(why) => Err(why),
                    }
                };
                self.done("read", found).await;
            }
        }
    }

    /// Counts an operation; true when it succeeded.
    async fn done<T, E: ToString>(
        &mut self,
        what: &str,
        operation: impl Future<Output = Result<T, E>>,
    ) -> bool {
        let began = Instant::now();
        let outcome = operation.await;
        self.slowest = self.slowest.max(began.elapsed());
        self.operations += 1;
        match outcome {
            Ok(_) => true,
            Err(why) => {
                self.failed.push(format!("{what}: {}", why.to_string()));
                false
            }
        }
    }
}

impl Load {
    /// Begins with keys from here on.
    fn start(first: i64, clients: impl IntoIterator<Item = Client>) -> Load {
        let (is_over, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(first)));
        let mut load = Load { is_over, next, workers: Vec::new() };
        clients.into_iter().for_each(|client| load.add(client));
        load
    }

    fn add(&mut self, client: Client) {
        let (is_over, next) = (self.is_over.clone(), self.next.clone());
        let mut worker = Worker {
            books: client.collection("books"),
            batches: Vec::new(),
            rows: Written::new(),
            operations: 0,
            failed: Vec::new(),
            slowest: Duration::ZERO,
        };
        self.workers.push(tokio::spawn(async move {
            while !is_over.load(Ordering::SeqCst) {
                worker.round(next.fetch_add(BATCH, Ordering::SeqCst)).await;
            }
            worker
        }));
    }

    fn so_far(&self) -> i64 {
        self.next.load(Ordering::SeqCst)
    }

    /// Waits until so many more batches were begun.
    async fn goes_on(&self) {
        let then = self.so_far() + 10 * BATCH;
        eventually("the load goes on", async || self.so_far() >= then).await;
    }

    /// Ends it; adds what was acknowledged to `rows` and returns the next key. No operation may have failed.
    async fn end(self, rows: &mut Written) -> i64 {
        self.is_over.store(true, Ordering::SeqCst);
        let (mut operations, mut failed, mut slowest) = (0, Vec::new(), Duration::ZERO);
        for worker in self.workers {
            let worker = worker.await.unwrap();
            operations += worker.operations;
            failed.extend(worker.failed);
            slowest = slowest.max(worker.slowest);
            rows.extend(worker.rows);
        }
        println!("{operations} operations, {} failed, slowest {slowest:?}", failed.len());
        assert_eq!(failed, Vec::<String>::new(), "no operation may fail");
        assert!(operations > 20);
        self.next.load(Ordering::SeqCst)
    }
}

/// Each node answers exactly the rows that were acknowledged: by a Strong read, and from its own replicas.
async fn all_hold(sandbox: &Sandbox, nodes: &[u64], rows: &Written, end: i64) {
    let wanted = written(rows);
    println!("acknowledged: {wanted:?}");
    for id in nodes {
        let client = sandbox.client(*id);
        let books = client.collection("books");
        assert_eq!(read(&books, 0, end, Consistency::Strong).await, Ok(wanted), "node {id}");
        assert_eq!(books.count().await.unwrap(), rows.len() as u64, "nothing beyond: node {id}");
        eventually(&format!("node {id}'s own replicas have all"), async || {
            read(&books, 0, end, Consistency::Eventually).await == Ok(wanted)
        })
        .await;
        for alarm in ["vecraft_replicas_differing", "vecraft_groups_out_of_service"] {
            assert_eq!(metric(sandbox, *id, alarm).await, 0.0, "{alarm} of node {id}");
        }
    }
}

/// Every node leads a group, and the shards of a new collection are led by all of them.
async fn leaders_are_spread(sandbox: &Sandbox) {
    sandbox
        .cluster_is(1, "each node leads a group of the pool, and one the metastore", |reply| {
            let mut leads: Vec<u32> = reply.nodes.iter().map(|node| node.leads).collect();
            leads.sort_unstable();
            leads == [1, 1, 2]
        })
        .await;
    let client = sandbox.client(2);
    let request = CreateCollection {
        name: "wide".to_owned(),
        schema: books_schema(),
        shards: 3,
        properties: BTreeMap::new(),
        default_consistency: 2,
    };
    client.create_collection(Call::default(), request).await.unwrap();
    let reply = client.topology(Call::default(), TopologyRequest { collection: Some("wide".to_owned()) });
    let shards = reply.await.unwrap().collection.unwrap().shards;
    let leaders: BTreeSet<_> = shards.iter().map(|shard| shard.leader).collect();
    assert_eq!((shards.len(), leaders.len()), (3, 3), "{shards:?}");
    client.drop_collection(Call::default(), "wide".to_owned()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p9_one_node_grows_to_three_copies_and_back_under_load() {
    let mut sandbox = Sandbox::cold(1);
    // So that the log is soon gone and the new ones need files.
    sandbox.config.data.checkpoint_bytes = 128 << 10;
    sandbox.config.data.follower_log_bytes = 0;
    sandbox.start_all().await;
    create_books(&sandbox.client(1)).await;
    let mut rows = Written::new();
    let mut load = Load::start(0, [sandbox.client(1), sandbox.client(1)]);
    eventually("there are rows enough", async || load.so_far() >= rows_before_growing()).await;
    for _ in 0..2 {
        sandbox.join_another().await;
        load.goes_on().await;
    }
    let reply = sandbox.at_rest(1, 3).await;
    let replicas: BTreeMap<u64, u32> = reply.nodes.iter().map(|node| (node.id.0, node.replicas)).collect();
    assert_eq!(replicas, BTreeMap::from([(1, 3), (2, 3), (3, 3)]), "the pool of one node is that of three");
    assert!(reply.nodes.iter().all(|node| node.metastore == "voter" && node.is_alive), "{reply:?}");
    load.add(sandbox.client(2));
    load.add(sandbox.client(3));
    load.goes_on().await;
    // I22, I23: their own hashes too, of a mark that is set while all three vote.
    for id in 1..=3 {
        eventually(&format!("node {id} has compared its replica"), async || {
            metric(&sandbox, id, "vecraft_group_compared_position{group=\"1\"}").await > 0.0
        })
        .await;
    }
    leaders_are_spread(&sandbox).await;
    let end = load.end(&mut rows).await;
    all_hold(&sandbox, &[1, 2, 3], &rows, end).await;

    let load = Load::start(end, [sandbox.client(1)]);
    load.goes_on().await;
    for id in [3, 2] {
        sandbox.ask(1, ClusterRequest::Remove(NodeId(id))).await.unwrap();
        let is_gone = |node: &vecraft_types::api::NodeInfo| node.id != NodeId(id);
        sandbox.cluster_is(1, "the node is gone", |reply| reply.nodes.iter().all(is_gone)).await;
        sandbox.stop(id).await;
        load.goes_on().await;
    }
    sandbox.at_rest(1, 1).await;
    let end = load.end(&mut rows).await;
    all_hold(&sandbox, &[1], &rows, end).await;
    sandbox.stop(1).await;
    sandbox.try_start(1).await.unwrap();
    all_hold(&sandbox, &[1], &rows, end).await;
    let why = sandbox.try_start(2).await.unwrap_err();
    assert!(why.contains("node 2 was removed") || why.contains("has let node 2 go"), "{why}");
    sandbox.stop_all().await;
}
