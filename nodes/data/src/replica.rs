//! One replica of a pool group: the shard machines, their key indexes and their segments.
//!
//! Synchronous and deterministic; the simulation drives it as it is. Apply never touches a file: the checkpoint
//! ([`crate::checkpoint`]) captures a position here and writes elsewhere.

use crate::checkpoint::paths;
use crate::digest::{Digest, outcome};
use crate::error::{Error, Result};
use crate::faults::Faults;
use crate::key_index::MemoryKeyIndex;
use crate::snapshot::pins::Pins;
use crate::snapshot::wanted::Fetched;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use vecraft_segment::{GrowingOptions, Segment, SegmentManifest, ShardView, ViewRegistry};
use vecraft_state::shard::{Effect, GroupState, ShardEntry, ShardReply, Unreadable};
use vecraft_types::{GroupId, LogPosition, PartitionId, SegmentId, ShardId, Timestamp};

mod compacting;
mod routes;
mod shard;

pub(crate) use compacting::Compacting;
use compacting::Decided;
pub use routes::Routes;
use shard::append;
pub(crate) use shard::{Held, ShardReplica};

/// The shards of one group as this node holds them.
pub struct GroupReplica {
    pub(crate) group: GroupId,
    pub(crate) state: GroupState,
    pub(crate) shards: BTreeMap<ShardId, ShardReplica>,
    /// Shards dropped since the last checkpoint, whose records must go with the next.
    pub(crate) dropped: Vec<ShardId>,
    /// Files of segments dropped since then: the last checkpoint still names them, they go with the next.
    pub(crate) vanished: Vec<String>,
    pub(crate) applied: LogPosition,
    /// Segments vanished or builds changed since somebody last asked: the index role must look.
    pub(crate) is_index_work_due: bool,
    /// A shard was made since somebody last asked.
    pub(crate) is_shard_made: bool,
    pub(crate) routes: Arc<Routes>,
    pub(crate) views: Arc<ViewRegistry>,
    pub(crate) options: GrowingOptions,
    faults: Faults,
    /// What the other replicas are compared by (I23).
    pub(crate) digest: Digest,
    /// Files that stay although no checkpoint names them (I5).
    pub(crate) pins: Arc<Pins>,
    /// Keeps the files of a snapshot that was fetched, in whole or in part, and is not installed yet.
    pub(crate) fetched: Option<Fetched>,
}

impl GroupReplica {
    /// A replica without shards.
    pub fn new(
        group: GroupId,
        routes: Arc<Routes>,
        views: Arc<ViewRegistry>,
        options: GrowingOptions,
    ) -> GroupReplica {
        GroupReplica {
            group,
            state: GroupState::default(),
            shards: BTreeMap::new(),
            dropped: Vec::new(),
            vanished: Vec::new(),
            applied: LogPosition(0),
            is_index_work_due: false,
            is_shard_made: false,
            routes,
            views,
            options,
            faults: Faults::default(),
            digest: Digest::new(),
            pins: Arc::default(),
            fetched: None,
        }
    }

    /// Plants or removes bugs (simulation only).
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Applies one entry and publishes the shard's new view (I15).
    ///
    /// # Errors
    /// [`Error::Broken`] when the entry's effects do not fit what this replica holds: it must stop (I24).
    pub fn apply(&mut self, position: LogPosition, entry: ShardEntry) -> Result<ShardReply> {
        self.mark_before(position);
        let shard = entry.shard;
        self.faults.strike(&mut self.state);
        let mut nothing = MemoryKeyIndex::default();
        let keys = self.shards.get_mut(&shard).map_or(&mut nothing, |shard| &mut shard.keys);
        let decided = self.state.apply(position, entry, keys);
        self.absorb(position, &outcome(position, &decided.reply, &decided.effects)?);
        self.applied = position;
        let has_effects = !decided.effects.is_empty();
        for effect in decided.effects {
            self.perform(position, effect)?;
        }
        if has_effects {
            self.publish(shard, position);
        }
        Ok(decided.reply)
    }

    /// Remembers that an entry without a command was committed.
    pub fn advance(&mut self, position: LogPosition) {
        self.applied = position;
    }

    fn perform(&mut self, position: LogPosition, effect: Effect) -> Result<()> {
        match effect {
            Effect::ShardCreated { shard, schema } => {
                self.is_shard_made = true;
                self.shards.insert(shard, ShardReplica::new(schema));
                self.routes.add(shard, self.group);
            }
            Effect::ShardDropped { shard } => {
                self.is_index_work_due = true;
                self.shards.remove(&shard);
                self.dropped.push(shard);
                self.routes.remove(shard);
                self.views.remove(shard);
            }
            Effect::Append { shard, segment, partition, first_row, batch, timestamp } => {
                let options = self.options;
                let growing = self.shard(shard)?.growing(segment, partition, options)?;
                append(&growing, first_row, &batch, position, timestamp)?;
            }
            Effect::Delete { shard, rows } if !self.faults.drop_deletes => {
                self.shard(shard)?.delete(&rows, position)?;
            }
            Effect::Delete { .. } => {}
            // Serving goes on from the growing segment until its file is durable (I13).
            Effect::Sealed { .. } => {}
            Effect::BuildsChanged { .. } => self.is_index_work_due = true,
            // The view that is published for it says that this replica has come so far (I18).
            Effect::ReadPinned { .. } => {}
            Effect::SegmentsDropped { shard, segments } => {
                self.is_index_work_due = true;
                let shard = self.shard(shard)?;
                let held = segments.iter().filter_map(|id| shard.segments.remove(id)?.file);
                let mut gone: Vec<SegmentManifest> = held.collect();
                let unread = segments.iter().filter_map(|id| shard.compacting.remove(id)?.file);
                gone.extend(unread.map(|(manifest, _)| manifest));
                self.vanished.extend(gone.into_iter().flat_map(paths));
            }
            Effect::Compacted { shard, inputs, output, partition, floor, rows } => {
                self.compacted(shard, Decided { inputs, output, partition, floor, rows })?;
            }
        }
        Ok(())
    }

