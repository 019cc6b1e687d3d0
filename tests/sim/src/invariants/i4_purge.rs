//! I4, purge: `purged <= checkpoint <= applied <= last`, on every start and all the time.

use super::{Check, ensure};

const NAME: &str = "I4";

/// Indexes as they are now; `None` is before the first entry.
#[derive(Clone, Copy, Debug)]
pub struct Pointers {
    /// Purge point of the log.
    pub purged: Option<u64>,
    /// The durable checkpoint.
    pub checkpoint: Option<u64>,
    /// The last entry applied.
    pub applied: Option<u64>,
    /// The last entry in the log.
    pub last: Option<u64>,
}

/// Says the inequality.
pub fn check(at: Pointers) -> Check {
    let holds = at.purged <= at.checkpoint && at.checkpoint <= at.applied && at.applied <= at.last;
    ensure(holds, NAME, || format!("purged <= checkpoint <= applied <= last does not hold: {at:?}"))
}
