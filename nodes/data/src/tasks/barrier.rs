//! Serving [`ReadBarrier`]: how fresh this node's view is, waiting until it is fresh enough, and where pinned moments are.

use crate::group::DataGroup;
use crate::node::{DataNode, time_left};
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use vecraft_rpc::services::ReadBarrier;
use vecraft_state::shard::Unreadable;
use vecraft_types::api::Consistency;
use vecraft_types::{Code, Error, LogPosition, PartitionId, Result, ShardId, Timestamp};

/// How long one look whether a replica that follows has caught up may take; the next read begins another.
const CATCH_UP_MAX: Duration = Duration::from_secs(10);

#[async_trait]
impl ReadBarrier for DataNode {
    async fn wait(&self, shard: ShardId, consistency: Consistency, deadline_ms: u64) -> Result<()> {
        let deadline = time_left(deadline_ms);
        self.group_of(shard)?.check_caught_up()?;
        let fresh = |at_least: Timestamp| {
            at_least == Timestamp::ZERO
                || self.views.get(shard).is_some_and(|view| view.timestamp >= at_least)
        };
        let is_fresh = match consistency {
            Consistency::Strong => false,
            Consistency::Session(at_least) => fresh(at_least),
            Consistency::Bounded(_, at_least) if !fresh(at_least) => false,
            // I17: what counts is when we asked, not whether we heard a leader since.
            Consistency::Bounded(ms, _) => self.group_of(shard)?.asked_within(Duration::from_millis(ms)),
            Consistency::Eventually => true,
        };
        if is_fresh {
            return Ok(());
        }
        self.group_of(shard)?.read_barrier(deadline).await
    }

    fn pinned(&self, shard: ShardId, at: Timestamp, partitions: &[PartitionId]) -> Result<LogPosition> {
        let found = self.group_of(shard)?.machine.lock().replica.pinned(shard, at, partitions);
        let found = found.ok_or_else(|| self.absent(shard))?;
        found.map_err(|why| unreadable(why, at).with("shard", shard))
    }

    fn absent(&self, shard: ShardId) -> Error {
        let dropped = || Error::unknown_shard("this node does not show the shard", shard);
        self.group_of(shard).err().unwrap_or_else(dropped).with("shard", shard)
    }
}

/// Why there is no reading at a moment, in the words users get.
fn unreadable(why: Unreadable, at: Timestamp) -> Error {
    let why = match why {
        Unreadable::NeverPinned => {
            "no iterator over this collection began there; begin one, and send the timestamp of its first answer".to_owned()
        }
        Unreadable::Ended => "it is too old: iterators end an hour after they began, and sooner when more than 10,000 \
                              began since; begin again"
            .to_owned(),
        Unreadable::PartitionNewer(partition) => {
            format!("partition {partition} was made since, perhaps under the name of one that was dropped; begin again")
        }
        Unreadable::PartitionDropped(partition) => format!(
            "partition {partition} was dropped since, and the answer would not be whole without its rows; begin again"
        ),
    };
    Error::invalid(format!("there is no reading at timestamp {at}: {why}"))
}

impl DataGroup {
    /// Everything acknowledged before the call is in the views when this returns (I15, I16).
    pub(crate) async fn read_barrier(&self, deadline: Duration) -> Result<()> {
        let asked = self.clock.monotonic();
        let at = self.raft.read_index().await?;
        self.raft.wait_published(at, deadline).await?;
        let mut last = self.asked.lock();
        *last = Some(last.map_or(asked, |before| before.max(asked)));
        Ok(())
    }

    /// A replica that does not vote may lack nearly everything when it is new: it answers nothing, however old an answer
    /// may be, before it has once had all that the leader had. Reads are what makes it look, in the background.
    fn check_caught_up(self: &Arc<DataGroup>) -> Result<()> {
        let members = self.raft.members();
        // Who knows no members yet has no shards to show either.
        let may_be_new = members.id.is_some() && !members.voters.contains_key(&self.raft.replica());
        if !may_be_new || self.asked.lock().is_some() {
            return Ok(());
        }
        if !self.is_proving.swap(true, Ordering::AcqRel) {
            let group = self.clone();
            tokio::spawn(async move {
                if let Err(error) = group.read_barrier(CATCH_UP_MAX).await {
                    tracing::debug!(group = %group.id(), %error, "a replica that follows has not caught up yet");
                }
                group.is_proving.store(false, Ordering::Release);
            });
        }
        let text = "this replica only follows and has not caught up since the node started";
        Err(Error::new(Code::NotReady, text).with("group", self.id()))
    }

    fn asked_within(&self, bound: Duration) -> bool {
        let now = self.clock.monotonic();
        self.asked.lock().is_some_and(|asked| now.saturating_sub(asked) < bound)
    }
}
