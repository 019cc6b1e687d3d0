//! Searching with the demo's sentences and comparing the answers to the true ones.

use super::data::DemoData;
use super::load::COLLECTION;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use vecraft_runtime::clock::Clock;
use vecraft_types::api::{Call, Consistency, Database, Moment, SearchReply, SearchRequest};
use vecraft_types::{ColumnData, Timestamp};

/// Hits of each search, and the k of recall@k.
pub const LIMIT: usize = 10;

/// One passage found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Primary key.
    pub id: i64,
    /// Cosine similarity.
    pub score: f32,
    /// The passage.
    pub text: String,
    /// Which work it is from.
    pub source: String,
}

/// The answers to all sentences.
pub struct Searched {
    /// The hits of each sentence, best first.
    pub hits: Vec<Vec<Hit>>,
    /// How long each search took.
    pub took: Vec<Duration>,
}

/// Searches with every sentence, one after another.
pub async fn search_all(
    db: &dyn Database,
    data: &DemoData,
    seen: Timestamp,
    clock: &dyn Clock,
) -> Result<Searched, String> {
    let mut searched = Searched { hits: Vec::new(), took: Vec::new() };
    for query in 0..data.queries.texts.len() {
        let started = clock.monotonic();
        searched.hits.push(search(db, data, query, "", seen).await?);
        searched.took.push(clock.monotonic().saturating_sub(started));
    }
    Ok(searched)
}

/// The nearest passages of one sentence among those that match a filter.
pub async fn search(
    db: &dyn Database,
    data: &DemoData,
    query: usize,
    filter: &str,
    seen: Timestamp,
) -> Result<Vec<Hit>, String> {
    let vectors = &data.queries.vectors;
    let request = SearchRequest {
        collection: COLLECTION.into(),
        partitions: Vec::new(),
        field: "vector".into(),
        dim: vectors.columns as u32,
        vectors: vectors.row(query).to_vec().into(),
        metric: None,
        limit: LIMIT,
        offset: 0,
        filter: filter.into(),
        params: BTreeMap::new(),
        output_fields: vec!["text".into(), "source".into()],
        group_by: None,
        page: None,
        consistency: Consistency::Session(seen),
        moment: Moment::Present,
        seen: Vec::new(),
        explain: None,
    };
    let reply = db.search(Call::default(), request).await.map_err(|error| format!("search: {error}"))?;
    hits(&reply).ok_or_else(|| "search: the answer lacks a column that was asked for".to_owned())
}

fn hits(reply: &SearchReply) -> Option<Vec<Hit>> {
    let ColumnData::Int64(ids) = &reply.rows.column(&reply.primary_field)?.data else { return None };
    let ColumnData::VarChar(texts) = &reply.rows.column("text")?.data else { return None };
    let ColumnData::VarChar(sources) = &reply.rows.column("source")?.data else { return None };
    let hit = |(row, (id, score)): (usize, (&i64, &f32))| Hit {
        id: *id,
        score: *score,
        text: texts.get(row).to_owned(),
        source: sources.get(row).to_owned(),
    };
    Some(ids.iter().zip(&reply.scores).enumerate().map(hit).collect())
}

/// The share of the true [`LIMIT`] nearest passages that were found, 0 to 1.
pub fn recall(searched: &[Vec<Hit>], data: &DemoData) -> f64 {
    let wanted = LIMIT.min(data.truth.columns);
    let mut found = 0;
    for (query, hits) in searched.iter().enumerate() {
        let truth: BTreeSet<i64> = data.truth.row(query)[..wanted].iter().map(|id| i64::from(*id)).collect();
        let hits: BTreeSet<i64> = hits.iter().map(|hit| hit.id).collect();
        found += truth.intersection(&hits).count();
    }
    found as f64 / (searched.len() * wanted).max(1) as f64
}

/// The duration that `percent` of a hundred do not exceed: the smallest value with at least that many at or below it.
pub fn percentile(took: &[Duration], percent: usize) -> Duration {
    let mut sorted = took.to_vec();
    sorted.sort();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}
