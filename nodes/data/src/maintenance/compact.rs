//! Proposing compactions, and letting readers see what came of them.

use super::sight::{Proposal, Step};
use crate::compaction::CompactionPolicy;
use crate::group::DataGroup;
use crate::snapshot::room_for;
use std::time::Duration;
use vecraft_state::shard::{Refusal, ShardCommand};
use vecraft_types::{LogPosition, SegmentId, ShardId};

/// Between two looks whether the indexes of an output are here.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Proposes the next compaction, if this replica leads and there is room for its output; true when one was applied. Tells
/// the log of each ask for which nothing is left to be done.
pub(crate) async fn compact(group: &DataGroup, policy: &CompactionPolicy) -> bool {
    if !group.raft.is_leader() {
        return false;
    }
    let sights = group.machine.lock().replica.sights(policy.bytes_max == 0);
    if sights.is_empty() {
        return false;
    }
    let policy = *policy;
    let choosing = move || -> Vec<_> {
        sights.into_iter().filter_map(|sight| Some((sight.step(&policy)?, sight))).collect()
    };
    let Ok(steps) = group.io.run(choosing).await else { return false };
    for (step, sight) in steps {
        match step {
            Step::Done(asked) => done(group, sight.shard, asked).await,
            Step::Compact(proposal) => {
                if propose(group, sight.shard, sight.floor, proposal).await {
                    group.see_pace();
                    return true;
                }
            }
        }
    }
    false
}

async fn propose(group: &DataGroup, shard: ShardId, floor: LogPosition, proposal: Proposal) -> bool {
    let Proposal { inputs, bytes } = proposal;
    let names: Vec<SegmentId> = inputs.iter().map(|(id, _)| *id).collect();
    if let Err(why) = room_for(group.disk.as_ref(), bytes) {
        tracing::warn!(%shard, segments = ?names, why, "no room to compact; space is freed only by it, so make some");
        return false;
    }
    // Looks at every row: not on a thread that others wait for.
    let counting = move || inputs.iter().map(|(_, input)| input.kept(floor).len()).sum();
    let Ok(rows) = group.io.run(counting).await else { return false };
    let command = ShardCommand::Compact { inputs: names.clone(), floor, rows, bytes };
    match group.ask(shard, command, super::PROPOSE_DEADLINE).await {
        Ok((_, Ok(_))) => {
            tracing::info!(%shard, segments = ?names, rows, bytes, "compacting");
            true
        }
        // Another leader's compaction, a drop: the next look sees it.
        Ok((_, Err(Refusal::NotCompactable | Refusal::UnknownShard))) => false,
        Ok((_, Err(refusal))) => {
            tracing::warn!(%shard, ?refusal, "cannot compact");
            false
        }
        Err(error) => {
            tracing::warn!(%shard, %error, "cannot compact, trying again after the next checkpoint");
            false
        }
    }
}

/// Nothing is left to be done for an ask. What goes wrong here is done at the next look.
async fn done(group: &DataGroup, shard: ShardId, asked: LogPosition) {
    match group.ask(shard, ShardCommand::CompactionDone { asked }, super::PROPOSE_DEADLINE).await {
        Ok((_, Ok(_))) => tracing::info!(%shard, %asked, "the compaction that was asked for is done"),
        // It went with its collection.
        Ok((_, Err(_))) => {}
        Err(error) => tracing::warn!(%shard, %error, "cannot say that a compaction is done, trying again"),
    }
}

/// Returns when readers were shown the output of a compaction; never while none waits for that.
pub(super) async fn changed_over(group: &DataGroup) {
    while group.machine.lock().replica.is_changing_over() {
        group.see_pace();
        if group.machine.lock().replica.change_over() {
            group.see_pace();
            group.segments_changed.notify_one();
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    std::future::pending().await
}

/// Returns when it is time to look at an ask again: who leads now may not have led when it came, and may have had no room. Never
/// while nobody asks.
pub(super) async fn asked(group: &DataGroup) {
    let is_asked = group.machine.lock().replica.newest_ask().is_some();
    if is_asked {
        return tokio::time::sleep(super::COMPACT_EVERY).await;
    }
    std::future::pending().await
}
