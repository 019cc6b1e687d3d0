//! Serving [`ShardWriter`]: inserts, deletes, pinned moments, flush, figures.

use crate::group::{DataGroup, refused};
use crate::node::{DataNode, time_left};
use async_trait::async_trait;
use std::collections::btree_map::Entry;
use std::time::Duration;
use vecraft_rpc::services::{
    PinReply, RowChange, ShardCompact, ShardPin, ShardSegments, ShardStats, ShardWrite, ShardWriter,
    ShardWritten,
};
use vecraft_segment::exec::{self, Cancel};
use vecraft_state::shard::{Applied, Refusal, ShardCommand};
use vecraft_types::{Code, Error, LogPosition, PrimaryKey, Result, ShardId};

const STATS_DEADLINE: Duration = Duration::from_secs(10);
const SEAL_DEADLINE: Duration = Duration::from_secs(10);

#[async_trait]
impl ShardWriter for DataNode {
    async fn write(&self, write: ShardWrite) -> Result<ShardWritten> {
        let adds_rows = matches!(write.change, RowChange::Insert { .. });
        let _room = self.admit(bytes_of(&write.change), adds_rows)?;
        let group = self.group_of(write.shard)?;
        if adds_rows {
            self.check_voters(&group, bytes_of(&write.change))?;
        }
        self.check_files(&group, write.shard, matches!(write.change, RowChange::DeleteWhere { .. }))?;
        let deadline = time_left(write.deadline_ms);
        let request = write.request;
        let command = match write.change {
            RowChange::Insert { partition, batch, is_upsert } => ShardCommand::Insert {
                request,
                schema_version: write.schema_version,
                partition,
                batch,
                is_upsert,
            },
            RowChange::DeleteKeys { partition, keys } => {
                ShardCommand::DeleteKeys { request, partition, keys }
            }
            RowChange::DeleteWhere { partitions, filter } => {
                let work = self.delete_where(write.shard, request, &partitions, &filter, deadline);
                return tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| {
                    let text = "delete by filter did not finish; some rows may be gone";
                    Err(Error::new(Code::Deadline, text).with("group", group.id()).unanswered())
                });
            }
        };
        let adds_keys = matches!(command, ShardCommand::Insert { .. });
        let (position, applied) = group.propose_at(write.shard, command, deadline).await?;
        let mut done = written(applied);
        if adds_keys && applied.position != position {
            done.earlier_keys = Some(self.keys_written_by(&group, write.shard, applied.position).await?);
        }
        Ok(done)
    }

    async fn pin(&self, pin: ShardPin) -> Result<PinReply> {
        self.check_space(false)?;
        let ShardPin { shard, timestamp, newest_partition, deadline_ms } = pin;
        let command = ShardCommand::PinRead { timestamp, newest_partition };
        match self.group_of(shard)?.ask(shard, command, time_left(deadline_ms)).await?.1 {
            Ok(_) => Ok(PinReply::Pinned),
            Err(Refusal::TimePassed { last }) => Ok(PinReply::Passed(last)),
            Err(refusal) => Err(refused(shard, refusal)),
        }
    }

    async fn flush(&self, shard: ShardId) -> Result<ShardStats> {
        let group = self.group_of(shard)?;
        let large = group.machine.lock().replica.growing_of(shard, self.limits.flush_seals_rows_min);
        for segment in large {
            group.propose(shard, ShardCommand::Seal { segment }, SEAL_DEADLINE).await?;
        }
        group.checkpoint().await?;
        self.stats(shard).await
    }

    async fn stats(&self, shard: ShardId) -> Result<ShardStats> {
        let group = self.group_of(shard)?;
        let at = group.raft.read_index().await?;
        group.raft.wait_published(at, STATS_DEADLINE).await?;
        let gone = || Error::unknown_shard("the shard was dropped", shard);
        let view = self.views.get(shard).ok_or_else(gone)?;
        let mut stats = ShardStats {
            position: view.position,
            timestamp: view.timestamp,
            damage: self.views.damage(shard),
            ..ShardStats::default()
        };
        for shown in &view.segments {
            let partition = shown.segment.partition();
            if let Entry::Vacant(new) = stats.rows.entry(partition) {
                let counted = exec::count(&view, Some(&[partition]), None, Cancel::never());
                new.insert(counted.map_err(|error| self.unreadable(shard, error))?);
            }
        }
        let machine = group.machine.lock();
        let state = machine.replica.state.shards.get(&shard).ok_or_else(gone)?;
        let figures = |(id, s): (&_, &vecraft_state::shard::SegmentState)| {
            (*id, u64::from(s.rows), !s.phase.is_growing())
        };
        stats.segments = state.segments.iter().map(figures).collect();
        Ok(stats)
    }

    async fn compact(&self, ask: ShardCompact) -> Result<()> {
        self.ask_compaction(ask).await
    }

    async fn segments(&self, shard: ShardId) -> Result<ShardSegments> {
        self.segments_of(shard).await
    }
}

impl DataNode {
    /// The keys that an entry applied before has written.
    async fn keys_written_by(
        &self,
        group: &DataGroup,
        shard: ShardId,
        position: LogPosition,
    ) -> Result<Vec<PrimaryKey>> {
        let Some(view) = self.views.get(shard) else { return Ok(Vec::new()) };
        let reading = group.io.run(move || exec::written_by(&view, position)).await;
        let read = reading.map_err(|e| Error::internal(e.to_string()))?;
        read.map_err(|error| self.unreadable(shard, error))
    }
}

fn written(applied: Applied) -> ShardWritten {
    ShardWritten {
        position: applied.position,
        timestamp: applied.timestamp,
        inserted: applied.inserted,
        deleted: applied.deleted,
        earlier_keys: None,
    }
}

fn bytes_of(change: &RowChange) -> usize {
    let key_bytes = |key: &PrimaryKey| match key {
        PrimaryKey::Int64(_) => 16,
        PrimaryKey::VarChar(text) => 16 + text.len(),
    };
    match change {
        RowChange::Insert { batch, .. } => batch.len(),
        RowChange::DeleteKeys { keys, .. } => keys.iter().map(key_bytes).sum(),
        RowChange::DeleteWhere { filter, .. } => filter.len(),
    }
}
