//! Carrying out one job: entries in the shards' logs, then the done row.

use super::Ddl;
use futures::future::try_join_all;
use std::time::Duration;
use vecraft_rpc::services::ShardCreation;
use vecraft_state::meta::{Job, MetaChange};
use vecraft_types::{CollectionId, Result, ShardPlacement};

/// Tries of one call to a shard before the job counts as failed.
const TRIES: u32 = 4;
/// Pause before the second try; doubled for each further one.
const PAUSE: Duration = Duration::from_millis(50);

impl Ddl {
    /// Does all jobs of a collection, one task at a time: the list is read again once the others are done.
    pub(super) async fn run_jobs_of(&self, id: CollectionId) -> Result<()> {
        let _alone = self.locks.hold(id).await;
        for job in self.metastore.read(|state| state.pending_of(id)) {
            self.run(&job).await?;
        }
        Ok(())
    }

    /// All shards at once, then the done row.
    async fn run(&self, job: &Job) -> Result<()> {
        let (shards, done) = match job {
            Job::CreateShards(row) => (&row.shards, MetaChange::CollectionReady(row.id)),
            Job::DropShards(row) => (&row.shards, MetaChange::CollectionGone(row.id)),
            Job::DropPartition { collection: row, partition } => {
                (&row.shards, MetaChange::PartitionGone { collection: row.id, partition: *partition })
            }
        };
        try_join_all(shards.iter().map(|placed| self.tell(job, *placed))).await?;
        self.metastore.propose(done).await?;
        Ok(())
    }

    /// One shard's part; asked again while the refusal is one that passes.
    async fn tell(&self, job: &Job, placed: ShardPlacement) -> Result<()> {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            match self.tell_once(job, placed).await {
                Err(error) if error.is_retriable() => tokio::time::sleep(pause).await,
                answer => return answer,
            }
            pause *= 2;
        }
        self.tell_once(job, placed).await
    }

    async fn tell_once(&self, job: &Job, placed: ShardPlacement) -> Result<()> {
        let ShardPlacement { shard, group } = placed;
        match job {
            Job::CreateShards(row) => {
                self.shards.create_shard(group, ShardCreation { shard, schema: row.schema.clone() }).await
            }
            Job::DropShards(_) => self.shards.drop_shard(group, shard).await,
            Job::DropPartition { partition, .. } => {
                self.shards.drop_partition(group, shard, *partition).await
            }
        }
    }
}
