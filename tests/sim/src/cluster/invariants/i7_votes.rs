//! I1, I6, I7, votes and logs: what a replica had on disk it still has after any start, and nobody takes another's place.

use crate::invariants::{Check, ensure};
use vecraft_log_store::{EntryId, VoteState};

const NAME: &str = "I7";

/// What a replica's log promised at some moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Promised {
    /// The highest vote given, as far as it was durable.
    pub vote: Option<VoteState>,
}

/// A start finds the vote, or a later one.
pub fn check(node: u64, promised: Promised, found: Option<VoteState>, last: Option<EntryId>) -> Check {
    let rank = |vote: Option<VoteState>| vote.map(|vote| (vote.term, vote.leader, vote.committed));
    ensure(rank(found) >= rank(promised.vote), NAME, || {
        format!("node {node} voted {:?} and has forgotten it for {found:?}", promised.vote)
    })?;
    // A leader's entries are of terms that it was voted in.
    ensure(last.map(|last| last.term) <= found.map(|vote| vote.term), NAME, || {
        format!("node {node} has an entry {last:?} of a later term than its vote {found:?}")
    })
}
