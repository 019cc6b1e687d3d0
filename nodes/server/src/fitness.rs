//! Whether this node should lead groups: asked by the coordinator once a second, and given away when the node stops.
//!
//! ```text
//! a batch of the log takes longer than a second, or the disk is full (I7) ──> no group
//! a damaged file in a shard (I24) ──────────────────────────────────────────> not that shard's group
//! the node stops ───────────────────────────────────────────────────────────> no group, and it hands over itself
//! ```
//! A node that should not lead goes on leading while there is nobody better: that is the planner's to see. What this does
//! *not* do: it takes nothing out of service, reads and votes go on.

use futures::future::join_all;
use std::time::Duration;
use vecraft_log_store::NodeLog;
use vecraft_raft_host::Group;
use vecraft_types::ReplicaId;

/// A batch of the log that takes longer than this waits for a disk that hangs (I7).
const SYNC_MAX: Duration = Duration::from_secs(1);
/// For handing over one group; then the others elect by themselves, as after a crash.
const HAND_OVER_MAX: Duration = Duration::from_secs(2);
/// Who was heard this long ago is there.
const HEARD_MS: u64 = 1_000;

/// Why a node with this log should lead nothing.
pub fn unfit(log: &NodeLog) -> Option<String> {
    if log.is_stalled() {
        return Some("its disk is full".to_owned());
    }
    let taken = log.metrics().batch_under_way;
    (taken > SYNC_MAX).then(|| format!("its disk has not answered for {} ms", taken.as_millis()))
}

/// Gives every group that this node leads to the follower that has most of it; returns how many went.
pub async fn hand_over(groups: Vec<Group>) -> usize {
    let handed = groups.into_iter().map(|group| async move {
        let Some(heir) = heir(&group) else { return false };
        match group.transfer_leader(heir, HAND_OVER_MAX).await {
            Ok(()) => true,
            Err(error) => {
                tracing::info!(group = %group.id(), %error, "not handed over: the others elect");
                false
            }
        }
    });
    join_all(handed).await.into_iter().filter(|is_handed| *is_handed).count()
}

/// The voter to lead next; none when this replica does not lead, or nobody is there.
fn heir(group: &Group) -> Option<ReplicaId> {
    let is_there = |ago: Option<u64>| ago.is_some_and(|ago| ago <= HEARD_MS);
    let followers = group.progress().into_iter().filter(|p| p.is_voter && is_there(p.heard_ms_ago));
    followers.max_by_key(|p| (p.matched, p.follower.replica)).map(|p| p.follower.replica)
}