    fn shard(&mut self, id: ShardId) -> Result<&mut ShardReplica> {
        self.shards
            .get_mut(&id)
            .ok_or_else(|| Error::Broken(format!("shard {id} is in the log but not here")))
    }

    /// Makes the shard's rows as of `position` the picture that readers get.
    pub(crate) fn publish(&self, id: ShardId, position: LogPosition) {
        if let Some(shard) = self.shards.get(&id) {
            let view = shard.view(id, position, self.state.last_timestamp);
            self.views.publish(ShardView { gone: self.gone_of(id), ..view });
        }
    }

    /// The partitions that a shard has dropped. They only become more, so as many as before are the same.
    fn gone_of(&self, id: ShardId) -> Arc<BTreeSet<PartitionId>> {
        let Some(state) = self.state.shards.get(&id) else { return Arc::default() };
        let before = self.views.get(id).map(|view| view.gone.clone());
        let same = before.filter(|gone| gone.len() == state.dropped_partitions.len());
        same.unwrap_or_else(|| Arc::new(state.dropped_partitions.clone()))
    }

    /// The same for every shard, after a restore.
    pub(crate) fn publish_all(&self) {
        self.shards.keys().for_each(|id| self.publish(*id, self.applied));
    }

    /// Takes the place of another replica of the same group on this node: its readers see this one's shards from now
    /// on, and those that are gone no more.
    pub(crate) fn succeed(&mut self, old: GroupReplica) {
        self.pins = old.pins;
        self.faults = old.faults;
        self.pins.spare(&self.named_files());
        self.publish_all();
        for gone in old.shards.keys().filter(|id| !self.shards.contains_key(id)) {
            self.routes.remove(*gone);
            self.views.remove(*gone);
        }
    }

    /// What the newest checkpoint names of the segments here.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = &SegmentManifest> {
        let held = self.shards.values().flat_map(|shard| shard.segments.values());
        let unread = self.shards.values().flat_map(|shard| shard.compacting.values());
        held.filter_map(|held| held.file.as_ref()).chain(unread.filter_map(Compacting::manifest))
    }

    /// The files of the segments here.
    pub(crate) fn named_files(&self) -> BTreeSet<String> {
        self.manifests().flat_map(|manifest| manifest.files.iter().map(|file| file.path.clone())).collect()
    }

    /// The position of the last entry applied.
    pub fn applied(&self) -> LogPosition {
        self.applied
    }

    /// The position that a moment of a shard means (I18), for a read of these partitions (empty: of all); none when the shard
    /// is not here.
    pub fn pinned(
        &self,
        shard: ShardId,
        at: Timestamp,
        partitions: &[PartitionId],
    ) -> Option<std::result::Result<LogPosition, Unreadable>> {
        Some(self.state.shards.get(&shard)?.read_pins.position(at, partitions))
    }

    /// The shards here.
    pub fn shard_ids(&self) -> Vec<ShardId> {
        self.shards.keys().copied().collect()
    }

    /// True when a checkpoint would free files: something was dropped since the last one.
    pub fn has_garbage(&self) -> bool {
        !self.dropped.is_empty() || !self.vanished.is_empty()
    }

    /// True when a sealed segment has no file yet: whoever proposed the seal, each replica writes its own.
    pub fn lacks_files(&self) -> bool {
        self.state.shards.iter().any(|(id, state)| {
            let Some(shard) = self.shards.get(id) else { return false };
            let is_in_memory = |id| match (shard.segments.get(id), shard.compacting.get(id)) {
                (Some(held), _) => matches!(held.segment, Segment::Growing(_)),
                (None, output) => output.is_some_and(|output| output.file.is_none()),
            };
            state.segments.iter().any(|(id, segment)| !segment.phase.is_growing() && is_in_memory(id))
        })
    }

    /// Growing segments of at least so many bytes and rows: the leader proposes to seal them.
    pub fn seal_due(&self, bytes: u64, rows: u32) -> Vec<(ShardId, SegmentId)> {
        let due = |(id, shard): (&ShardId, &vecraft_state::shard::ShardState)| {
            let id = *id;
            shard
                .segments
                .iter()
                .filter(move |(_, s)| s.phase.is_growing() && s.bytes >= bytes && s.rows >= rows)
                .map(move |(segment, _)| (id, *segment))
                .collect::<Vec<_>>()
        };
        self.state.shards.iter().flat_map(due).collect()
    }

    /// Growing segments of a shard with at least so many rows (and at least one).
    pub(crate) fn growing_of(&self, shard: ShardId, rows_min: u64) -> Vec<SegmentId> {
        let segments = self.state.shards.get(&shard).map(|shard| &shard.segments);
        let is_due = |(_, s): &(&SegmentId, &vecraft_state::shard::SegmentState)| {
            s.phase.is_growing() && u64::from(s.rows) >= rows_min.max(1)
        };
        segments.into_iter().flatten().filter(is_due).map(|(id, _)| *id).collect()
    }
}
