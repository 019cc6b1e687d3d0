//! Asking the other replicas, and leaving service when this one is the odd one out.

use super::judge::{Verdict, judge};
use crate::error::Result;
use crate::group::DataGroup;
use crate::node::DataNode;
use futures::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use vecraft_rpc::services::{DigestsElsewhere, GroupDigest};
use vecraft_runtime::shutdown::Shutdown;
use vecraft_types::NodeId;

/// For one answer. Who is slower is asked again the next time.
const ANSWER: Duration = Duration::from_secs(5);

/// Compares the replicas here with those elsewhere, `every` so often where there is something new, until shutdown. Only
/// this node's own replicas are judged: nobody can be told to leave.
///
/// # Errors
/// None.
pub async fn compare(
    node: DataNode,
    own: NodeId,
    elsewhere: Arc<dyn DigestsElsewhere>,
    every: Duration,
    shutdown: Shutdown,
) -> Result<()> {
    while shutdown.unless_triggered(tokio::time::sleep(every)).await.is_some() {
        for group in node.groups() {
            let id = group.id();
            let newest = group.machine.lock().replica.newest_mark();
            if newest.is_none_or(|newest| newest.0 <= group.compared.load(Ordering::Relaxed)) {
                continue;
            }
            match compare_one(&group, own, elsewhere.as_ref()).await {
                Verdict::NotYet => {}
                Verdict::Agreed { upto, strangers } => {
                    if let Some(upto) = upto {
                        group.compared.fetch_max(upto.0, Ordering::Relaxed);
                    }
                    for stranger in &strangers {
                        tracing::error!(group = %id, node = %stranger, "the replica there holds something else than the majority (I22)");
                    }
                    node.set_differing(id, strangers.len() as u64);
                }
                Verdict::NoMajority { what } => {
                    tracing::error!(group = %id, what, "the replicas differ and no majority agrees; compare backups, nobody leaves service (I22)");
                    node.set_differing(id, 1);
                }
                Verdict::Differs { what } => leave(&node, &group, &what).await,
            }
        }
    }
    Ok(())
}

async fn compare_one(group: &DataGroup, own: NodeId, elsewhere: &dyn DigestsElsewhere) -> Verdict {
    let members = group.raft.standing().borrow().members.clone();
    // In the middle of a change two majorities count: wait until there is one.
    if members.is_joint || members.voters.len() < 2 {
        return Verdict::NotYet;
    }
    let ask = |node: NodeId| async move {
        let answer = tokio::time::timeout(ANSWER, elsewhere.digest(node, group.id())).await;
        Some((node, answer.ok()?.ok()?))
    };
    let others = members.voters.values().copied().filter(|node| *node != own);
    let answers: BTreeMap<NodeId, GroupDigest> =
        join_all(others.map(ask)).await.into_iter().flatten().collect();
    // Read last: this replica has then got at least as far as the others had.
    let mine = group.machine.lock().replica.digest();
    judge(own, &mine, &answers, members.voters.len())
}

/// This replica differs from the majority: what it answers may be wrong, and so may what it votes for.
async fn leave(node: &DataNode, group: &DataGroup, what: &str) {
    let id = group.id();
    let why = format!(
        "this replica differs from the majority of its group: {what}; it is made anew where the others are enough for that, \
         and must not be started again otherwise"
    );
    if let Err(error) = group.machine.lock().condemn(&why) {
        tracing::error!(group = %id, %error, "cannot record that this replica differs");
    }
    node.take_out(id, [], why);
    group.stop().await;
}
