//! One index: built or read, made durable, named by the shard's log, put to use (I13).

use crate::error::{Error, Result};
use crate::node::IndexNode;
use crate::plan::JobKind;
use crate::state::{InUse, Undone};
use crate::survey::Work;
use crate::watched::{JobWatch, UnderWay};
use std::sync::Arc;
use vecraft_index::{BuildMonitor, VectorIndex};
use vecraft_rpc::memory::Room;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_types::{BuildId, IndexBuild, ShardId};

impl IndexNode {
    /// Does one job. Changes are looked at meanwhile: what was dropped goes at once, and the job itself is
    /// cancelled when it is no longer in the plan. Returns when nothing of it runs any more.
    /// `room` is for the index: held as long as searches use it, else given back.
    pub(crate) async fn do_while_wanted(&self, work: Work, room: Room, stop: &Shutdown) {
        let unwanted = JobWatch::default();
        {
            let mut state = self.state.lock();
            state.report.working_on = Some(work.job.target);
            state.under_way = Some(UnderWay {
                target: work.job.target,
                since: self.clock.monotonic(),
                watched: unwanted.clone(),
            });
        }
        let done = {
            let making = self.make(&work, &unwanted);
            tokio::pin!(making);
            loop {
                tokio::select! {
                    done = &mut making => break done,
                    () = stop.triggered(), if !unwanted.cancelled() => unwanted.set(),
                    // Also when nothing changes: what others wait for is given up by the clock.
                    () = self.next_change_or_calm() => {
                        let survey = self.look();
                        if !survey.wants(&work.job) {
                            unwanted.set();
                        }
                        self.let_go(&survey).await;
                    }
                }
            }
        };
        match done {
            Ok(Some((used, bytes))) => self.took(&work, used, bytes, room).await,
            Ok(None) => {
                tracing::info!(target_index = %work.job.target, "another build is in force, or none can be")
            }
            Err(error) => {
                // An index that was to be mapped is still the one in memory.
                if let Some(used) = self.state.lock().in_use.get_mut(&work.job.target) {
                    used.room.get_or_insert(room);
                }
                self.failed(&work, error);
            }
        }
        let mut state = self.state.lock();
        (state.report.working_on, state.under_way) = (None, None);
    }

    async fn took(&self, work: &Work, used: InUse, bytes: u64, mut room: Room) {
        room.settle(bytes);
        let (target, build) = (work.job.target, used.build);
        let is_replacement = {
            let mut state = self.state.lock();
            match work.job.kind {
                JobKind::Open(_) => state.report.opened += 1,
                JobKind::Build { .. } => state.report.built += 1,
            }
            state.failures.remove(&Undone::of(&work.job));
            let lost = state.unusable.remove(&target);
            let used = InUse { room: Some(room), ..used };
            state.in_use.insert(target, used).is_some() || lost.is_some()
        };
        if is_replacement {
            self.remove_files(target, Some(&build)).await;
        }
    }

    fn failed(&self, work: &Work, error: Error) {
        let target = work.job.target;
        match &work.job.kind {
            _ if error.is_cancelled() => tracing::info!(%target, "index no longer wanted, cancelled"),
            JobKind::Open(build) if matches!(error, Error::Lost { .. }) => {
                tracing::error!(%target, %error, "index file is of no use, building it again from the vectors");
                let mut state = self.state.lock();
                state.report.unusable += 1;
                state.unusable.insert(target, *build);
            }
            _ => {
                self.tell_damage(target.shard, &error);
                let pause = self.put_off(Undone::of(&work.job), &error);
                tracing::error!(%target, %error, ?pause, "no index, searches scan; trying again after the pause");
            }
        }
    }

    /// A column file that is damaged takes its shard out of service, whoever reads it first (I24).
    pub(crate) fn tell_damage(&self, shard: ShardId, error: &Error) {
        if let Error::Segment(error) = error
            && error.damaged_file().is_some()
            && self.views.report_damage(shard, error)
        {
            tracing::error!(%shard, %error, "damaged file, this replica of the shard leaves service");
        }
    }

    /// The build in use and the bytes of memory it holds; none when the index is not ours to attach: another build is in
    /// force, or the segment vanished.
    async fn make(&self, work: &Work, unwanted: &JobWatch) -> Result<Option<(InUse, u64)>> {
        let started = self.clock.monotonic();
        let (index, build) = match &work.job.kind {
            JobKind::Open(build) => {
                let index = self.open_or_fetch(work, *build, unwanted).await?;
                unwanted.check().inspect_err(|_| unused(&*index))?;
                (index, *build)
            }
            JobKind::Build { over, replaces, .. } => {
                let (index, build) = self.durable(work, *over, *replaces, unwanted).await?;
                unwanted.check().inspect_err(|_| unused(&*index))?;
                let named = self.named(work, build, *replaces, unwanted).await;
                let Some(build) = named.inspect_err(|_| unused(&*index))? else {
                    unused(&*index);
                    return Ok(None);
                };
                if work.job.is_mapped {
                    // What was built is in memory.
                    drop(index);
                    (self.open(work, build).await?, build)
                } else {
                    (index, build)
                }
            }
        };
        let (kind, bytes) = (index.kind(), index.memory_bytes() as u64);
        let (is_mapped, can_map) = (work.job.is_mapped, work.job.can_map);
        work.segment.attach_index(work.job.field, index)?;
        tracing::info!(
            target_index = %work.job.target,
            kind = kind.name(),
            is_mapped,
            version = build.version,
            build = %build.build,
            is_new = matches!(work.job.kind, JobKind::Build { .. }),
            rows = work.job.rows,
            bytes = build.file_bytes,
            took = ?self.clock.monotonic().saturating_sub(started),
            "index in use"
        );
        let segment = Arc::downgrade(&work.segment);
        Ok(Some((InUse { build, segment, is_mapped, can_map, room: None }, bytes)))
    }

