//! What one writer did to its own keys, and therefore what may be seen of them.
//!
//! A key has one writer, which never touches it again after a write whose outcome it does not know. So the allowed
//! set of a Strong read is small and exact: the last acknowledged state, or that of the one open write after it.
//!
//! ```text
//! settled ── begin ──> open ── acknowledged ──> settled
//!                        └──── error ───> unknown ── a scan shows which ──> settled for ever (retired)
//! ```

use std::collections::{BTreeMap, BTreeSet};

/// What can be seen of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum Seen {
    /// No row.
    Absent,
    /// The row of this version.
    Version(i64),
}

/// One key.
#[derive(Clone, Debug)]
pub struct Key {
    /// The state that the last acknowledged write left.
    pub settled: Seen,
    /// The write whose outcome is not known: its number and what it would leave.
    pub open: Option<(u64, Seen)>,
    /// Every version ever sent for this key.
    pub sent: BTreeSet<i64>,
    /// Never written again.
    pub is_retired: bool,
}

impl Key {
    /// Whether a Strong read may see this.
    pub fn allows(&self, seen: Seen) -> bool {
        seen == self.settled || self.open.is_some_and(|(_, after)| seen == after)
    }

    /// Whether the key certainly has a row.
    pub fn is_live(&self) -> bool {
        matches!(self.settled, Seen::Version(_))
    }
}

/// One writer's keys.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// By key.
    pub keys: BTreeMap<i64, Key>,
    /// Writes begun so far; numbers them.
    pub writes: u64,
    /// Rows of acknowledged writes.
    pub rows_acked: u64,
    /// Acknowledged writes.
    pub writes_acked: u64,
    /// Writes whose outcome was not known.
    pub writes_unknown: u64,
}

impl Ledger {
    /// Notes a write before it is sent: the state it would leave at each of these keys.
    pub fn begin(&mut self, changes: &[(i64, Seen)]) -> u64 {
        self.writes += 1;
        for (id, after) in changes {
            let key = self.keys.entry(*id).or_insert_with(|| Key {
                settled: Seen::Absent,
                open: None,
                sent: BTreeSet::new(),
                is_retired: false,
            });
            debug_assert!(key.open.is_none() && !key.is_retired, "key {id} is written while unknown");
            key.open = Some((self.writes, *after));
            if let Seen::Version(version) = after {
                key.sent.insert(*version);
            }
        }
        self.writes
    }

    /// The write was acknowledged.
    pub fn acked(&mut self, write: u64) {
        let mut rows = 0;
        for key in self.keys.values_mut().filter(|key| key.open.is_some_and(|(w, _)| w == write)) {
            if let Some((_, after)) = key.open.take() {
                key.settled = after;
                rows += 1;
            }
        }
        self.rows_acked += rows;
        self.writes_acked += 1;
    }

    /// The write ended with an error: it may or may not have happened, and its keys are left alone from now on.
    pub fn unknown(&mut self, write: u64) {
        self.writes_unknown += 1;
        for key in self.keys.values_mut().filter(|key| key.open.is_some_and(|(w, _)| w == write)) {
            key.is_retired = true;
        }
    }

    /// A scan after recovery showed how the open writes ended; from now on they may not change any more.
    pub fn settle(&mut self, seen: &BTreeMap<i64, Seen>) {
        for (id, key) in &mut self.keys {
            if key.open.take().is_some() {
                key.settled = seen.get(id).copied().unwrap_or(Seen::Absent);
            }
        }
    }

    /// Smallest and largest number of rows that may exist.
    pub fn rows_allowed(&self) -> (u64, u64) {
        let count = |test: fn(&Key) -> bool| self.keys.values().filter(|key| test(key)).count() as u64;
        let may_live = |key: &Key| key.is_live() || matches!(key.open, Some((_, Seen::Version(_))));
        let must_live = |key: &Key| key.is_live() && !matches!(key.open, Some((_, Seen::Absent)));
        (count(must_live), count(may_live))
    }
}
