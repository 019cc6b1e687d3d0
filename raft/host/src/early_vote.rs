//! Asking for votes before the clock says so, when there is a reason to believe that nobody leads.
//!
//! ```text
//! the connection from the leader's node ended ─┐
//! the replica was restarted                   ─┴─> pre-vote, again and again for a short while
//! ```
//! A pre-vote asks only whether a majority *would* vote: it raises no term and writes nothing, and whoever heard the
//! leader within its lease says no. So a guess that was wrong, a connection that merely broke, disturbs nobody, and one
//! that was right saves the time that followers wait for after the lease. A death without a word (power, a cut cable) is
//! noticed by the clock as ever.

use crate::group::Raft;
use crate::network::Network;
use crate::{Machine, Part, Standing};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use vecraft_types::{NodeId, ReplicaId};

/// Pre-votes after one reason. Together they last longer than a follower waits anyway.
const ATTEMPTS: u32 = 12;

/// One group's task; ends with the group.
pub struct EarlyVote<M: Machine> {
    pub me: ReplicaId,
    pub raft: Raft<M>,
    pub standing: watch::Receiver<Standing>,
    pub network: Network,
    /// How often a leader is heard.
    pub heartbeat: Duration,
}

impl<M: Machine> EarlyVote<M> {
    /// Waits for reasons; `is_restarted` is one.
    pub fn spawn(mut self, is_restarted: bool) {
        tokio::spawn(async move {
            let mut gone = self.network.gone();
            if is_restarted && !self.ask(None).await {
                return;
            }
            loop {
                let left = tokio::select! {
                    left = gone.recv() => left,
                    ended = self.standing.changed() => match ended {
                        Ok(()) => continue,
                        Err(_) => return,
                    },
                };
                let node = match left {
                    Ok(node) => node,
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return,
                };
                let is_led_there = self.standing.borrow().leader.is_some_and(|leader| leader.node == node);
                if is_led_there && !self.ask(Some(node)).await {
                    return;
                }
                // Both lanes of a node end together.
                gone = gone.resubscribe();
            }
        });
    }

    /// Asks until somebody else leads than on the node that is believed gone; false when the group has ended.
    async fn ask(&mut self, gone: Option<NodeId>) -> bool {
        for _ in 0..ATTEMPTS {
            // By rank, so that two followers do not ask at the same moment.
            let voters = self.standing.borrow().members.voters.clone();
            let rank = voters.keys().take_while(|voter| **voter < self.me).count() as u32;
            tokio::time::sleep(self.heartbeat / 2 + self.heartbeat / 6 * rank).await;
            let now = self.standing.borrow_and_update().clone();
            if now.part == Part::Leader || now.leader.is_some_and(|leader| Some(leader.node) != gone) {
                return true;
            }
            // A candidate has its majority of pre-votes already: its election takes its time.
            if now.part == Part::Follower && self.raft.trigger().elect(true).await.is_err() {
                return false;
            }
        }
        true
    }
}
