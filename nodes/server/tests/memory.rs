//! I21, as a user meets it: wide rows past the memory limit while nobody flushes, many writers at once, and an index
//! that would not fit.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vecraft_client::types::api::{Call, CreateIndex, DropIndex, IndexInfo};
use vecraft_client::types::{CollectionSchema, DataType, FieldSchema, Metric};
use vecraft_client::{Client, Rows};
use vecraft_config::Config;
use vecraft_server::Server;

const DIM: usize = 8_192;
const LIMIT_BYTES: u64 = 32 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i21_inserts_past_the_memory_limit_are_taken_again_without_help() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config::embedded(directory.path().join("data")).with_free_ports();
    config.data.memory_limit_bytes = LIMIT_BYTES;
    let server = Server::start(&config, 1).await.unwrap();
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("v", DataType::FloatVector { dim: DIM as u32 }),
    ]);
    let client = Client::embedded(server.database()).unwrap();
    let wide = client.create("wide", schema).await.unwrap();

    // Four times the limit, 100 rows (3 MiB) at a time; the client waits when it is told to.
    let batches = 4 * LIMIT_BYTES as i64 / (100 * DIM as i64 * 4);
    let filling = async {
        for batch in 0..batches {
            let keys = batch * 100..batch * 100 + 100;
            let rows = || {
                Rows::new().int64("id", keys.clone()).vectors("v", DIM as u32, vec![batch as f32; 100 * DIM])
            };
            while let Err(error) = wide.insert(rows()).await {
                assert!(error.to_string().contains("limit"), "{error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    let filled = tokio::time::timeout(Duration::from_secs(120), filling);
    let (filled, most) = with_most_memory(&server, filled).await;
    filled.expect("inserts stayed refused");
    // Without a limit all 128 MiB would lie in memory: a segment is sealed by size at 122 only.
    assert!(most < LIMIT_BYTES / 4 * 5, "{} MiB of rows in memory", most >> 20);
    assert_eq!(wide.count().await.unwrap(), batches as u64 * 100);
    server.stop("the test is over").await;
}

/// Small rows under a graph so dense that it is larger than the limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i21_an_index_larger_than_the_limit_is_not_built_and_searches_are_right_all_the_same() {
    const ROWS: i64 = 6_000;
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config::embedded(directory.path().join("data")).with_free_ports();
    config.data.memory_limit_bytes = LIMIT_BYTES;
    let server = Server::start(&config, 1).await.unwrap();
    let client = Client::embedded(server.database()).unwrap();
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("v", DataType::FloatVector { dim: 2 }),
    ]);
    let dense = client.create("dense", schema).await.unwrap();
    let rows = |keys: std::ops::Range<i64>| {
        let values = keys.clone().flat_map(|key| [key as f32, 1.0]).collect();
        Rows::new().int64("id", keys).vectors("v", 2, values)
    };
    dense.insert(rows(0..ROWS)).await.unwrap();

    // 1,000 links a row: about 47 MiB, and the limit is 32.
    let database = server.database();
    let create = |m: &str| CreateIndex {
        collection: "dense".into(),
        field: "v".into(),
        name: "by_v".into(),
        index_type: "HNSW".into(),
        metric: Some(Metric::L2),
        params: BTreeMap::from([("M".into(), m.into()), ("efConstruction".into(), "40".into())]),
    };
    database.create_index(Call::default(), create("1000")).await.unwrap();
    let pending = async |wanted: u64| {
        let reached = async {
            loop {
                let told: Vec<IndexInfo> = dense.indexes().await.unwrap();
                if told[0].pending_rows == wanted {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), reached).await.expect("the figures are not reached");
    };
    pending(ROWS as u64).await;
    let nearest = async |key: i64| {
        let hits = dense.search(&[key as f32 + 0.2, 1.0]).limit(2).one().await.unwrap();
        hits.iter().map(|hit| hit.int("id").unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(nearest(4_321).await, [4_321, 4_322]);

    // Life goes on: the index that is not there takes nothing from inserts.
    dense.insert(rows(ROWS..ROWS + 1_000)).await.unwrap();
    assert_eq!(nearest(ROWS + 500).await, [ROWS + 500, ROWS + 501]);

    // One that fits is built in its place.
    let drop = DropIndex { collection: "dense".into(), field: String::new(), name: "by_v".into() };
    database.drop_index(Call::default(), drop).await.unwrap();
    database.create_index(Call::default(), create("8")).await.unwrap();
    pending(0).await;
    assert_eq!(nearest(4_321).await, [4_321, 4_322]);
    server.stop("the test is over").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i21_many_writers_at_once_are_held_to_the_limit_and_all_get_through() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config::embedded(directory.path().join("data")).with_free_ports();
    config.data.memory_limit_bytes = LIMIT_BYTES / 2;
    let server = Server::start(&config, 1).await.unwrap();
    let client = Client::embedded(server.database()).unwrap();
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("v", DataType::FloatVector { dim: DIM as u32 }),
    ]);
    let wide = client.create("wide", schema).await.unwrap();
    // Eight writers of 3 MiB each at a time would be past the limit together with what is there.
    let writers = (0..8i64).map(|writer| {
        let wide = &wide;
        async move {
            for batch in 0..3 {
                let first = (writer * 3 + batch) * 100;
                let rows = || {
                    let values = vec![batch as f32; 100 * DIM];
                    Rows::new().int64("id", first..first + 100).vectors("v", DIM as u32, values)
                };
                while let Err(error) = wide.insert(rows()).await {
                    assert!(error.to_string().contains("limit"), "{error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    });
    let all = futures::future::join_all(writers);
    let all = tokio::time::timeout(Duration::from_secs(120), all);
    let (all, most) = with_most_memory(&server, all).await;
    all.expect("inserts stayed refused");
    // All together are 75 MiB; admission lets one request too many in, not eight.
    assert!(most < LIMIT_BYTES / 2 + (8 << 20), "{} MiB of rows in memory", most >> 20);
    assert_eq!(wide.count().await.unwrap(), 2_400);
    server.stop("the test is over").await;
}

/// Does the work, and answers with the most bytes of rows and keys that `/metrics` showed meanwhile.
async fn with_most_memory<T>(server: &Server, work: impl Future<Output = T>) -> (T, u64) {
    let address = server.addresses().http.clone();
    let mut most = 0;
    let watching = async {
        loop {
            most = most.max(memory_bytes(&address).await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let done = tokio::select! {
        done = work => done,
        never = watching => never,
    };
    assert!(most > 0, "no figure was seen");
    (done, most)
}

async fn memory_bytes(address: &str) -> u64 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let figure = answer.lines().find_map(|line| line.strip_prefix("vecraft_memory_bytes "));
    figure.unwrap_or_else(|| panic!("no vecraft_memory_bytes in {answer}")).parse().unwrap()
}
