//! I24: a damaged file or an entry that cannot be applied takes one group out of service; the others go on serving.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::sync::Mutex;
use vecraft_client::types::{CollectionSchema, DataType, FieldSchema, Metric};
use vecraft_client::{Client, Collection, Rows};
use vecraft_config::Config;
use vecraft_server::Server;
use vecraft_storage::failpoint;

/// Two collections, one on each of the two groups of a node.
const NAMES: [&str; 2] = ["first", "second"];
const ROWS: i64 = 50;
const PATIENCE: Duration = Duration::from_secs(30);

/// Fail points belong to the process: one test at a time.
static ONE: Mutex<()> = Mutex::const_new(());

struct Node {
    dir: tempfile::TempDir,
    server: Option<Server>,
}

impl Node {
    async fn start() -> Node {
        let mut node = Node { dir: tempfile::tempdir().unwrap(), server: None };
        node.start_again().await;
        for name in NAMES {
            let schema = CollectionSchema::new(vec![
                FieldSchema::new("id", DataType::Int64).primary(false),
                FieldSchema::new("v", DataType::FloatVector { dim: 4 }),
            ]);
            node.client().create(name, schema).await.unwrap();
            node.insert(name, 0).await.unwrap();
        }
        node
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    async fn start_again(&mut self) {
        let config = Config::embedded(self.path()).with_free_ports();
        self.server = Some(Server::start(&config, 1).await.unwrap());
    }

    async fn stop(&mut self) {
        self.server.take().unwrap().stop("the test says so").await;
    }

    fn client(&self) -> Client {
        Client::embedded(self.server.as_ref().unwrap().database()).unwrap()
    }

    fn collection(&self, name: &str) -> Collection {
        self.client().collection(name)
    }

    async fn insert(&self, name: &str, first: i64) -> Result<(), String> {
        self.insert_many(name, first, ROWS).await
    }

    async fn insert_many(&self, name: &str, first: i64, count: i64) -> Result<(), String> {
        let rows = Rows::new().int64("id", first..first + count);
        let rows = rows.vectors("v", 4, vec![0.5; 4 * count as usize]);
        self.collection(name).insert(rows).await.map(drop).map_err(|e| e.to_string())
    }

    async fn count(&self, name: &str) -> Result<u64, String> {
        self.collection(name).count().await.map_err(|e| e.to_string())
    }

    /// Exactly one of the collections answers an error; returns it with the name of the one that serves.
    async fn only_one_serves(&self) -> (String, &'static str) {
        let counts = [self.count(NAMES[0]).await, self.count(NAMES[1]).await];
        match counts {
            [Err(why), Ok(n)] if n == ROWS as u64 => (why, NAMES[1]),
            [Ok(n), Err(why)] if n == ROWS as u64 => (why, NAMES[0]),
            other => panic!("{other:?}"),
        }
    }

    /// Of everything that the node lacks.
    async fn health(&self) -> String {
        self.get("/healthz?strict").await
    }

    async fn get(&self, path: &str) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let address = &self.server.as_ref().unwrap().addresses().http;
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }
}

/// The first column or tail file below a directory.
fn a_segment_file(dir: &Path) -> Option<PathBuf> {
    a_segment_file_of(dir, 0)
}

