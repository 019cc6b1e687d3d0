//! The fake cluster as shard leaders and replicas.

use super::{DEFAULT, FakeCluster, Row, Trouble};
use async_trait::async_trait;
use vecraft_rpc::services::*;
use vecraft_types::api::{
    AskedInfo, KeyExplanation, KeyVerdict, SegmentInfo, SegmentStanding, ShardExplanation,
};
use vecraft_types::*;

#[async_trait]
impl ShardWriter for FakeCluster {
    async fn write(&self, write: ShardWrite) -> Result<ShardWritten> {
        self.check_majority(1)?;
        let trouble = {
            let mut shards = self.shards.lock();
            let shard = shards.get_mut(&write.shard).unwrap();
            shard.asked.push(write.request);
            shard.trouble.pop_front()
        };
        match &trouble {
            Some(Trouble::Refuse(error)) => return Err(error.clone()),
            Some(Trouble::Hang) => std::future::pending::<()>().await,
            Some(Trouble::Alter(change)) => self.alter(change),
            Some(Trouble::Forget(error)) => {
                self.forget();
                return Err(error.clone());
            }
            _ => {}
        }
        let version = self.collection.lock().schema.version;
        let primary = self.primary();
        let mut shards = self.shards.lock();
        let shard = shards.get_mut(&write.shard).unwrap();
        if write.schema_version != version {
            return Err(Error::new(Code::SchemaMismatch, "old schema"));
        }
        if let Some(before) = shard.seen.get(&write.request) {
            return Ok(before.clone());
        }
        let mut written = ShardWritten::default();
        let mut earlier_keys = None;
        match write.change {
            RowChange::Insert { partition, batch, .. } => {
                let rows = RowBatch::decode(&batch).unwrap();
                for row in 0..rows.rows {
                    let key = rows.column(primary).unwrap().data.key(row).unwrap();
                    earlier_keys.get_or_insert_with(Vec::new).push(key.clone());
                    let values = rows.take(&[row]);
                    written.inserted += 1;
                    written.deleted += u64::from(shard.rows.insert(key, Row { partition, values }).is_some());
                }
            }
            RowChange::DeleteKeys { partition, keys } => {
                for key in keys {
                    let dies =
                        shard.rows.get(&key).is_some_and(|row| partition.is_none_or(|p| p == row.partition));
                    if dies {
                        shard.rows.remove(&key);
                        written.deleted += 1;
                    }
                }
            }
            RowChange::DeleteWhere { partitions, .. } => {
                let before = shard.rows.len();
                shard.rows.retain(|_, row| !partitions.is_empty() && !partitions.contains(&row.partition));
                written.deleted = (before - shard.rows.len()) as u64;
            }
        }
        shard.entries += 1;
        shard.timestamp += 10 + u64::from(write.shard.index);
        written.timestamp = Timestamp(shard.timestamp);
        shard.seen.insert(write.request, ShardWritten { earlier_keys, ..written.clone() });
        match trouble {
            Some(Trouble::LoseAnswer(error)) => Err(error),
            _ => Ok(written),
        }
    }

    async fn pin(&self, pin: ShardPin) -> Result<PinReply> {
        let mut shards = self.shards.lock();
        let shard = shards.get_mut(&pin.shard).unwrap();
        shard.entries += 1;
        if pin.timestamp.0 <= shard.timestamp {
            shard.timestamp += 1;
            return Ok(PinReply::Passed(Timestamp(shard.timestamp)));
        }
        shard.timestamp = pin.timestamp.0;
        shard.pins.insert(pin.timestamp, shard.rows.clone());
        Ok(PinReply::Pinned)
    }

    async fn flush(&self, shard: ShardId) -> Result<ShardStats> {
        self.stats(shard).await
    }

    async fn stats(&self, id: ShardId) -> Result<ShardStats> {
        self.check_majority(1)?;
        let shards = self.shards.lock();
        let shard = &shards[&id];
        if let Some(error) = &shard.read_trouble {
            return Err(error.clone());
        }
        let mut stats = ShardStats { timestamp: Timestamp(shard.timestamp), ..ShardStats::default() };
        for row in shard.rows.values() {
            *stats.rows.entry(row.partition).or_default() += 1;
        }
        stats.segments = vec![(SegmentId(1), shard.rows.len() as u64, true)];
        stats.segments.extend((shard.growing_rows > 0).then_some((SegmentId(2), shard.growing_rows, false)));
        stats.pending_index_rows.insert(IndexId(1), 1);
        stats.index_failures = shard.index_failure.iter().map(|why| (IndexId(1), why.clone())).collect();
        Ok(stats)
    }

    async fn compact(&self, ask: ShardCompact) -> Result<()> {
        self.check_majority(1)?;
        let mut shards = self.shards.lock();
        let shard = shards.get_mut(&ask.shard).unwrap();
        match shard.trouble.pop_front() {
            Some(Trouble::Refuse(error)) => return Err(error),
            Some(_) => panic!("not for this"),
            None => {}
        }
        shard.compactions.push(ask.bytes_max);
        Ok(())
    }

    /// One segment with all rows; the ask of a shard with an even number is done.
    async fn segments(&self, shard: ShardId) -> Result<ShardSegments> {
        self.check_majority(1)?;
        let shards = self.shards.lock();
        let found = &shards[&shard];
        if let Some(error) = &found.read_trouble {
            return Err(error.clone());
        }
        let is_done = shard.index.is_multiple_of(2);
        let asked = AskedInfo { is_done, finished: 2, under_way: u64::from(!is_done) };
        let segment = SegmentInfo {
            shard,
            id: SegmentId(1),
            partition: DEFAULT,
            rows: found.rows.len() as u64,
            standing: SegmentStanding::Flushed,
            is_searched: true,
            indexed: vec![],
            memory_bytes: 0,
        };
        let asked = (!found.compactions.is_empty()).then_some(asked);
        Ok(ShardSegments { segments: vec![segment], merges: vec![], asked })
    }
}

