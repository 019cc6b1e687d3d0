//! Getting memory back when this node is short of it (I21): only a seal takes rows out of memory, and only a group's leader
//! seals. So a node that is short has the leaders of all its groups seal what is large: its own at once, others by a word to
//! their nodes. What is small stays; keys stay in any case.
//!
//! It happens when an insert is refused here, and when another node asks what room is left. It is a word, not an order: the
//! leader's maintenance does the work, a word that is lost is said again with the next refusal.

use crate::group::DataGroup;
use crate::node::DataNode;
use parking_lot::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;
use vecraft_types::{GroupId, Result};

/// Between two words about the same shortage.
const SAY_EVERY: Duration = Duration::from_millis(500);
/// For one word.
const SAY_MAX: Duration = Duration::from_secs(1);

/// When the leaders were last told, on the monotonic clock.
#[derive(Default)]
pub(crate) struct Told(Mutex<Option<Duration>>);

impl Told {
    fn is_due(&self, now: Duration) -> bool {
        let mut told = self.0.lock();
        let is_due = told.is_none_or(|told| now.saturating_sub(told) >= SAY_EVERY);
        if is_due {
            *told = Some(now);
        }
        is_due
    }
}

impl DataGroup {
    /// Has the maintenance seal what is large, if this replica leads.
    pub(crate) fn relieve(&self) {
        self.pressure.is_relief_asked.store(true, Ordering::Relaxed);
        self.pressure.applied.notify_one();
    }
}

impl DataNode {
    /// This node is short of memory: tells the leaders of its groups.
    pub(crate) fn ask_relief(&self) {
        let groups = self.groups();
        let Some(now) = groups.first().map(|group| group.clock.monotonic()) else { return };
        if !self.told.is_due(now) {
            return;
        }
        for group in groups {
            match (group.raft.leader(), self.voters.get()) {
                _ if group.raft.is_leader() => group.relieve(),
                (Some(leader), Some(voters)) => {
                    // Holds nothing of this node that would outlive it.
                    let (elsewhere, id) = (voters.elsewhere(), group.id());
                    tokio::spawn(async move {
                        let said = tokio::time::timeout(SAY_MAX, elsewhere.relieve(leader.node, id)).await;
                        if !matches!(said, Ok(Ok(()))) {
                            tracing::debug!(group = %id, node = %leader.node, "cannot ask the leader to seal");
                        }
                    });
                }
                _ => {}
            }
        }
    }

    /// Another node is short of memory: seals what is large of a group that this node leads.
    pub(crate) fn relieve(&self, group: GroupId) -> Result<()> {
        self.group(group)?.relieve();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i21_a_shortage_is_told_twice_a_second_at_most() {
        let told = Told::default();
        let at = Duration::from_millis;
        assert!(told.is_due(at(0)) && !told.is_due(at(499)));
        assert!(told.is_due(at(500)) && !told.is_due(at(999)) && told.is_due(at(1_000)));
    }
}
