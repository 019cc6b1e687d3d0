#![allow(clippy::unwrap_used)]

use super::database::{CollectionLine, Collections};
use super::health::{Answer, parse};
use super::report::{Report, State};
use crate::{Addresses, RunFile, Server};
use std::path::Path;
use std::time::Duration;
use vecraft_config::Config;
use vecraft_storage::RealDisk;
use vecraft_types::api::{Call, ClusterReply, CreateCollection, CreateIndex};
use vecraft_types::{Code, CollectionSchema, DataType, Error, FieldSchema, Metric};

fn run_file(pid: u32, http: &str) -> RunFile {
    let addresses =
        Addresses { milvus: "127.0.0.1:1".into(), client: "127.0.0.1:2".into(), http: http.into() };
    let (cluster_id, cluster_name) = ("c0ffee".into(), "demo".into());
    RunFile { pid, is_starting: false, cluster_id, cluster_name, version: "0.0.1".into(), addresses }
}

async fn state(dir: &Path) -> State {
    Report::of_directory(dir).await.unwrap().state
}

/// The report of a node that was started just now: its groups elect their leaders one by one.
async fn until_serving(dir: &Path) -> Report {
    let serving = async {
        loop {
            let report = Report::of_directory(dir).await.unwrap();
            if report.state == State::Serving {
                return report;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), serving).await.unwrap()
}

/// An address where nobody listens: it was free a moment ago.
async fn closed_door() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn answers_of_a_health_door_are_understood_and_others_are_not() {
    let check =
        |answer: &str, expected: Option<Answer>| assert_eq!(parse(answer).ok(), expected, "{answer:?}");
    check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK", Some(Answer::Well));
    let reasons = vec!["the disk is full".to_owned(), "and slow".to_owned()];
    check(
        "HTTP/1.1 503 Service Unavailable\r\n\r\nthe disk is full\nand slow",
        Some(Answer::Unwell(reasons)),
    );
    check("HTTP/1.1 200 OK\r\n\r\n<html>somebody else's page</html>", None);
    check("HTTP/1.1 404 Not Found\r\n\r\n", None);
    check("SSH-2.0-OpenSSH\r\n\r\n", None);
    check("", None);
}

#[tokio::test]
async fn a_directory_is_stopped_dead_or_silent() {
    let dir = tempfile::tempdir().unwrap();
    let disk = RealDisk::new(dir.path()).unwrap();
    assert_eq!(state(dir.path()).await, State::Stopped);
    // No process has this number: it is above what the system gives.
    run_file(i32::MAX as u32, &closed_door().await).write(&disk).unwrap();
    assert_eq!(state(dir.path()).await, State::Dead);
    // A living process that does not have the directory: somebody copied it.
    run_file(std::process::id(), &closed_door().await).write(&disk).unwrap();
    let copy = Report::of_directory(dir.path()).await.unwrap();
    assert_eq!(copy.state, State::Stopped);
    assert!(copy.reasons.iter().any(|why| why.contains("copy of a running node's")), "{:?}", copy.reasons);
    assert_eq!(copy.local.unwrap().addresses, None, "those are the other one's doors");
    let _lock = vecraft_storage::DirLock::acquire(dir.path()).unwrap();
    assert_eq!(state(dir.path()).await, State::Silent);
    let missing = Report::of_directory(&dir.path().join("missing")).await.unwrap_err();
    assert!(missing.contains("missing"), "{missing}");
    assert!(!dir.path().join("missing").exists(), "asking must not make the directory");
}

#[tokio::test]
async fn somebody_elses_folder_is_not_a_stopped_node() {
    let dir = tempfile::tempdir().unwrap();
    // Tests may write files where no server is.
    #[allow(clippy::disallowed_methods)]
    std::fs::write(dir.path().join("letter.txt"), "dear").unwrap();
    let why = Report::of_directory(dir.path()).await.unwrap_err();
    assert!(why.contains("letter.txt"), "{why}");
}

fn books() -> CreateCollection {
    CreateCollection {
        name: "books".into(),
        schema: CollectionSchema::new(vec![
            FieldSchema::new("id", DataType::Int64).primary(false),
            FieldSchema::new("vector", DataType::FloatVector { dim: 2 }),
            FieldSchema::new("facts", DataType::Json),
        ]),
        shards: 0,
        properties: Default::default(),
        default_consistency: 2,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_waits_for_a_person_is_starting_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::embedded(dir.path()).with_free_ports();
    config.cluster.forming = vecraft_config::FormingMode::Explicit;
    let start = tokio::spawn(async move { Server::start(&config, 1).await.map(drop) });
    let until = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let report = Report::of_directory(dir.path()).await.ok();
        let says = |report: &Report| report.reasons.iter().any(|why| why.contains("vecraft cluster init"));
        if report.as_ref().is_some_and(|report| report.state == State::Starting && says(report)) {
            assert_eq!(report.unwrap().cluster_id, None);
            break;
        }
        assert!(tokio::time::Instant::now() < until && !start.is_finished(), "{report:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    start.abort();
    let _ = start.await;
    assert_eq!(state(dir.path()).await, State::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_node_is_serving_and_a_stopped_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::embedded(dir.path()).with_free_ports();
    config.cluster.name = "kitchen".into();
    let server = Server::start(&config, 1).await.unwrap();
    let report = until_serving(dir.path()).await;
    assert_eq!(report.reasons, [""; 0]);
    assert!(report.local.as_ref().unwrap().bytes_on_disk > 0);
    assert_eq!(report.collections, Some(vec![]));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["state"], "serving");
    assert_eq!(json["addresses"]["milvus"], server.addresses().milvus.as_str());
    assert_eq!(json["cluster_id"], server.cluster_id());
    assert_eq!(json["cluster_name"], "kitchen");
    let table = report.table();
    assert!(table.contains(&server.addresses().milvus) && table.contains("serving"), "{table}");

    server.database().create_collection(Call::default(), books()).await.unwrap();
    let by_door = Report::of_node(&server.addresses().client).await.unwrap();
    let line = CollectionLine { name: "books".into(), rows: Some(0), shards: 1, indexes: vec![] };
    assert_eq!((by_door.state, by_door.collections.clone()), (State::Serving, Some(vec![line])));
    assert_eq!(by_door.cluster_id.as_deref(), Some(server.cluster_id()));
    assert_eq!(by_door.cluster_name.as_deref(), Some("kitchen"));
    assert!(by_door.table().contains("books"), "{}", by_door.table());

    let path = [("json_path", "facts['pages']"), ("json_cast_type", "DOUBLE")];
    for (field, index_type, metric, params) in [
        ("vector", "HNSW", Some(Metric::L2), &[][..]),
        ("id", "STL_SORT", None, &[]),
        ("facts", "INVERTED", None, &path),
    ] {
        let request = CreateIndex {
            collection: "books".into(),
            field: field.into(),
            name: String::new(),
            index_type: index_type.into(),
            metric,
            params: params.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        };
        server.database().create_index(Call::default(), request).await.unwrap();
    }
    let by_door = Report::of_node(&server.addresses().client).await.unwrap();
    let mut indexes = by_door.collections.unwrap()[0].indexes.clone();
    indexes.sort();
    assert_eq!(indexes, ["facts['pages'] INVERTED", "id STL_SORT", "vector HNSW L2"]);

    // The likeliest slips: Milvus's port, and the one for health.
    for door in [&server.addresses().milvus, &server.addresses().http] {
        let why = Report::of_node(door).await.unwrap_err();
        assert!(why.contains("no client door") && why.contains("19540"), "{why}");
    }

    // The ports of a killed process may be given to another node; that one's answer is not about this directory.
    let other = tempfile::tempdir().unwrap();
    let disk = RealDisk::new(other.path()).unwrap();
    run_file(i32::MAX as u32, &server.addresses().http).write(&disk).unwrap();
    assert_eq!(state(other.path()).await, State::Dead);
    server.stop("the test ends").await;
    assert_eq!(state(dir.path()).await, State::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_does_not_answer_hides_no_other_and_the_node_is_degraded() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::embedded(dir.path()).with_free_ports();
    config.data.groups_per_node = 2;
    let server = Server::start(&config, 1).await.unwrap();
    let mut groups = Vec::new();
    for name in ["first", "second"] {
        let asked = CreateCollection { name: name.into(), shards: 1, ..books() };
        server.database().create_collection(Call::default(), asked).await.unwrap();
        let listed = server.database().list_collections(Call::default()).await.unwrap();
        groups.push(listed.iter().find(|row| row.name == name).unwrap().shards[0].group);
    }
    assert_ne!(groups[0], groups[1]);
    server.stop("a group is to go out of service").await;
    let offline = crate::directory::Offline::open(dir.path()).unwrap();
    let mut failures = vecraft_data::Failures::load(offline.kv.clone(), groups[0]).unwrap();
    failures.condemn("the test says so").unwrap();
    drop((failures, offline));

    let server = Server::start(&config, 1).await.unwrap();
    let report = Report::of_node(&server.addresses().client).await.unwrap();
    let rows: Vec<_> =
        report.collections.iter().flatten().map(|line| (line.name.as_str(), line.rows)).collect();
    assert_eq!(rows, [("first", None), ("second", Some(0))]);
    assert_ne!(report.state, State::Serving);
    let table = report.table();
    assert!(table.contains("collection first does not answer: "), "{table}");
    server.stop("the test ends").await;

    // Nothing else is wrong: that alone is enough.
    let mut report = Report { state: State::Serving, reasons: Vec::new(), collections: None, ..report };
    let cluster = ClusterReply::default();
    let line = |name: &str, rows| CollectionLine { name: name.into(), rows, shards: 1, indexes: Vec::new() };
    let lines = vec![line("first", None), line("second", Some(7)), line("third", None)];
    let first_silent = Some(("first".to_owned(), Error::new(Code::Deadline, "late")));
    report.enter(Ok(cluster), Ok(Collections { lines, first_silent }));
    assert_eq!((report.state, report.reasons.len()), (State::Degraded, 1), "{:?}", report.reasons);
    assert!(report.reasons[0].starts_with("2 of 3 collections"), "{:?}", report.reasons);
}
