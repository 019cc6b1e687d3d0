//! At rest: nothing is written any more, everything is healed. Now every node must give the same, right answers.

use super::board::collections;
use super::check::alike::{difference, wrong_hits};
use super::check::findings::{Findings, Kind};
use super::history::{Level, Recorder, What};
use super::nodes::Nodes;
use super::readers::{consistency, scan_op};
use crate::Trouble;
use crate::row::{DIM, Row};
use crate::scan;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant};
use vecraft_client::types::{PrimaryKey, Timestamp};
use vecraft_client::{Client, Collection};

/// How long answers at rest may take to become the same everywhere.
const CONVERGE_MAX: Duration = Duration::from_secs(60);
const PAGE: usize = 4_000;
/// Searches by each node and level.
const SEARCHES: usize = 6;
const HITS: usize = 10;

/// What a check at rest saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rested {
    /// Rows of all collections.
    pub rows: usize,
    /// Searches compared with the model.
    pub searches: usize,
    /// Scans compared.
    pub scans: usize,
}

/// Scans, counts and searches at every node; the scans join the history.
///
/// # Errors
/// When a node does not answer at rest.
pub async fn check(
    nodes: &Nodes,
    recorder: &Recorder,
    findings: &mut Findings,
    seed: u64,
) -> Result<Rested, Trouble> {
    let mut rested = Rested::default();
    let mut random = StdRng::seed_from_u64(seed ^ 0x4e57);
    for name in collections() {
        let keys = keys_of(recorder, &name);
        let mut first: Option<Vec<Row>> = None;
        for node in &nodes.nodes {
            let client = at_rest(&node.client_address).await?;
            let collection = client.collection(&name);
            for level in [Level::Strong, Level::Eventually] {
                let since = recorder.now();
                let rows = settled_scan(&collection, level, first.as_deref(), node.id).await?;
                let span = (since, recorder.now());
                recorder.add(scan_op(node.id, level, span, keys.clone(), &rows));
                rested.scans += 1;
                match &first {
                    Some(model) => {
                        if let Some(text) = difference(model, &rows) {
                            let text = format!("{name}, node {}, {}: {text}", node.id, level.name());
                            findings.add(Kind::ReplicasDiffer, span.1, text);
                        }
                    }
                    None => first = Some(rows),
                }
            }
            let model = first.as_deref().unwrap_or_default();
            let count = collection.count().await.map_err(|e| format!("node {}: count(*): {e}", node.id))?;
            if count != model.len() as u64 {
                let text =
                    format!("node {}: count(*) of {name} is {count}, rows are {}", node.id, model.len());
                findings.add(Kind::Count, recorder.now(), text);
            }
            for _ in 0..SEARCHES {
                let query: Vec<f32> = (0..DIM).map(|_| random.random_range(0.0..256.0)).collect();
                for level in [Level::Strong, Level::Eventually] {
                    rested.searches += 1;
                    if let Err(text) = search(&collection, level, model, &query).await {
                        findings.add(Kind::Search, recorder.now(), format!("node {}: {text}", node.id));
                    }
                }
            }
        }
        rested.rows += first.map_or(0, |rows| rows.len());
    }
    Ok(rested)
}

async fn at_rest(address: &str) -> Result<Client, Trouble> {
    let builder = Client::builder().address(address).follow_topology(false).deadline(CONVERGE_MAX);
    builder.connect().await.map_err(|e| format!("{address} at rest: {e}"))
}

/// All keys of a collection that anybody wrote.
fn keys_of(recorder: &Recorder, name: &str) -> Vec<i64> {
    recorder.with(|history| {
        let writes = history.ops.iter().filter_map(|op| match &op.what {
            What::Write { changes } => Some(changes),
            What::Read { .. } => None,
        });
        let ids = writes.flatten().map(|(id, _)| *id);
        let mut ids: Vec<i64> =
            ids.filter(|id| super::board::collection_of(crate::row::owner(*id)) == name).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    })
}

/// A scan; at Eventually again and again until it is what Strong gave, or time is up.
async fn settled_scan(
    collection: &Collection,
    level: Level,
    model: Option<&[Row]>,
    node: u64,
) -> Result<Vec<Row>, Trouble> {
    let until = Instant::now() + CONVERGE_MAX;
    loop {
        let rows = everything(collection, level).await;
        match rows {
            Ok(rows) if level == Level::Strong || model.is_none_or(|model| model == rows) => return Ok(rows),
            Ok(rows) if Instant::now() > until => return Ok(rows),
            Err(why) if Instant::now() > until => {
                return Err(format!("node {node} at rest, {}: {why}", level.name()));
            }
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn everything(collection: &Collection, level: Level) -> Result<Vec<Row>, Trouble> {
    let mut all: Vec<Row> = Vec::new();
    let mut filter = String::new();
    loop {
        let query = collection.query(&filter).output(["*"]).limit(PAGE);
        let page =
            query.consistency(consistency(level, Timestamp(0))).rows().await.map_err(|e| e.to_string())?;
        let page = scan::rows(&page.rows);
        let is_full = page.len() == PAGE;
        all.extend(page);
        match all.last() {
            Some(last) if is_full => filter = format!("id > {}", last.id),
            _ => return Ok(all),
        }
    }
}

/// An exact search, compared with brute force.
async fn search(collection: &Collection, level: Level, model: &[Row], query: &[f32]) -> Result<(), Trouble> {
    let search = collection.search(query).limit(HITS).consistency(consistency(level, Timestamp(0)));
    let mut hits = Vec::new();
    for hit in search.one().await.map_err(|e| format!("a search at rest failed: {e}"))? {
        match hit.key {
            PrimaryKey::Int64(id) => hits.push((id, hit.score)),
            other => return Err(format!("a hit has the key {other:?}")),
        }
    }
    wrong_hits(model, query, &hits, HITS).map_or(Ok(()), Err)
}
