//! Joining the answers of shards: top-k by score, rows by key.

use vecraft_types::{Error, Metric, PrimaryKey, Result, RowBatch};

/// One shard's hits, columns already arranged (the key is the first column).
#[derive(Default)]
pub(crate) struct Hits {
    pub(crate) counts: Vec<usize>,
    pub(crate) scores: Vec<f32>,
    /// Of each hit, what its shard expects to have found of its query; none when a shard did not say.
    pub(crate) recalls: Vec<f32>,
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
    let (mut scores, mut recalls) = (Vec::new(), Vec::new());
    let mut starts = Vec::with_capacity(shards.len());
    for hits in &shards {
        starts.push((scores.len(), &hits.counts));
        append(&mut all, &hits.rows)?;
        scores.extend_from_slice(&hits.scores);
        recalls.extend_from_slice(&hits.recalls);
    }
    let mut merged = Hits { counts: Vec::with_capacity(queries), ..Hits::default() };
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
    if recalls.len() == scores.len() {
        merged.recalls = picked.iter().map(|&row| recalls[row]).collect();
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
    /// The recall to expect of each query. A hit from a shard that finds a share `r` stands for `1 / r` true neighbours;
    /// without hits the worst shard counts, of which `worst` tells for each query. Empty when a shard did not say.
    pub(crate) fn expected_recalls(&self, worst: Option<Vec<f32>>) -> Vec<f32> {
        let Some(worst) = worst.filter(|_| self.recalls.len() == self.scores.len()) else {
            return Vec::new();
        };
        let mut rest = &self.recalls[..];
        let expected = |(count, worst): (&usize, f32)| {
            let (own, others) = rest.split_at(*count);
            rest = others;
            let stand_for = own.iter().map(|recall| 1.0 / recall).sum::<f32>();
            if own.is_empty() { worst } else { own.len() as f32 / stand_for }
        };
        self.counts.iter().zip(worst).map(expected).collect()
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use vecraft_types::{Column, ColumnData, FieldId};

    /// Hits of one query.
    fn hits(scores: &[f32], recall: Option<f32>) -> Hits {
        let keys = ColumnData::Int64((0..scores.len() as i64).collect());
        let columns = vec![Column { field: FieldId(1), data: keys, validity: None }];
        let recalls = recall.map_or_else(Vec::new, |recall| vec![recall; scores.len()]);
        let rows = RowBatch { rows: scores.len(), columns };
        Hits { counts: vec![scores.len()], scores: scores.to_vec(), recalls, rows }
    }

    fn merged(shards: Vec<Hits>) -> Vec<f32> {
        let page = Page { offset: 0, limit: 4 };
        let Ok(merged) = merge_hits(Metric::L2, 1, &page, shards) else { panic!("they fit together") };
        merged.expected_recalls(Some(vec![0.3]))
    }

    #[test]
    fn a_hit_stands_for_those_that_its_shard_does_not_find() {
        let near = || hits(&[0.1, 0.2, 0.3], Some(1.0));
        // Three, and one for each two.
        assert_eq!(merged(vec![near(), hits(&[0.25, 0.5], Some(0.5))]), [0.8]);
        assert_eq!(merged(vec![near(), hits(&[], Some(0.1))]), [1.0]);
        assert_eq!(merged(vec![hits(&[], Some(0.3))]), [0.3]);
    }

    #[test]
    fn nothing_is_said_when_a_shard_says_nothing() {
        assert_eq!(merged(vec![hits(&[0.1], Some(1.0)), hits(&[0.2], None)]), [0.0f32; 0]);
        assert_eq!(hits(&[], None).expected_recalls(None), [0.0f32; 0]);
    }
}
