//! What a group does by itself: seal large segments, write checkpoints, compact. Sleeps until something is applied (P11).

use crate::ages::Ages;
use crate::compaction::CompactionPolicy;
use crate::error::Result;
use crate::governor::Governor;
use crate::group::DataGroup;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_state::shard::ShardCommand;
use vecraft_types::{SegmentId, ShardId};

/// When to seal and to write checkpoints.
#[derive(Clone, Copy, Debug)]
pub struct MaintenancePolicy {
    /// Growing segments of this size are sealed.
    pub segment_bytes_max: u64,
    /// Growing segments whose first row is this old are sealed too, when they have `seal_rows_min` rows.
    pub segment_age_max: Duration,
    /// Fewer rows than this are not worth a file and an index of their own; a checkpoint's tail file keeps them.
    pub seal_rows_min: u32,
    /// A checkpoint is due when so many bytes are only in the log (I8).
    pub checkpoint_bytes: u64,
    /// A checkpoint is due when the oldest entry that is only in the log is this old (I8).
    pub checkpoint_interval: Duration,
    /// Which segments become one.
    pub compaction: CompactionPolicy,
}

/// The first checkpoint of a process's life is due with this much in the log only, what the start replayed included.
/// The time since the last one begins anew with every process, so one that is killed every few minutes would replay a
/// little more at each start, until [`MaintenancePolicy::checkpoint_bytes`] are reached. Measured: 25 us an entry,
/// unoptimised.
const FIRST_ENTRIES: u64 = 4_096;
const FIRST_BYTES: u64 = 16 << 20;
/// Between two looks at a busy group.
const PAUSE: Duration = Duration::from_millis(100);
/// After a checkpoint or seal that failed (a full disk): the log holds everything meanwhile.
const RETRY: Duration = Duration::from_secs(5);
/// Between two looks for something to compact, while something is applied (deletes alone seldom make a checkpoint due) or somebody
/// asked for it.
const COMPACT_EVERY: Duration = Duration::from_secs(5);
const PROPOSE_DEADLINE: Duration = Duration::from_secs(10);

/// Runs until shutdown.
///
/// # Errors
/// Never a storage error (it is logged and tried again); a broken invariant ends the task and so the replica.
pub async fn maintain(
    group: Arc<DataGroup>,
    policy: MaintenancePolicy,
    governor: Arc<Governor>,
    shutdown: Shutdown,
) -> Result<()> {
    let mut is_first = true;
    // The newest ask that was looked at.
    let mut seen_ask = None;
    // True when there may be something to compact.
    let something = || async {
        tokio::select! {
            () = group.pressure.applied.notified() => false,
            () = older(&group, &policy) => false,
            () = compact::changed_over(&group) => true,
            () = compact::asked(&group) => true,
        }
    };
    while let Some(mut looks) = shutdown.unless_triggered(something()).await {
        let due_by_age = tokio::time::sleep(policy.checkpoint_interval);
        tokio::pin!(due_by_age);
        let look = tokio::time::sleep(COMPACT_EVERY);
        tokio::pin!(look);
        let mut wants_file = false;
        // Something is only in the log: watch until a checkpoint has it.
        loop {
            let large = group.machine.lock().replica.seal_due(policy.segment_bytes_max, 1);
            wants_file |= seal(&group, large).await;
            let old = ages(&group, &policy).due;
            wants_file |= seal(&group, old).await;
            let ask = group.machine.lock().replica.newest_ask();
            looks |= ask > seen_ask || look.is_elapsed();
            if std::mem::take(&mut looks) {
                seen_ask = ask.max(seen_ask);
                wants_file |= compact::compact(&group, &policy.compaction).await;
                look.set(tokio::time::sleep(COMPACT_EVERY));
            }
            wants_file |= relieve(&group, governor.share()).await;
            wants_file |= {
                let replica = &group.machine.lock().replica;
                replica.has_garbage() || replica.lacks_files()
            };
            // A sealed segment gets its file at once: only then an index can be built over it.
            let bytes = group.pressure.unflushed_bytes.load(Ordering::Relaxed);
            let is_large = wants_file
                || bytes >= policy.checkpoint_bytes
                || is_first && (bytes >= FIRST_BYTES || entries_since_checkpoint(&group) >= FIRST_ENTRIES);
            if is_large || due_by_age.is_elapsed() {
                match group.checkpoint().await {
                    Ok(()) => {
                        is_first = false;
                        group.see_pace();
                        // One after another: the next is looked for when this one's file is here.
                        if compact::compact(&group, &policy.compaction).await {
                            wants_file = true;
                            continue;
                        }
                        break;
                    }
                    Err(error @ crate::Error::Broken(_)) => return Err(error),
                    Err(error) => {
                        tracing::error!(group = %group.raft.id(), %error, "checkpoint failed, the log keeps everything; trying again");
                        if shutdown.unless_triggered(tokio::time::sleep(RETRY)).await.is_none() {
                            return Ok(());
                        }
                        continue;
                    }
                }
            }
            let wake = async {
                tokio::select! {
                    () = group.pressure.applied.notified() => {
                        tokio::time::sleep(PAUSE).await;
                        false
                    }
                    () = &mut due_by_age => false,
                    () = &mut look => false,
                    () = older(&group, &policy) => false,
                    () = compact::changed_over(&group) => true,
                }
            };
            match shutdown.unless_triggered(wake).await {
                Some(is_changed) => looks = is_changed,
                None => return Ok(()),
            }
        }
    }
    Ok(())
}

