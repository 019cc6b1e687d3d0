//! One index: built or read, made durable, put to use.

use crate::error::{Error, Result};
use crate::node::{Built, Failure, IndexNode, RETRY_MAX};
use crate::store::IndexRecord;
use crate::survey::{Work, WorkKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vecraft_index::{BuildMonitor, VectorIndex};
use vecraft_rpc::memory::Room;
use vecraft_runtime::shutdown::Shutdown;

/// Set when nobody wants the index any more. Looked at between batches of rows.
#[derive(Clone, Default)]
struct Unwanted(Arc<AtomicBool>);

impl Unwanted {
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn check(&self) -> Result<()> {
        if self.cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

impl BuildMonitor for Unwanted {
    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl IndexNode {
    /// Does one job. Changes are looked at meanwhile: what was dropped goes at once, and the job itself is
    /// cancelled when it is no longer in the plan. Returns when nothing of it runs any more.
    /// `room` is for the index: held as long as searches use it, else given back.
    pub(crate) async fn do_while_wanted(&self, work: Work, mut room: Room, stop: &Shutdown) {
        let unwanted = Unwanted::default();
        let target = work.job.target;
        self.state.lock().report.working_on = Some(target);
        let done = {
            let making = self.make(&work, &unwanted);
            tokio::pin!(making);
            loop {
                tokio::select! {
                    done = &mut making => break done,
                    () = stop.triggered(), if !unwanted.cancelled() => unwanted.set(),
                    () = self.next_change() => {
                        let survey = self.survey();
                        if !survey.wants(&work.job) {
                            unwanted.set();
                        }
                        self.drop_unwanted(&survey.plan.drops).await;
                    }
                }
            }
        };
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        state.report.working_on = None;
        match done {
            Ok((built, bytes)) => {
                room.settle(bytes);
                match work.kind {
                    WorkKind::Open => state.report.opened += 1,
                    WorkKind::Build => state.report.built += 1,
                }
                state.failures.remove(&target);
                state.built.insert(target, Built { _room: Some(room), ..built });
            }
            Err(error) if error.is_cancelled() => {
                tracing::info!(%target, "index no longer wanted, cancelled")
            }
            Err(error) if work.kind == WorkKind::Open && error.is_unusable_file() => {
                tracing::error!(%target, %error, "index file is of no use, building it again from the vectors");
                state.report.unusable += 1;
                // Without this the planner finds no index here. The new file takes the old one's name and record.
                state.built.remove(&target);
            }
            Err(error) => {
                let failure = state.failures.entry(target).or_insert(Failure { times: 0, retry_at: now });
                let pause = (self.config.retry_first * (1 << failure.times.min(16))).min(RETRY_MAX);
                (failure.times, failure.retry_at) = (failure.times + 1, now + pause);
                tracing::error!(%target, %error, ?pause, "no index, searches scan; trying again after the pause");
                state.report.failed += 1;
            }
        }
    }

    /// The index, and the bytes of memory it holds.
    async fn make(&self, work: &Work, unwanted: &Unwanted) -> Result<(Built, u64)> {
        let started = self.clock.monotonic();
        let (index, record) = match work.kind {
            WorkKind::Open => self.open(work).await?,
            WorkKind::Build => self.build(work, unwanted).await?,
        };
        unwanted.check()?;
        // With replicas the IndexReady entry goes here, between durable and in use (I13).
        let (kind, bytes) = (index.kind().name(), index.memory_bytes() as u64);
        work.segment.attach_index(work.job.field, index)?;
        tracing::info!(
            target_index = %work.job.target,
            how = ?work.kind,
            kind,
            rows = work.job.rows,
            bytes = record.file_bytes,
            took = ?self.clock.monotonic().saturating_sub(started),
            "index in use"
        );
        Ok((Built { record, attached: Some(Arc::downgrade(&work.segment)), _room: None }, bytes))
    }

    async fn open(&self, work: &Work) -> Result<(Arc<dyn VectorIndex>, IndexRecord)> {
        let record = self.state.lock().built.get(&work.job.target).map(|built| built.record.clone());
        let record = record.ok_or(Error::Cancelled)?;
        let (store, segment, field) = (self.store.clone(), work.segment.clone(), work.job.field);
        let reading = move || {
            let index = store.load(&record, segment.vector_rows(field)?)?;
            Ok((index, record))
        };
        self.io.run(reading).await?
    }

    async fn build(&self, work: &Work, unwanted: &Unwanted) -> Result<(Arc<dyn VectorIndex>, IndexRecord)> {
        let (segment, field, unwanted) = (work.segment.clone(), work.job.field, unwanted.clone());
        let (spec, metric) = (work.job.spec.clone(), work.job.metric);
        let building = {
            let (segment, unwanted) = (segment.clone(), unwanted.clone());
            move || -> Result<Arc<dyn VectorIndex>> {
                unwanted.check()?;
                let rows = segment.vector_rows(field)?;
                Ok(vecraft_index::build(&spec, metric, rows, &unwanted)?)
            }
        };
        let index = self.pool.run(building).await??;
        let (store, target) = (self.store.clone(), work.job.target);
        let over = segment.manifest().files.first().map_or(0, |file| file.checksum);
        let saving = move || {
            unwanted.check()?;
            let record = store.save(target, field, over, index.as_ref())?;
            Ok((index, record))
        };
        self.io.run(saving).await?
    }
}
