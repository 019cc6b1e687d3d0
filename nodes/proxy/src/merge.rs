//! Joining the answers of shards: top-k by score, rows by key.

use vecraft_types::{Error, Metric, PrimaryKey, Result, RowBatch};

/// One shard's hits, columns already arranged (the key is the first column).
pub(crate) struct Hits {
    pub(crate) counts: Vec<usize>,
    pub(crate) scores: Vec<f32>,
    pub(crate) rows: RowBatch,
}

/// Which hits of a query make up its answer, the nearest first.
pub(crate) trait Choose {
    /// Adds to `picked` the chosen ones of `candidates`, rows of `all` in the order of their scores.
    fn choose(&self, all: &RowBatch, candidates: &[usize], picked: &mut Vec<usize>) -> Result<()>;
}

/// The best `limit` hits after the first `offset`.
pub(crate) struct Page {
    pub(crate) offset: usize,
    pub(crate) limit: usize,
}

impl Choose for Page {
    fn choose(&self, _: &RowBatch, candidates: &[usize], picked: &mut Vec<usize>) -> Result<()> {
        picked.extend(candidates.iter().skip(self.offset).take(self.limit));
        Ok(())
    }
}

/// The chosen hits of each query.
///
/// Equal scores are ordered by shard, then as the shard ordered them. So the answer does not depend on which shard
/// was faster, and a page never repeats or skips a row of the page before: a shard's first `k` hits are the head of
/// its first `k + n`. (Ordering ties by key would break that where a shard cuts between equal scores.)
pub(crate) fn merge_hits(
    metric: Metric,
    queries: usize,
    chosen: &impl Choose,
    shards: Vec<Hits>,
) -> Result<Hits> {
    shards.iter().try_for_each(|hits| check(hits, queries))?;
    let mut all = RowBatch::default();
    let mut scores = Vec::new();
    let mut starts = Vec::with_capacity(shards.len());
    for hits in &shards {
        starts.push((scores.len(), &hits.counts));
        append(&mut all, &hits.rows)?;
        scores.extend_from_slice(&hits.scores);
    }
    let mut merged =
        Hits { counts: Vec::with_capacity(queries), scores: Vec::new(), rows: RowBatch::default() };
    let mut picked: Vec<usize> = Vec::new();
    let mut candidates: Vec<usize> = Vec::new();
    for query in 0..queries {
        candidates.clear();
        for (start, counts) in &mut starts {
            let end = *start + counts[query];
            candidates.extend(*start..end);
            *start = end;
        }
        // Stable, so equal scores stay in the order of shards and of each shard's own list.
        candidates.sort_by(|&a, &b| {
            let nearer = scores[a].total_cmp(&scores[b]);
            if metric.larger_is_nearer() { nearer.reverse() } else { nearer }
        });
        let before = picked.len();
        chosen.choose(&all, &candidates, &mut picked)?;
        merged.counts.push(picked.len() - before);
    }
    merged.scores = picked.iter().map(|&row| scores[row]).collect();
    merged.rows = take(all, &picked);
    Ok(merged)
}

fn check(hits: &Hits, queries: usize) -> Result<()> {
    let total: usize = hits.counts.iter().sum();
    if hits.counts.len() == queries && hits.scores.len() == total && hits.rows.rows == total {
        return Ok(());
    }
    Err(Error::internal(format!(
        "a shard answered {} queries with {} scores and {} rows, asked were {queries} queries",
        hits.counts.len(),
        hits.scores.len(),
        hits.rows.rows
    )))
}

/// Rows of all shards in key order, without the first `offset`, at most `limit`.
pub(crate) fn merge_rows(offset: usize, limit: Option<usize>, shards: &[RowBatch]) -> Result<RowBatch> {
    let mut all = RowBatch::default();
    shards.iter().try_for_each(|rows| append(&mut all, rows))?;
    let mut order: Vec<usize> = (0..all.rows).collect();
    if shards.len() > 1 {
        let keys = (0..all.rows).map(|row| key_of(&all, row)).collect::<Result<Vec<_>>>()?;
        // Stable: rows with the same key (`pk.on_conflict = allow`) stay as their shard ordered them.
        order.sort_by(|&a, &b| keys[a].cmp(&keys[b]));
    }
    let picked: Vec<usize> = order.into_iter().skip(offset).take(limit.unwrap_or(usize::MAX)).collect();
    Ok(take(all, &picked))
}

/// These rows; the batch itself when they are all of it, in order.
fn take(all: RowBatch, rows: &[usize]) -> RowBatch {
    let is_whole = rows.len() == all.rows && rows.iter().enumerate().all(|(at, row)| at == *row);
    if is_whole { all } else { all.take(rows) }
}

impl Hits {
    /// Adds rows behind these.
    pub(crate) fn append(&mut self, rows: &RowBatch) -> Result<()> {
        append(&mut self.rows, rows)
    }
}

fn append(all: &mut RowBatch, rows: &RowBatch) -> Result<()> {
    if all.extend(rows) { Ok(()) } else { Err(Error::internal("shards answered with different columns")) }
}

fn key_of(rows: &RowBatch, row: usize) -> Result<PrimaryKey> {
    let key = rows.columns.first().and_then(|column| column.data.key(row));
    key.ok_or_else(|| Error::internal("a shard's reply lacks the primary key"))
}
