//! The log of one shard: the product's own state machine, without a log below and with refusals on request.

use super::rig::SHARD;
use async_trait::async_trait;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::Notify;
use vecraft_rpc::services::IndexLedger;
use vecraft_state::shard::{
    GroupState, Refusal, SegmentPhase, SegmentState, ShardCommand, ShardEntry, ShardReply,
};
use vecraft_types::*;

/// Durable as soon as it answers, like a log.
#[derive(Default)]
pub struct Ledger(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    group: GroupState,
    position: u64,
    entries: Vec<ShardCommand>,
    /// Proposals that get no answer from now on.
    mute: u32,
    is_out_of_service: bool,
    looks: u64,
    /// What another replica names just before our next proposal.
    rival: Option<(SegmentId, IndexBuild)>,
    /// The index role of the present life.
    changed: Option<Arc<Notify>>,
}

/// The commands of this ledger concern no rows.
struct NoKeys;

impl KeyIndex for NoKeys {
    fn rows(&self, _: &PrimaryKey) -> Vec<RowRef> {
        Vec::new()
    }
    fn add(&mut self, _: PrimaryKey, _: RowRef) {}
    fn remove(&mut self, _: &PrimaryKey) -> Vec<RowRef> {
        Vec::new()
    }
    fn remove_row(&mut self, _: &PrimaryKey, _: &RowRef) -> bool {
        false
    }
    fn retain(&mut self, _: &mut dyn FnMut(&RowRef) -> bool) {}
    fn len(&self) -> usize {
        0
    }
}

impl Ledger {
    pub fn create(&self, schema: CollectionSchema) {
        self.run(ShardCommand::Create { schema }).unwrap();
    }

    /// As if rows had come and the segment had been sealed. Each segment is a partition of its own.
    pub fn seal(&self, segment: u64, rows: usize) {
        let mut inner = self.0.lock();
        let state = SegmentState {
            partition: PartitionId(segment),
            rows: rows as u32,
            bytes: 1,
            phase: SegmentPhase::Sealed(LogPosition(1)),
        };
        inner.group.shards.get_mut(&SHARD).unwrap().segments.insert(SegmentId(segment), state);
    }

    pub fn drop_segment(&self, segment: u64) {
        self.run(ShardCommand::DropPartition { partition: PartitionId(segment) }).unwrap();
    }

    pub fn drop_shard(&self) {
        self.run(ShardCommand::Drop).unwrap();
    }

    /// Another replica's entry.
    pub fn names(&self, segment: u64, build: IndexBuild) -> ShardReply {
        self.run(ShardCommand::IndexReady { segment: SegmentId(segment), build })
    }

    /// So many proposals fail without an answer, and without effect.
    pub fn set_mute(&self, proposals: u32) {
        self.0.lock().mute = proposals;
    }

    /// How often somebody asked for the builds in force.
    pub fn looks(&self) -> u64 {
        self.0.lock().looks
    }

    /// The shard's group leaves service, or comes back.
    pub fn set_out_of_service(&self, is_out: bool) {
        self.0.lock().is_out_of_service = is_out;
    }

    /// Another replica's entry comes just before our next one.
    pub fn set_rival(&self, segment: u64, build: IndexBuild) {
        self.0.lock().rival = Some((SegmentId(segment), build));
    }

    pub fn watched_by(&self, changed: Arc<Notify>) {
        self.0.lock().changed = Some(changed);
    }

    /// The build in force.
    pub fn build(&self, segment: u64, index: u64) -> Option<IndexBuild> {
        let builds = self.builds(SHARD).unwrap()?;
        let is_it = |(at, build): &&(SegmentId, IndexBuild)| (at.0, build.index.0) == (segment, index);
        builds.iter().find(is_it).map(|(_, build)| *build)
    }

    /// How many index entries there are.
    pub fn entries(&self) -> usize {
        let is_index_entry = |command: &&ShardCommand| {
            matches!(command, ShardCommand::IndexReady { .. } | ShardCommand::IndexDropped { .. })
        };
        self.0.lock().entries.iter().filter(is_index_entry).count()
    }

    fn run(&self, command: ShardCommand) -> ShardReply {
        let mut inner = self.0.lock();
        inner.position += 1;
        let position = LogPosition(inner.position);
        inner.entries.push(command.clone());
        let entry = ShardEntry { shard: SHARD, suggested: Timestamp(1), command };
        let outcome = inner.group.apply(position, entry, &mut NoKeys);
        if let Some(changed) = inner.changed.as_ref().filter(|_| !outcome.effects.is_empty()) {
            changed.notify_one();
        }
        outcome.reply
    }

    fn answer(&self) -> Result<()> {
        let mut inner = self.0.lock();
        match inner.mute {
            0 => Ok(()),
            _ => {
                inner.mute -= 1;
                Err(Error::new(Code::Deadline, "nobody answers, as asked"))
            }
        }
    }
}

#[async_trait]
impl IndexLedger for Ledger {
    fn builds(&self, shard: ShardId) -> Result<Option<Vec<(SegmentId, IndexBuild)>>> {
        let mut inner = self.0.lock();
        inner.looks += 1;
        if inner.is_out_of_service {
            return Err(Error::new(Code::Io, "out of service, as asked"));
        }
        let state = inner.group.shards.get(&shard);
        Ok(state.map(|state| state.builds().map(|(segment, build)| (segment, *build)).collect()))
    }

    async fn settle(&self) -> Result<()> {
        Ok(())
    }

    async fn index_ready(
        &self,
        shard: ShardId,
        segment: SegmentId,
        build: IndexBuild,
    ) -> Result<Option<IndexBuild>> {
        assert_eq!(shard, SHARD);
        self.answer()?;
        let rival = self.0.lock().rival.take();
        if let Some((segment, build)) = rival {
            self.run(ShardCommand::IndexReady { segment, build }).unwrap();
        }
        match self.run(ShardCommand::IndexReady { segment, build }) {
            Ok(_) => Ok(Some(build)),
            Err(Refusal::IndexInForce(other)) => Ok(Some(*other)),
            Err(_) => Ok(None),
        }
    }

    async fn index_dropped(&self, shard: ShardId, index: IndexId) -> Result<()> {
        assert_eq!(shard, SHARD);
        self.answer()?;
        self.run(ShardCommand::IndexDropped { index })
            .map(drop)
            .map_err(|e| Error::internal(format!("{e:?}")))
    }
}
