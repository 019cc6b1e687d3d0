//! All nodes of a cluster asked to stop at once, under load: none waits for a majority that will not come back.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod processes;

use processes::Nodes;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use vecraft_client::types::{CollectionSchema, DataType, FieldSchema};
use vecraft_client::{Client, Rows};

/// Longer than an election, and what the others then need; far less than what a call may take.
const TOGETHER: Duration = Duration::from_secs(8);
/// Writers on each node, of rows and of collections.
const WRITERS: usize = 4;
/// Changes that have to be under way before the signal.
const WARM: u64 = 60;

fn schema() -> CollectionSchema {
    CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("v", DataType::FloatVector { dim: 4 }),
    ])
}

async fn client(door: String) -> Client {
    // As patient as Milvus's clients: a minute.
    let client = Client::builder().address(door).follow_topology(false).deadline(Duration::from_secs(60));
    client.connect().await.unwrap()
}

/// Inserts and makes collections until nobody answers any more.
async fn load(client: Client, name: String, done: Arc<AtomicU64>) {
    for round in 0.. {
        let rows = Rows::new().int64("id", 0..10).vectors("v", 4, vec![0.5; 40]);
        let inserted = client.collection("rows").insert(rows).await;
        let made = match round % 4 {
            0 => client.create(format!("{name}_{round}"), schema()).await.map(drop),
            _ => Ok(()),
        };
        if inserted.is_err() || made.is_err() {
            return;
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_stop_together_under_load_are_gone_within_seconds() {
    let mut nodes = Nodes::start(3);
    client(nodes.door(1)).await.create("rows", schema()).await.unwrap();
    let done = Arc::new(AtomicU64::new(0));
    let mut writers = Vec::new();
    for id in 1..=3 {
        for writer in 0..WRITERS {
            let (client, done) = (client(nodes.door(id)).await, done.clone());
            writers.push(tokio::spawn(load(client, format!("n{id}w{writer}"), done)));
        }
    }
    processes::until("writes are under way", || (done.load(Ordering::Relaxed) >= WARM).then_some(()));
    let began = Instant::now();
    let pids = (1..=3).map(|id| nodes.pid(id).to_string());
    assert!(Command::new("kill").arg("-TERM").args(pids).status().unwrap().success());
    for id in 1..=3 {
        assert!(nodes.ended(id).success(), "{}", nodes.log(id));
        println!("node {id} is gone after {:?}", began.elapsed());
    }
    let log = || (1..=3).map(|id| nodes.log(id)).collect::<Vec<_>>().join("\n");
    assert!(began.elapsed() < TOGETHER, "it took {:?}:\n{}", began.elapsed(), log());
    writers.iter().for_each(tokio::task::JoinHandle::abort);
}
