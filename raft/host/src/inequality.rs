//! The pointer order of a replica at its start: `purged <= C <= last` (I3, I4).
//!
//! C is covered by synced log when it is written, and the log is purged at or below C only. So
//! - a log without this replica's vote, or one that ends before C although this replica is the only voter there is, is not the log this directory was
//!   written with: promises are missing from it, and going on would break them (I1);
//! - a log that begins after C has a hole where C should continue.
//!
//! Anybody else's log may end before C: an installed snapshot moved C, and its purge point is written lazily. A lone voter has
//! nobody to get a snapshot from; who learns from one has its membership in the checkpoint, and is another replica.

use crate::{Error, Mark};
use vecraft_log_store::GroupLog;

/// Checks the order before openraft sees either.
///
/// # Errors
/// [`Error::Stopped`] with both positions: this replica must not start.
pub fn check(log: &GroupLog, checkpoint: Option<&Mark>) -> Result<(), Error> {
    let group = log.key().group;
    let stopped = |reason: String| Error::Stopped { group, reason };
    let own = log.key().replica;
    let log = log.recovered().map_err(|e| stopped(e.to_string()))?;
    if let Some(mark) = checkpoint {
        let c = mark.position().0;
        let is_lone = mark.membership.voter_ids().eq([own.0]);
        let is_short = log.last.is_none_or(|last| last.index < c);
        if log.vote.is_none() || (is_lone && is_short) {
            let ends = log.last.map_or("is empty".to_owned(), |last| format!("ends at entry {}", last.index));
            return Err(stopped(format!(
                "the checkpoint is at entry {c}, yet the log {ends}: log/ is not the one this directory was written \
                 with, take both from one copy (I3)"
            )));
        }
    }
    let c = checkpoint.map(|mark| mark.position().0);
    if let Some(purged) = log.purged.filter(|purged| c.is_none_or(|c| c < purged.index)) {
        let at = c.map_or("there is no checkpoint".to_owned(), |c| format!("the checkpoint is at entry {c}"));
        return Err(stopped(format!(
            "the log begins after entry {}, yet {at}: kv/ is not the one this directory was written with, take both \
             from one copy (I4)",
            purged.index
        )));
    }
    Ok(())
}
