//! I7, votes: one that was synced is there after any start, or a later one, and no entry is newer than it.

use crate::invariants::{Check, ensure};
use vecraft_log_store::{EntryId, VoteState};

const NAME: &str = "I7";

/// A start finds the vote, or a later one.
pub fn check(node: u64, synced: Option<VoteState>, found: Option<VoteState>, last: Option<EntryId>) -> Check {
    let rank = |vote: Option<VoteState>| vote.map(|vote| (vote.term, vote.leader, vote.committed));
    ensure(rank(found) >= rank(synced), NAME, || {
        format!("node {node} voted {:?} and has forgotten it for {found:?}", synced)
    })?;
    // A leader's entries are of terms that it was voted in.
    ensure(last.map(|last| last.term) <= found.map(|vote| vote.term), NAME, || {
        format!("node {node} has an entry {last:?} of a later term than its vote {found:?}")
    })
}
