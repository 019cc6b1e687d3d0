//! Space comes back: what was deleted or replaced goes from disk and index, while searches go on with an index.
#![allow(clippy::unwrap_used)]

// The rig serves other tests too.
#[allow(dead_code)]
mod rig;

use rig::{ROWS, Rig};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vecraft_types::api::*;

/// Longest wait for a rewrite and its index, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Rig {
    async fn figure(&self, name: &str) -> u64 {
        let address = self.http_address();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name} is missing")).parse::<f64>().unwrap() as u64
    }

    /// Waits until this holds of the count and bytes of column files and nothing is being compacted, and looks at the number of
    /// indexed segments each time.
    async fn until(&self, what: &str, holds: impl Fn((usize, u64)) -> bool, indexed: impl Fn(u64)) {
        let reached = async {
            loop {
                indexed(self.figure("vecraft_indexed_segments").await);
                let is_done = self.figure("vecraft_compacting_segments").await == 0;
                if is_done && holds(self.column_files()) {
                    return;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached)
            .await
            .unwrap_or_else(|_| panic!("{what}: {:?}", self.column_files()));
    }
}

/// A segment has an index all the time.
fn never_scanned(indexed: u64) {
    assert!(indexed > 0, "searches scan");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_deleted_and_replaced_rows_give_their_space_back() {
    let mut rig = Rig::start().await;
    rig.create_collection().await;
    rig.create_index("HNSW", &[("M", "16"), ("efConstruction", "100")]).await;
    rig.insert(0..ROWS).await;
    rig.flush().await;
    rig.wait_until_built().await;
    let (_, full) = rig.column_files();
    let first = rig.index_files();

    rig.delete_below(ROWS as i64 / 2).await;
    rig.until("half of the disk", |(_, bytes)| bytes < full * 6 / 10, never_scanned).await;
    rig.wait_until_built().await;
    assert_eq!(rig.progress().await, (ROWS as u64 / 2, ROWS as u64 / 2, 0));
    let second = rig.wait_until_one_file().await;
    assert_ne!(second.path, first[0].path);
    assert!(rig.recall(&[("ef", "64")]).await >= 0.95);

    // Everything once more, over what is there: the old rows go. Their segment, of which nothing goes on, may go before the
    // new one has its first index.
    rig.insert(ROWS / 2..ROWS).await;
    rig.flush().await;
    rig.until("the replaced rows' space", |(_, bytes)| bytes < full * 6 / 10, |_| ()).await;
    rig.wait_until_built().await;
    assert!(rig.recall(&[("ef", "64")]).await >= 0.95);
    rig.restart().await;
    rig.wait_until_built().await;
    assert!(rig.recall(&[("ef", "64")]).await >= 0.95);
    assert!(rig.column_files().1 < full * 6 / 10);

    // Small segments, each as small as a flush makes one, become one with their neighbour.
    for part in 0..4 {
        let first = ROWS + part * 4_000;
        rig.insert(first..first + 4_000).await;
        rig.flush().await;
    }
    rig.until("small segments to be merged", |(files, _)| files <= 2, never_scanned).await;
    rig.wait_until_built().await;
    assert!(rig.recall(&[("ef", "64")]).await >= 0.95);
    rig.drop_collection().await;
    rig.wait_until_no_files().await;
    rig.stop().await;
}

impl Rig {
    async fn segments(&self) -> CollectionSegments {
        self.db().segments(Call::default(), CollectionName::Name(self.name().into())).await.unwrap()
    }

    async fn delete_every(&mut self, one_in: i64) {
        let request = DeleteRequest {
            collection: self.name().into(),
            partition: None,
            rows: DeleteRows::Filter(format!("id % {one_in} == 0")),
            request: None,
        };
        self.db().delete(Call::default(), request).await.unwrap();
        self.live.retain(|key| key % one_in != 0);
    }

    async fn ask(&self) {
        let collection = CollectionName::Name(self.name().into());
        let request = CompactRequest { collection, bytes_max: None };
        self.db().compact(Call::default(), request).await.unwrap();
    }

    /// Waits for what was asked; answers whether it was seen under way.
    async fn wait_until_compacted(&self) -> bool {
        let waiting = async {
            let mut was_under_way = false;
            while !self.segments().await.asked.unwrap().is_done {
                was_under_way = true;
                tokio::time::sleep(LOOK_EVERY).await;
            }
            was_under_way
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_few_deleted_rows_go_when_somebody_asks_and_the_answer_is_true() {
    let mut rig = Rig::start().await;
    rig.create_collection().await;
    rig.create_index("HNSW", &[("M", "16"), ("efConstruction", "100")]).await;
    rig.insert(0..ROWS).await;
    rig.flush().await;
    rig.wait_until_built().await;
    let (_, full) = rig.column_files();
    rig.delete_every(20).await;
    assert_eq!(rig.segments().await.asked, None);
    rig.ask().await;
    assert!(rig.wait_until_compacted().await, "it was done before anybody could have done it");
    // Done means done: nothing is waited for here.
    let (left, (files, bytes)) = (ROWS as u64 * 19 / 20, rig.column_files());
    assert!(bytes < full * 97 / 100, "{bytes} of {full} in {files} files");
    let told = rig.segments().await;
    let rows: Vec<u64> = told.segments.iter().map(|segment| segment.rows).collect();
    assert_eq!((rows, told.merges.len()), (vec![left], 0));
    assert!(!told.segments[0].indexed.is_empty(), "its index is in use");
    assert_eq!(rig.progress().await, (left, left, 0));
    assert!(rig.recall(&[("ef", "64")]).await >= 0.95);
    // Nobody forgets it.
    rig.restart().await;
    assert!(rig.segments().await.asked.unwrap().is_done);
    // Of more than one segment, and of rows that were never flushed.
    rig.insert(ROWS..ROWS + 100).await;
    rig.ask().await;
    rig.wait_until_compacted().await;
    let rows: Vec<u64> = rig.segments().await.segments.iter().map(|segment| segment.rows).collect();
    assert_eq!(rows, [left + 100]);
    rig.wait_until_built().await;
    assert!(rig.recall(&[("ef", "64")]).await >= 0.95);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_too_small_for_autoindex_keeps_nobody_waiting() {
    let mut rig = Rig::start().await;
    rig.create_collection().await;
    rig.create_index("AUTOINDEX", &[]).await;
    rig.insert(0..5_000).await;
    rig.flush().await;
    rig.wait_until_built().await;
    never_scanned(rig.figure("vecraft_indexed_segments").await);
    let (_, full) = rig.column_files();
    // What is left is scanned, as AUTOINDEX has it below 4,000 rows.
    rig.delete_below(1_500).await;
    rig.until("the deleted rows' space", |(_, bytes)| bytes < full * 8 / 10, |_| ()).await;
    rig.ask().await;
    rig.wait_until_compacted().await;
    let rows: Vec<u64> = rig.segments().await.segments.iter().map(|segment| segment.rows).collect();
    assert_eq!((rows, rig.progress().await), (vec![3_500], (3_500, 3_500, 0)));
    assert_eq!(rig.recall(&[]).await, 1.0);
    rig.stop().await;
}
