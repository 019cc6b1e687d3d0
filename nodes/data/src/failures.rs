//! Entries that this replica could not apply (I24), and those an operator told it to pass over.
//!
//! ```text
//! apply fails or panics ── record, synced ──> the replica stops, others serve
//!    next start: the same entry once more (the cause may have been the moment)
//!    fails again ─────────────────────────> quarantined: not started by this program version
//! `vecraft group skip --unsafe` ──────────> passed over, for ever; loudly
//! ```
//! A replica that differs from the majority of its group (I22), or lacks what it had acknowledged (I1), is condemned the
//! same way: it is not started again.
//!
//! A skipped entry changes nothing, so every replica of the group must skip the same one: replicas that disagree
//! diverge (P2).

use crate::checkpoint::{decode, encode};
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use vecraft_storage::{Kv, Table, WriteBatch};
use vecraft_types::{GroupId, LogPosition};

/// Tries of one entry before its group is quarantined.
const TRIES: u32 = 2;

/// The newest entry that could not be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedEntry {
    /// Where in the log.
    pub position: LogPosition,
    /// How often this program version tried.
    pub times: u32,
    /// The program version that tried: another one may do better and tries anew.
    pub version: String,
    /// What happened.
    pub why: String,
}

/// A group's failed entry and skipped ones.
pub struct Failures {
    kv: Arc<dyn Kv>,
    group: GroupId,
    failed: Option<FailedEntry>,
    skipped: BTreeSet<LogPosition>,
    condemned: Option<String>,
}

impl Failures {
    /// Reads a group's records.
    ///
    /// # Errors
    /// Storage errors, records that do not decode.
    pub fn load(kv: Arc<dyn Kv>, group: GroupId) -> Result<Failures> {
        let failed = read(kv.as_ref(), &failed_key(group))?;
        let skipped = read(kv.as_ref(), &skipped_key(group))?.unwrap_or_default();
        let condemned = read(kv.as_ref(), &condemned_key(group))?;
        Ok(Failures { kv, group, failed, skipped, condemned })
    }

    /// Why the group must not start, if so.
    pub fn quarantine(&self) -> Option<String> {
        if self.condemned.is_some() {
            return self.condemned.clone();
        }
        let failed = self.failed.as_ref()?;
        let is_over = failed.times >= TRIES
            && failed.version == env!("CARGO_PKG_VERSION")
            && !self.is_skipped(failed.position);
        let (group, position, why) = (self.group, failed.position.0, &failed.why);
        is_over.then(|| {
            format!(
                "entry {position} could not be applied {} times ({why}); try a newer vecraft, or lose that entry's \
                 change: vecraft group skip --group {group} --entry {position} --unsafe --data-dir DIR",
                failed.times
            )
        })
    }

    /// Remembers, synced, why this replica may not serve again (I22, I1).
    ///
    /// # Errors
    /// Storage errors.
    pub fn condemn(&mut self, why: &str) -> Result<()> {
        self.condemned = Some(why.to_owned());
        let bytes = encode("a verdict", &why)?;
        Ok(self.kv.put(Table::Node, &condemned_key(self.group), &bytes, true)?)
    }

    /// Whether an entry is to be passed over.
    pub fn is_skipped(&self, position: LogPosition) -> bool {
        self.skipped.contains(&position)
    }

    /// Remembers that an entry failed. Synced: the count must survive whatever the failure brings down.
    pub fn note(&mut self, position: LogPosition, why: &str) {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let is_same = |before: &&FailedEntry| before.position == position && before.version == version;
        let times = self.failed.as_ref().filter(is_same).map_or(0, |before| before.times) + 1;
        let failed = FailedEntry { position, times, version, why: why.to_owned() };
        let stored = encode("a failed entry", &failed)
            .and_then(|bytes| Ok(self.kv.put(Table::Node, &failed_key(self.group), &bytes, true)?));
        if let Err(error) = stored {
            tracing::error!(group = %self.group, %position, %error, "cannot record the failed entry");
        }
        self.failed = Some(failed);
    }

