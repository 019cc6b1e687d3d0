//! The first moments of a group's replica: formed, resumed or joining (I1), and its standing told from then on.

use crate::group::Raft;
use crate::{Birth, Machine, Part, Standing};
use openraft::async_runtime::WatchReceiver;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;
use vecraft_log_store::Peer;
use vecraft_types::{NodeId, ReplicaId};

/// How long a lone voter may take to have everything applied that it had before a restart.
const RECOVERY_WAIT: Duration = Duration::from_secs(600);

/// Returns whether it had state from before.
pub(crate) async fn begin<M: Machine>(
    me: ReplicaId,
    node: NodeId,
    birth: Birth,
    raft: &Raft<M>,
) -> Result<bool, String> {
    let was_formed = raft.is_initialized().await.map_err(|e| e.to_string())?;
    match birth {
        Birth::Resume if !was_formed => {
            return Err("it has no state here and may not be formed anew (I1)".to_owned());
        }
        Birth::Form(voters) if !was_formed => {
            if voters.get(&me) != Some(&node) {
                return Err(format!("replica {me} on node {node} is not among the voters that form it"));
            }
            if voters.keys().next() == Some(&me) {
                let voters: BTreeMap<u64, Peer> =
                    voters.into_iter().map(|(id, node)| (id.0, Peer { node: node.0 })).collect();
                raft.initialize(voters).await.map_err(|e| e.to_string())?;
            }
        }
        _ => {}
    }
    let is_formed = raft.is_initialized().await.map_err(|e| e.to_string())?;
    let members = raft
        .with_raft_state(|state| state.membership_state.effective().membership().clone())
        .await
        .map_err(|e| e.to_string())?;
    let is_lone_voter = is_formed && members.voter_ids().eq([me.0]);
    if is_lone_voter {
        // A lone voter need not sit out an election timeout.
        raft.trigger().elect(false).await.map_err(|e| e.to_string())?;
        raft.wait_for_recovery(Some(RECOVERY_WAIT)).await.map_err(|e| e.to_string())?;
    }
    Ok(was_formed)
}

/// Follows openraft's metrics, and lets the clock of a group sleep while its replica leads nobody (P11): with one
/// voter nobody listens to heartbeats and nobody else can be elected.
pub(crate) fn watch_standing<M: Machine>(me: ReplicaId, raft: &Raft<M>) -> watch::Receiver<Standing> {
    let mut metrics = raft.server_metrics();
    let (publish, standing) = watch::channel(Standing::new(&metrics.borrow_and_update()));
    let raft = raft.clone();
    tokio::spawn(async move {
        let mut is_asleep = false;
        loop {
            let now = Standing::new(&metrics.borrow_and_update());
            let may_sleep = now.part == Part::Leader && now.members.is_alone(me);
            if may_sleep != is_asleep {
                raft.runtime_config().tick(!may_sleep);
                is_asleep = may_sleep;
            }
            publish.send_if_modified(|old| std::mem::replace(old, now.clone()) != now);
            if metrics.changed().await.is_err() {
                return;
            }
        }
    });
    standing
}
