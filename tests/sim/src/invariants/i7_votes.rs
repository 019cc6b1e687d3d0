//! I7, votes: a vote that was promised is never forgotten, whatever happens to the segment it was written in.

use super::{Check, ensure};
use crate::history::History;
use vecraft_log_store::{GroupKey, WriteAheadLog};

const NAME: &str = "I7";

/// Returns the term voted in, 0 when there was none.
pub fn recovered(log: &WriteAheadLog, key: GroupKey, history: &History) -> Check<u64> {
    let found = log.groups().get(&key).and_then(|state| state.vote).map_or(0, |vote| vote.term);
    let may_be = [history.voted, history.vote_in_flight.unwrap_or(history.voted)];
    ensure(may_be.contains(&found), NAME, || {
        format!("{key}: voted in term {found}, expected one of {may_be:?}")
    })?;
    Ok(found)
}