/// The first with so many bytes.
fn a_segment_file_of(dir: &Path, bytes_min: u64) -> Option<PathBuf> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(dir).ok()?.map(|e| e.unwrap().path()).collect();
    entries.sort();
    entries.into_iter().find_map(|path| match path.is_dir() {
        true => a_segment_file_of(&path, bytes_min),
        false => {
            let is_it = path.extension().is_some_and(|e| e == "seg");
            (is_it && path.metadata().unwrap().len() >= bytes_min).then_some(path)
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i24_a_damaged_file_takes_one_group_out_and_says_which_file_and_where() {
    let _one = ONE.lock().await;
    let mut node = Node::start().await;
    node.stop().await;
    let file = a_segment_file(&node.path().join("groups")).unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    std::fs::write(&file, &bytes).unwrap();

    node.start_again().await;
    let (why, serving) = node.only_one_serves().await;
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(why.contains("out of service") && why.contains(name) && why.contains("at byte"), "{why}");
    let health = node.health().await;
    assert!(health.contains(" 503 ") && health.contains(name), "{health}");
    // It serves the other group: no load balancer may take it away.
    let health = node.get("/healthz").await;
    assert!(health.contains(" 200 ") && health.contains("DEGRADED: ") && health.contains(name), "{health}");
    node.insert(serving, 1_000).await.unwrap();
    // New collections go where there is a group.
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("v", DataType::FloatVector { dim: 4 }),
    ]);
    node.client().create("third", schema).await.unwrap();
    node.insert("third", 0).await.unwrap();
    node.stop().await;

    // The file brought back, everything is there: nothing was given up meanwhile.
    bytes[middle] ^= 0x40;
    std::fs::write(&file, &bytes).unwrap();
    node.start_again().await;
    let mut counts = Vec::new();
    for name in NAMES {
        counts.push((node.count(name).await.unwrap(), name == serving));
    }
    counts.sort();
    assert_eq!(counts, [(ROWS as u64, false), (2 * ROWS as u64, true)]);
    assert!(node.health().await.contains(" 200 "));
    node.stop().await;
}

/// So many that the vectors have 64 KiB blocks of their own, and that a flush seals them.
const MANY: i64 = 12_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i24_a_damaged_block_is_told_by_whoever_meets_it_first_and_forgotten_with_its_collection() {
    let _one = ONE.lock().await;
    let mut node = Node::start().await;
    node.insert_many(NAMES[0], 1_000, MANY).await.unwrap();
    node.collection(NAMES[0]).flush().await.unwrap();
    node.stop().await;
    let file = a_segment_file_of(&node.path().join("groups"), 24 * MANY as u64).unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[200_000] ^= 0x40;
    std::fs::write(&file, &bytes).unwrap();

    node.start_again().await;
    assert!(node.health().await.contains(" 200 "), "opening reads keys, not vectors");
    let first = node.collection(NAMES[0]);
    first.index("v", "HNSW", Metric::L2).await.unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    let failure = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(failure) = first.indexes().await.unwrap().remove(0).failure {
                return failure;
            }
            tokio::task::yield_now().await;
        }
    });
    let failure = failure.await.expect("the index says for ever that it is being built");
    assert!(failure.contains(name) && failure.contains("at byte"), "{failure}");
    let health = node.health().await;
    assert!(health.contains(" 503 ") && health.contains(name), "{health}");
    for refused in [node.insert(NAMES[0], 0).await, node.count(NAMES[0]).await.map(drop)] {
        let why = refused.unwrap_err();
        assert!(why.contains("out of service") && why.contains(name), "{why}");
    }
    assert_eq!(node.count(NAMES[1]).await, Ok(ROWS as u64));

    first.drop().await.unwrap();
    assert!(node.health().await.contains(" 200 "), "nothing is damaged any more");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i24_an_entry_that_fails_twice_is_quarantined_until_it_is_skipped() {
    let _one = ONE.lock().await;
    let mut node = Node::start().await;
    node.stop().await;
    node.start_again().await;
    failpoint::set("data.apply", failpoint::Action::Error, Some(1));
    let refused = node.insert(NAMES[0], 1_000).await.unwrap_err();
    assert!(!refused.is_empty());
    tokio::time::timeout(PATIENCE, async {
        while !node.health().await.contains(" 503 ") {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("health does not tell of the stopped group");
    let (why, serving) = node.only_one_serves().await;
    assert!(serving == NAMES[1] && why.contains("could not be applied"), "{why}");
    node.insert(NAMES[1], 1_000).await.unwrap();
    node.stop().await;

    // Once more at the next start, then never again.
    failpoint::set("data.apply", failpoint::Action::Error, None);
    node.start_again().await;
    node.count(NAMES[0]).await.unwrap_err();
    node.stop().await;
    failpoint::clear();
    node.start_again().await;
    let quarantined = node.count(NAMES[0]).await.unwrap_err();
    assert!(quarantined.contains("group skip") && quarantined.contains("2 times"), "{quarantined}");
    node.stop().await;

    let words = quarantined.split_whitespace().collect::<Vec<_>>();
    let after = |flag: &str| words[words.iter().position(|word| *word == flag).unwrap() + 1].to_owned();
    let skip = |entry: &str, is_accepted: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vecraft"));
        command.args(["group", "skip", "--group", &after("--group"), "--entry", entry, "--data-dir"]);
        command.arg(node.path()).args(is_accepted.then_some("--unsafe"));
        command.output().unwrap()
    };
    assert!(!skip("1", true).status.success(), "an entry that did not fail");
    assert!(!skip(&after("--entry"), false).status.success(), "without --unsafe");
    assert!(skip(&after("--entry"), true).status.success());
    node.start_again().await;
    assert_eq!(node.count(NAMES[0]).await.unwrap(), ROWS as u64, "all but the skipped insert");
    node.insert(NAMES[0], 1_000).await.unwrap();
    assert_eq!(node.count(NAMES[0]).await.unwrap(), 2 * ROWS as u64);
    node.stop().await;
}