    /// A file that is missing or damaged is fetched, and only one that is lost is built again.
    async fn open_or_fetch(
        &self,
        work: &Work,
        build: IndexBuild,
        unwanted: &JobWatch,
    ) -> Result<Arc<dyn VectorIndex>> {
        let error = match self.open(work, build).await {
            Err(error) if error.is_unusable_file() => error,
            done => return done,
        };
        let target = work.job.target;
        let members = self.members(target)?;
        if members.is_alone() {
            // Usually the vectors come to the same bytes again.
            return Err(Error::Lost { why: error.to_string() });
        }
        tracing::info!(%target, %error, "index file in force is not here, fetching it");
        tokio::select! {
            fetched = self.fetch(target, &build, &members) => fetched?,
            () = unwanted.until_set() => return Err(Error::Cancelled),
        }
        self.open(work, build).await
    }

    async fn open(&self, work: &Work, build: IndexBuild) -> Result<Arc<dyn VectorIndex>> {
        let (store, segment, target) = (self.store.clone(), work.segment.clone(), work.job.target);
        let (field, is_mapped) = (work.job.field, work.job.is_mapped);
        self.io.run(move || store.load(target, &build, segment.vector_rows(field)?, is_mapped)).await?
    }

    /// An index whose file is durable here: from an attempt that could not name it, or built now.
    async fn durable(
        &self,
        work: &Work,
        over: u64,
        replaces: Option<IndexBuild>,
        unwanted: &JobWatch,
    ) -> Result<(Arc<dyn VectorIndex>, IndexBuild)> {
        let version = replaces.map_or(1, |old| old.version + 1);
        let earlier: Vec<IndexBuild> = {
            let unnamed = self.unnamed.lock();
            let of_target = unnamed.range((work.job.target, 0)..=(work.job.target, u64::MAX));
            let fits = |build: &&IndexBuild| build.over == over && build.version == version;
            of_target.map(|(_, build)| build).filter(fits).copied().collect()
        };
        for build in earlier {
            // One of another replica may have come only in part.
            if let Ok(index) = self.open(work, build).await {
                return Ok((index, build));
            }
        }
        let index = self.build(work, unwanted).await?;
        let (target, field, unnamed) = (work.job.target, work.job.field, self.unnamed.clone());
        let (store, unwanted) = (self.store.clone(), unwanted.clone());
        let id = BuildId(self.random.next_u128());
        let saving = move || {
            unwanted.check()?;
            let build = store.save(target, index.as_ref(), |file| {
                let (checksum, file_bytes) = (file.checksum, file.file_bytes);
                let build =
                    IndexBuild { index: target.index, field, version, build: id, checksum, file_bytes, over };
                match replaces {
                    Some(old) if old.is_same_file(&build) => old,
                    _ => {
                        unnamed.lock().insert((target, checksum), build);
                        build
                    }
                }
            })?;
            Ok((index, build))
        };
        self.io.run(saving).await?
    }

    async fn build(&self, work: &Work, unwanted: &JobWatch) -> Result<Arc<dyn VectorIndex>> {
        let JobKind::Build { spec, metric, .. } = work.job.kind.clone() else { return Err(Error::Cancelled) };
        let (segment, field, unwanted) = (work.segment.clone(), work.job.field, unwanted.clone());
        let building = move || -> Result<Arc<dyn VectorIndex>> {
            unwanted.check()?;
            let rows = segment.vector_rows(field)?;
            Ok(vecraft_index::build(&spec, metric, rows, &unwanted)?)
        };
        self.pool.run(building).await?
    }

    /// Between durable and in use: the shard's log names the build (I13). The log's word counts: none when it named
    /// another one, whose file comes next, or when there is no segment to index any more.
    ///
    /// Before the entry is proposed, a majority of the voters holds the file; one voter is its own majority.
    async fn named(
        &self,
        work: &Work,
        build: IndexBuild,
        replaces: Option<IndexBuild>,
        unwanted: &JobWatch,
    ) -> Result<Option<IndexBuild>> {
        if replaces == Some(build) {
            // Built again to the same bytes: the log names this file already.
            return Ok(Some(build));
        }
        let target = work.job.target;
        self.spread(target, build, unwanted).await?;
        let in_force = self.ledger.index_ready(target.shard, target.segment, build).await?;
        self.unnamed.lock().remove(&(target, build.checksum));
        if let Some(in_force) = in_force.filter(|in_force| in_force.is_same_file(&build)) {
            return Ok(Some(in_force));
        }
        self.remove_files(target, in_force.as_ref()).await;
        Ok(None)
    }
}

/// What was said of a segment's rows when an index was opened does not hold if it does not come into use: they are read in their
/// order again.
fn unused(index: &dyn VectorIndex) {
    index.rows().advise(false);
}