#[async_trait]
impl ShardReader for FakeCluster {
    async fn search(&self, search: ShardSearch) -> Result<ShardHits> {
        self.levels.lock().insert(search.shard, search.consistency);
        self.take_time(search.consistency).await;
        let (rows, timestamp) =
            self.matching(search.shard, &search.partitions, &search.filter, search.consistency, search.at)?;
        let mut hits = ShardHits {
            counts: vec![],
            scores: vec![],
            recalls: vec![],
            rows: RowBatch::default(),
            timestamp,
            explained: None,
        };
        let mut picked = vec![];
        let QueryVectors::Float(queries) = &*search.vectors else { panic!("only floats are compared here") };
        for query in queries.chunks(search.dim as usize) {
            let mut scored: Vec<(f32, usize)> = (0..rows.rows)
                .map(|row| {
                    let Some(ColumnData::FloatVector { values, dim }) =
                        rows.column(search.field).map(|c| &c.data)
                    else {
                        panic!("no vectors")
                    };
                    let vector = &values[row * *dim as usize..(row + 1) * *dim as usize];
                    let pairs = query.iter().zip(vector);
                    let score = match search.metric {
                        Metric::L2 => pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f32>(),
                        _ => -pairs.map(|(a, b)| a * b).sum::<f32>(),
                    };
                    (score, row)
                })
                .collect();
            scored.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            if let Some(explain) = &search.explain {
                hits.explained = Some(Box::new(explained(&search, explain, &rows, &scored, timestamp)));
            }
            match (search.group_by, search.page) {
                (None, None) => scored.truncate(search.k),
                (None, Some(page)) => {
                    let sign = if search.metric == Metric::L2 { 1.0 } else { -1.0 };
                    scored.retain(|(score, _)| page.after.is_none_or(|after| *score > after * sign));
                    let last = scored.get(search.k - 1).map(|(score, _)| *score);
                    scored.retain(|(score, _)| last.is_none_or(|last| *score <= last));
                }
                (Some(by), _) => {
                    let column = rows.column(by.field);
                    let mut groups = Groups::new(search.k, by.size);
                    for (score, row) in scored {
                        groups.offer(column.unwrap().group_key(row).unwrap(), (score, row));
                    }
                    scored = groups.into_groups().concat();
                }
            }
            hits.counts.push(scored.len());
            let sign = if search.metric == Metric::L2 { 1.0 } else { -1.0 };
            hits.scores.extend(scored.iter().map(|(score, _)| score * sign));
            picked.extend(scored.iter().map(|(_, row)| *row));
        }
        hits.rows = project(&rows.take(&picked), &search.output);
        Ok(hits)
    }

    async fn query(&self, query: ShardQuery) -> Result<ShardRows> {
        self.levels.lock().insert(query.shard, query.consistency);
        self.take_time(query.consistency).await;
        let (mut rows, timestamp) =
            self.matching(query.shard, &query.partitions, &query.filter, query.consistency, query.at)?;
        let count = rows.rows as u64;
        if let Some(limit) = query.limit {
            rows = rows.take(&(0..rows.rows.min(limit)).collect::<Vec<_>>());
        }
        let rows = if query.output.is_empty() { RowBatch::default() } else { project(&rows, &query.output) };
        Ok(ShardRows { count, rows, timestamp })
    }
}

/// Keys are absent, or ranked among the shard's rows.
fn explained(
    search: &ShardSearch,
    explain: &ShardExplain,
    rows: &RowBatch,
    scored: &[(f32, usize)],
    timestamp: Timestamp,
) -> ShardExplained {
    let keys = &rows.columns.iter().find(|column| column.data.key(0).is_some());
    let one = |key: &PrimaryKey| {
        let mut told = KeyExplanation::new(key.clone(), KeyVerdict::Absent);
        let of = |row: usize| keys.and_then(|column| column.data.key(row));
        let place = scored.iter().position(|(_, row)| of(*row).as_ref() == Some(key));
        let Some(place) = place else { return ShardKey { told, distance: None } };
        let is_hit = place < search.k;
        told.verdict = if is_hit { KeyVerdict::Found } else { KeyVerdict::BeyondLimit };
        told.rank = Some(place as u64 + 1);
        told.place = told.rank.filter(|_| is_hit);
        told.partition = Some(DEFAULT.to_string());
        ShardKey { told, distance: Some(scored[place].0) }
    };
    let before = |distance: &f32| {
        let count =
            |is: fn(&f32, &f32) -> bool| scored.iter().filter(|(score, _)| is(score, distance)).count();
        Nearer { rows: count(f32::lt) as u64, as_near: count(f32::eq) as u64 }
    };
    let shard = ShardExplanation {
        shard: search.shard.index,
        node: NodeId(u64::from(search.shard.index) + 10),
        position: LogPosition(timestamp.0),
        ..ShardExplanation::default()
    };
    let nearer = explain.distances.iter().map(before).collect();
    ShardExplained { shard, keys: explain.keys.iter().map(one).collect(), nearer }
}

fn project(rows: &RowBatch, output: &[FieldId]) -> RowBatch {
    if rows.rows == 0 {
        return RowBatch::default();
    }
    // Not in the order asked: nobody promised that.
    let columns = output.iter().rev().map(|field| rows.column(*field).unwrap().clone()).collect();
    RowBatch::new(columns).unwrap()
}