fn entries_since_checkpoint(group: &DataGroup) -> u64 {
    group.raft.published().0.saturating_sub(group.raft.checkpoint_position().0)
}

fn ages(group: &DataGroup, policy: &MaintenancePolicy) -> Ages {
    let now = group.clock.now_ms();
    group.machine.lock().replica.ages(now, policy.segment_age_max, policy.seal_rows_min)
}

/// Returns when another segment is old. One that is old already waits for a leader, or for a seal that goes through.
async fn older(group: &DataGroup, policy: &MaintenancePolicy) {
    match ages(group, policy) {
        Ages { due, .. } if !due.is_empty() => tokio::time::sleep(RETRY).await,
        Ages { next: Some(left), .. } => tokio::time::sleep(left.max(PAUSE)).await,
        Ages { next: None, .. } => std::future::pending().await,
    }
}

/// Growing segments worth sealing to free memory, in bytes: first the large ones, then all but the tiny.
const RELIEF_BYTES: [u64; 2] = [1 << 20, 64 << 10];

/// Seals early when memory runs short (I21): only a sealed segment's file takes its rows out of memory. `share` is for
/// rows and keys; keys stay, so what counts is how much of the rest the rows have. (Sealing whenever keys alone are many
/// would cut everything that follows into tiny segments.) And when a replica asks for it, which takes no more meanwhile: then
/// whatever this one has.
async fn relieve(group: &DataGroup, share: u64) -> bool {
    let is_high = |bytes: u64, of: u64| bytes >= of / 10 * 6;
    let is_asked = group.pressure.is_relief_asked.swap(false, Ordering::Relaxed);
    if !is_asked && !is_high(group.pressure.memory_bytes.load(Ordering::Relaxed), share) {
        return false;
    }
    let heavy = {
        let machine = group.machine.lock();
        let (all, rows) = (machine.replica.memory_bytes(), machine.replica.growing_bytes());
        group.pressure.memory_bytes.store(all, Ordering::Relaxed);
        if !is_asked && !is_high(rows, share.saturating_sub(all - rows)) {
            return false;
        }
        let heavy = RELIEF_BYTES.map(|bytes| machine.replica.seal_due(bytes, 1));
        heavy.into_iter().find(|due| !due.is_empty()).unwrap_or_default()
    };
    seal(group, heavy).await
}

/// Proposes to seal; true when a segment was.
async fn seal(group: &DataGroup, due: Vec<(ShardId, SegmentId)>) -> bool {
    // The others wait for the leader's word (I13).
    if !group.raft.is_leader() {
        return false;
    }
    let mut is_sealed = false;
    for (shard, segment) in due {
        match group.propose(shard, ShardCommand::Seal { segment }, PROPOSE_DEADLINE).await {
            Ok(_) => is_sealed = true,
            Err(error) => {
                tracing::warn!(%shard, %segment, %error, "cannot seal, trying again with the next entry")
            }
        }
    }
    is_sealed
}

mod compact;
pub(crate) mod pace;
mod sight;
#[cfg(test)]
pub(crate) use compact::compact as compact_once;
#[cfg(test)]
pub(crate) use sight::{Sight, Step};
#[cfg(test)]
mod tests;