    /// Everything up to an entry is applied: if one of these once failed, that is over.
    pub fn passed(&mut self, position: LogPosition) {
        if self.failed.as_ref().is_some_and(|failed| failed.position <= position) {
            self.failed = None;
            let mut batch = WriteBatch::new();
            batch.delete(Table::Node, failed_key(self.group));
            // Unsynced and unread on failure: the record then only tells of a try too many.
            let _ = self.kv.write(&batch, false);
        }
    }
}

/// The entry of a group that could not be applied, if there is one.
///
/// # Errors
/// Storage errors, a record that does not decode.
pub fn failed_entry(kv: &dyn Kv, group: GroupId) -> Result<Option<FailedEntry>> {
    read(kv, &failed_key(group))
}

/// Tells a group to pass over an entry from its next start on.
///
/// # Errors
/// Storage errors, records that do not decode.
pub fn skip_entry(kv: &dyn Kv, group: GroupId, position: LogPosition) -> Result<()> {
    let mut skipped: BTreeSet<LogPosition> = read(kv, &skipped_key(group))?.unwrap_or_default();
    skipped.insert(position);
    Ok(kv.put(Table::Node, &skipped_key(group), &encode("skipped entries", &skipped)?, true)?)
}

fn read<T: serde::de::DeserializeOwned>(kv: &dyn Kv, key: &[u8]) -> Result<Option<T>> {
    kv.get(Table::Node, key)?.map(|bytes| decode(&String::from_utf8_lossy(key), &bytes)).transpose()
}

/// Forgets a group's records, with the replica.
pub(crate) fn forget(batch: &mut WriteBatch, group: GroupId) {
    batch.delete(Table::Node, failed_key(group));
    batch.delete(Table::Node, skipped_key(group));
    batch.delete(Table::Node, condemned_key(group));
}

fn failed_key(group: GroupId) -> Vec<u8> {
    format!("failed entry of group {group}").into_bytes()
}

fn skipped_key(group: GroupId) -> Vec<u8> {
    format!("skipped entries of group {group}").into_bytes()
}

fn condemned_key(group: GroupId) -> Vec<u8> {
    format!("verdict on group {group}").into_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vecraft_storage::SimKv;

    const GROUP: GroupId = GroupId(3);

    #[test]
    fn i24_the_same_entry_twice_quarantines_and_a_skip_lifts_it() {
        let kv = Arc::new(SimKv::new(1));
        let load = || Failures::load(kv.clone(), GROUP).unwrap();
        load().note(LogPosition(7), "first");
        kv.crash();
        assert_eq!(load().quarantine(), None);
        load().note(LogPosition(7), "again");
        kv.crash();
        let why = load().quarantine().unwrap();
        assert!(why.contains("entry 7") && why.contains("2 times (again)"), "{why}");
        assert_eq!(failed_entry(kv.as_ref(), GROUP).unwrap().unwrap().times, 2);

        skip_entry(kv.as_ref(), GROUP, LogPosition(7)).unwrap();
        kv.crash();
        let lifted = load();
        assert!(lifted.quarantine().is_none() && lifted.is_skipped(LogPosition(7)));
        assert!(!lifted.is_skipped(LogPosition(8)));
    }

    #[test]
    fn i22_a_condemned_replica_is_not_started_again() {
        let kv = Arc::new(SimKv::new(1));
        Failures::load(kv.clone(), GROUP).unwrap().condemn("it differs").unwrap();
        kv.crash();
        let mut failures = Failures::load(kv, GROUP).unwrap();
        failures.passed(LogPosition(9));
        assert_eq!(failures.quarantine().as_deref(), Some("it differs"));
    }

    #[test]
    fn another_entry_or_a_success_starts_the_count_anew() {
        let kv = Arc::new(SimKv::new(1));
        let mut failures = Failures::load(kv.clone(), GROUP).unwrap();
        failures.note(LogPosition(7), "x");
        failures.note(LogPosition(9), "x");
        assert_eq!(failures.quarantine(), None);
        failures.passed(LogPosition(8));
        assert!(failed_entry(kv.as_ref(), GROUP).unwrap().is_some());
        failures.passed(LogPosition(9));
        failures.note(LogPosition(9), "x");
        assert_eq!(failures.quarantine(), None);
    }
}
