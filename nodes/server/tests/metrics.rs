//! `/metrics` through the real port: the figures are there, and they move with what happens.
#![allow(clippy::unwrap_used)]

// The rig serves other tests too.
#[allow(dead_code)]
mod rig;

use rig::{ROWS, Rig};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest wait for what happens in the background.
const PATIENCE: Duration = Duration::from_secs(60);

/// One scrape: figures by name and labels.
struct Scrape {
    text: String,
    figures: BTreeMap<String, f64>,
}

impl Scrape {
    async fn of(rig: &Rig) -> Scrape {
        let address = rig.http_address();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("version=0.0.4"), "{head}");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let figure = |line: &str| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        };
        Scrape { figures: lines.map(figure).collect(), text: text.to_owned() }
    }

    fn get(&self, name: &str) -> f64 {
        *self.figures.get(name).unwrap_or_else(|| panic!("{name} is missing in:\n{}", self.text))
    }
}

const APPLIED: &str = "vecraft_group_applied_position{group=\"1\"}";
const GROWING: &str = "milvus_datacoord_stored_rows_num{segment_state=\"Growing\"}";
const FLUSHED: &str = "milvus_datacoord_stored_rows_num{segment_state=\"Flushed\"}";

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_are_there_and_move() {
    let mut rig = Rig::start().await;
    let empty = Scrape::of(&rig).await;
    for name in [
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "vecraft_process_anonymous_memory_bytes",
        "vecraft_memory_limit_bytes",
        "vecraft_log_files",
        "vecraft_log_batches_total",
        "vecraft_log_syncs_total",
        "vecraft_log_last_batch_seconds",
        "vecraft_disk_bytes{dir=\"kv\"}",
        "vecraft_disk_bytes{dir=\"log\"}",
        "vecraft_disk_free_bytes",
        "vecraft_reads_limit",
        "vecraft_group_is_leader{group=\"0\"}",
        "vecraft_group_is_leader{group=\"1\"}",
        "vecraft_group_is_leader{group=\"2\"}",
    ] {
        assert!(empty.get(name) > 0.0, "{name} is {}", empty.get(name));
    }
    for name in ["milvus_rootcoord_collection_num", FLUSHED, GROWING, "vecraft_disk_bytes{dir=\"indexes\"}"] {
        assert_eq!(empty.get(name), 0.0, "{name}");
    }

    rig.create_collection().await;
    rig.insert(0..ROWS).await;
    rig.delete_below(100).await;
    let inserted = Scrape::of(&rig).await;
    assert_eq!(inserted.get("milvus_rootcoord_collection_num"), 1.0);
    assert_eq!(inserted.get("milvus_rootcoord_partition_num"), 1.0);
    assert_eq!(inserted.get("vecraft_shards"), 1.0);
    assert_eq!(inserted.get(GROWING) + inserted.get(FLUSHED), ROWS as f64);
    assert_eq!(inserted.get("milvus_querynode_entity_num"), (ROWS - 100) as f64);
    assert!(inserted.get("vecraft_memory_bytes") > empty.get("vecraft_memory_bytes"));
    for name in ["vecraft_log_batches_total", "vecraft_log_written_bytes_total"] {
        assert!(inserted.get(name) > empty.get(name), "{name}");
    }
    // One shard lies on one of the groups.
    let busy = [1, 2].map(|group| APPLIED.replace('1', &group.to_string()));
    assert!(busy.iter().any(|name| inserted.get(name) > empty.get(name)), "{}", inserted.text);

    rig.flush().await;
    let flushed = until(&rig, |scrape| scrape.get(FLUSHED) == ROWS as f64).await;
    assert_eq!(flushed.get(GROWING), 0.0);
    assert!(flushed.get("vecraft_disk_bytes{dir=\"groups\"}") > (ROWS * rig::DIM * 4) as f64);
    let checkpoints = ["1", "2"]
        .map(|group| flushed.get(&format!("vecraft_group_checkpoint_position{{group=\"{group}\"}}")));
    assert!(checkpoints.iter().any(|position| *position > 0.0), "{}", flushed.text);

    rig.create_index("HNSW", &[("M", "8"), ("efConstruction", "40")]).await;
    rig.wait_until_built().await;
    let indexed = until(&rig, |scrape| scrape.get("vecraft_index_working") == 0.0).await;
    assert_eq!(indexed.get("vecraft_indexed_rows"), ROWS as f64);
    assert_eq!(indexed.get("vecraft_index_pending"), 0.0);
    assert!(indexed.get("vecraft_index_built_total") > 0.0 && indexed.get("vecraft_index_attached") > 0.0);
    assert!(indexed.get("vecraft_disk_bytes{dir=\"indexes\"}") > 0.0);
    // M = 8 is 16 links of 4 bytes a row, and a little more.
    assert!(indexed.get("vecraft_index_memory_bytes") > (ROWS * 64) as f64);
    assert_eq!(indexed.get("vecraft_index_waiting"), 0.0);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_is_explained_once_and_has_its_unit() {
    let mut rig = Rig::start().await;
    let scrape = Scrape::of(&rig).await;
    let described = |word: &str| -> Vec<String> {
        let lines = scrape.text.lines().filter_map(|line| line.strip_prefix(&format!("# {word} ")));
        lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    let names: Vec<String> = {
        let mut names: Vec<_> =
            scrape.figures.keys().map(|name| name.split('{').next().unwrap().to_owned()).collect();
        names.dedup();
        names
    };
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(sorted(described("HELP")), sorted(names.clone()));
    assert_eq!(sorted(described("TYPE")), sorted(names.clone()));
    for line in scrape.text.lines().filter(|line| line.starts_with("# TYPE")) {
        let (name, kind) = line["# TYPE ".len()..].split_once(' ').unwrap();
        assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        let about_bytes = name.contains("memory") || name.contains("disk") || name.contains("in_flight");
        assert!(!about_bytes || name.ends_with("_bytes") || name.ends_with("_bytes_total"), "{line}");
    }
    assert!(
        names.iter().all(|name| {
            ["vecraft_", "milvus_", "process_"].iter().any(|prefix| name.starts_with(prefix))
        })
    );
    rig.stop().await;
}

async fn until(rig: &Rig, is_reached: impl Fn(&Scrape) -> bool) -> Scrape {
    let looking = async {
        loop {
            let scrape = Scrape::of(rig).await;
            if is_reached(&scrape) {
                return scrape;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("the figures never came to that")
}
