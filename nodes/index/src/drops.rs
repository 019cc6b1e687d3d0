//! Letting go of indexes that nobody wants any more, and of files that no log names.

use crate::error::Result;
use crate::node::IndexNode;
use crate::plan::IndexTarget;
use crate::state::Undone;
use crate::survey::Survey;
use vecraft_types::{IndexBuild, IndexId, ShardId};

impl IndexNode {
    /// Searches go back to scanning first, then the log forgets the index, then the files go. What a crash in between
    /// leaves is forgotten by the next look, or swept.
    pub(crate) async fn let_go(&self, survey: &Survey) {
        for target in &survey.plan.drops {
            self.detach(target);
            self.remove_files(*target, None).await;
        }
        for &(shard, index) in &survey.plan.forgets {
            let named: Vec<IndexTarget> =
                survey.named.keys().copied().filter(|t| is_of(t, shard, index)).collect();
            named.iter().for_each(|target| self.detach(target));
            let forget = Undone::Forget(shard, index);
            if !self.state.lock().is_due(forget, self.clock.monotonic()) {
                continue;
            }
            match self.forget(shard, index).await {
                Ok(true) => {
                    for target in named {
                        self.remove_files(target, None).await;
                    }
                    tracing::info!(%shard, %index, "index dropped");
                }
                // The catalogue said something new.
                Ok(false) => self.wake(),
                Err(error) => {
                    let pause = self.put_off(forget, &error);
                    tracing::warn!(%shard, %index, %error, ?pause, "cannot forget a dropped index, trying again");
                }
            }
        }
        let is_waiting = |target: &IndexTarget, build: &IndexBuild| {
            survey.silent.contains(&target.shard) || survey.may_come(target, build)
        };
        let gone: Vec<_> =
            self.unnamed.lock().extract_if(.., |(target, _), build| !is_waiting(target, build)).collect();
        for ((target, _), _) in gone {
            self.remove_files(target, survey.named.get(&target)).await;
        }
    }

    /// Tells the log that nobody wants the index; false when somebody does. What this node's catalogue does not know
    /// may be newer than it, so it asks for the newest first (I19); ids are never used again, so an index that is not
    /// there now will never be.
    async fn forget(&self, shard: ShardId, index: IndexId) -> Result<bool> {
        self.catalogue.barrier().await?;
        let row = self.catalogue.by_id(shard.collection);
        // A collection that went takes its shards, and they take their indexes.
        if row.is_none_or(|row| row.indexes.iter().any(|wanted| wanted.id == index)) {
            return Ok(false);
        }
        self.ledger.index_dropped(shard, index).await?;
        Ok(true)
    }

    /// Searches of the segment scan from now on. What goes runs before what comes, so the index on the segment is the
    /// one that goes.
    fn detach(&self, target: &IndexTarget) {
        let Some(used) = self.state.lock().in_use.remove(target) else { return };
        if let Some(segment) = used.segment.upgrade()
            && let Err(error) = segment.detach_index(used.build.field)
        {
            tracing::warn!(%target, %error, "cannot detach an index");
        }
    }

    /// Removes the target's files but the one of `kept`.
    pub(crate) async fn remove_files(&self, target: IndexTarget, kept: Option<&IndexBuild>) {
        let (store, kept) = (self.store.clone(), kept.copied());
        let is_dropped = kept.is_none();
        match self.io.run(move || store.remove(target, kept.as_ref())).await {
            Ok(Ok(files)) if is_dropped => self.state.lock().report.dropped += files as u64,
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::warn!(%target, %error, "cannot remove an index file, it is swept later")
            }
            Err(error) => tracing::warn!(%target, %error, "cannot remove an index file, it is swept later"),
        }
    }
}

fn is_of(target: &IndexTarget, shard: ShardId, index: IndexId) -> bool {
    (target.shard, target.index) == (shard, index)
}
