//! Asking for a compaction, and telling how a shard's rows lie: which segments the log names, which readers see, and what is
//! becoming of them.

use crate::group::refused;
use crate::node::{DataNode, time_left};
use crate::replica::{Compacting, GroupReplica, ShardReplica};
use std::time::Duration;
use vecraft_rpc::services::{ShardCompact, ShardSegments};
use vecraft_segment::Segment;
use vecraft_state::shard::{SegmentState, ShardCommand, ShardState};
use vecraft_types::api::{AskedInfo, MergeInfo, SegmentInfo, SegmentStanding};
use vecraft_types::{Error, FieldId, Result, SegmentId, ShardId};

const SEGMENTS_DEADLINE: Duration = Duration::from_secs(10);

impl DataNode {
    pub(super) async fn ask_compaction(&self, ask: ShardCompact) -> Result<()> {
        self.check_space(false)?;
        let ShardCompact { shard, bytes_max, deadline_ms } = ask;
        let command = ShardCommand::AskCompaction { bytes_max };
        let answer = self.group_of(shard)?.ask(shard, command, time_left(deadline_ms)).await?.1;
        answer.map(drop).map_err(|refusal| refused(shard, refusal))
    }

    pub(super) async fn segments_of(&self, shard: ShardId) -> Result<ShardSegments> {
        let group = self.group_of(shard)?;
        let at = group.raft.read_index().await?;
        group.raft.wait_published(at, SEGMENTS_DEADLINE).await?;
        let told = group.machine.lock().replica.segments_of(shard);
        let (pace, now) = (group.pace.lock(), group.clock.monotonic());
        let told = told.map(|mut told| {
            for merge in &mut told.merges {
                merge.seconds_left = pace.seconds_left(now, &(shard, merge.output));
            }
            told
        });
        told.ok_or_else(|| Error::unknown_shard("the shard was dropped", shard))
    }
}

impl GroupReplica {
    /// How the rows of a shard lie; none when it is not here.
    pub(crate) fn segments_of(&self, id: ShardId) -> Option<ShardSegments> {
        let (state, shard) = (self.state.shards.get(&id)?, self.shards.get(&id)?);
        let named = state.segments.iter().filter_map(|(segment, known)| named(id, *segment, known, shard));
        let replaced = shard.compacting.values().flat_map(|output| replaced(id, output, shard));
        let mut segments: Vec<SegmentInfo> = named.chain(replaced).collect();
        segments.sort_by_key(|segment| segment.id);
        let merges: Vec<MergeInfo> =
            shard.compacting.iter().map(|(output, making)| merge(id, *output, making)).collect();
        let asked = asked(state, merges.len() as u64);
        Some(ShardSegments { segments, merges, asked })
    }
}

/// One that the log names.
fn named(shard: ShardId, id: SegmentId, known: &SegmentState, held: &ShardReplica) -> Option<SegmentInfo> {
    let (here, is_searched) = match (held.segments.get(&id), held.compacting.get(&id)) {
        (Some(held), _) => (Some(held.segment.clone()), true),
        (None, output) => {
            let file = output?.file.as_ref();
            (file.map(|(_, sealed)| Segment::Sealed(sealed.clone())), false)
        }
    };
    let standing = match &here {
        _ if known.phase.is_growing() => SegmentStanding::Growing,
        Some(Segment::Sealed(_)) => SegmentStanding::Flushed,
        Some(Segment::Growing(_)) | None => SegmentStanding::Sealed,
    };
    let (indexed, memory_bytes) = here.map_or((Vec::new(), 0), |segment| in_memory(&segment, held));
    let (partition, rows) = (known.partition, u64::from(known.rows));
    Some(SegmentInfo { shard, id, partition, rows, standing, is_searched, indexed, memory_bytes })
}

/// Those that readers see instead of an output.
fn replaced<'a>(
    shard: ShardId,
    output: &'a Compacting,
    held: &'a ShardReplica,
) -> impl Iterator<Item = SegmentInfo> + use<'a> {
    let partition = output.compaction.partition();
    output.compaction.parts().iter().map(move |part| {
        let segment = part.segment();
        let (indexed, memory_bytes) = in_memory(segment, held);
        let (id, rows, standing) = (segment.id(), u64::from(segment.rows()), SegmentStanding::Replaced);
        SegmentInfo { shard, id, partition, rows, standing, is_searched: true, indexed, memory_bytes }
    })
}

/// Fields with an index that searches use, and bytes of memory.
fn in_memory(segment: &Segment, held: &ShardReplica) -> (Vec<FieldId>, u64) {
    let fields = held.schema.vector_fields().map(|field| field.id);
    (fields.filter(|field| segment.index(*field).is_some()).collect(), segment.bytes())
}

fn merge(shard: ShardId, output: SegmentId, making: &Compacting) -> MergeInfo {
    let compaction = &making.compaction;
    MergeInfo {
        shard,
        partition: compaction.partition(),
        inputs: compaction.parts().iter().map(|part| part.segment().id()).collect(),
        output,
        is_written: making.file.is_some(),
        seconds_left: None,
    }
}

/// What is being made once an ask is done, nobody asked for.
fn asked(state: &ShardState, making: u64) -> Option<AskedInfo> {
    let asked = state.asked_compaction.as_ref()?;
    let under_way = if asked.is_done { 0 } else { making };
    let finished = u64::from(asked.decided).saturating_sub(under_way);
    Some(AskedInfo { is_done: asked.is_done, finished, under_way })
}
