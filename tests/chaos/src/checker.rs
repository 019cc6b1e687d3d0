//! Compares a scan with the ledgers.

use crate::ledger::{Key, Ledger, Seen};
use crate::row::{Row, owner};
use serde::Serialize;
use std::collections::BTreeMap;

/// What is wrong, counted by kind. All zero is the only good result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Acknowledged writes that cannot be seen: the row is gone or older.
    pub lost: u64,
    /// Rows that an acknowledged delete had removed.
    pub resurrected: u64,
    /// Rows put together from several writes, and writes of several rows of which only some are there.
    pub torn: u64,
    /// Rows beyond the first of a key.
    pub duplicates: u64,
    /// Rows that nobody wrote.
    pub phantom: u64,
    /// Counts and searches that disagree with the scan.
    pub disagreeing: u64,
    /// The first few in words.
    pub examples: Vec<String>,
}

const EXAMPLES_MAX: usize = 20;

impl Findings {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.total() == 0
    }

    /// All kinds together.
    pub fn total(&self) -> u64 {
        self.lost + self.resurrected + self.torn + self.duplicates + self.phantom + self.disagreeing
    }

    /// Adds those of another check.
    pub fn add(&mut self, other: Findings) {
        self.lost += other.lost;
        self.resurrected += other.resurrected;
        self.torn += other.torn;
        self.duplicates += other.duplicates;
        self.phantom += other.phantom;
        self.disagreeing += other.disagreeing;
        self.examples.extend(other.examples);
        self.examples.truncate(EXAMPLES_MAX);
    }

    /// Notes something that disagrees with the scan.
    pub fn disagrees(&mut self, text: String) {
        self.disagreeing += 1;
        self.say(text);
    }

    fn say(&mut self, text: String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(text);
        }
    }
}

/// Checks a whole scan (every row of the collection) against the ledgers, by writer.
pub fn check(scan: &[Row], ledgers: &[Ledger]) -> Findings {
    let mut findings = Findings::default();
    let mut seen = BTreeMap::new();
    for row in scan {
        if seen.insert(row.id, Seen::Version(row.version)).is_some() {
            findings.duplicates += 1;
            findings.say(format!("key {} has a second row, version {}", row.id, row.version));
        }
        if !row.is_whole() {
            findings.torn += 1;
            findings.say(format!("{row:?} is not what version {} wrote", row.version));
        }
        let ledger = usize::try_from(owner(row.id)).ok().and_then(|at| ledgers.get(at));
        if ledger.is_none_or(|ledger| !ledger.keys.contains_key(&row.id)) {
            findings.phantom += 1;
            findings.say(format!("key {} was never written", row.id));
        }
    }
    for ledger in ledgers {
        for (id, key) in &ledger.keys {
            check_key(*id, key, seen.get(id).copied().unwrap_or(Seen::Absent), &mut findings);
        }
        check_batches(ledger, &seen, &mut findings);
    }
    findings
}

/// Checks one key against its allowed set.
pub fn check_key(id: i64, key: &Key, seen: Seen, findings: &mut Findings) {
    if key.allows(seen) {
        return;
    }
    let kind = match (seen, key.settled) {
        (Seen::Version(version), _) if !key.sent.contains(&version) => {
            findings.phantom += 1;
            "phantom"
        }
        (Seen::Version(_), Seen::Absent) => {
            findings.resurrected += 1;
            "resurrected"
        }
        _ => {
            findings.lost += 1;
            "lost"
        }
    };
    findings
        .say(format!("{kind}: key {id} shows {seen:?}, acknowledged {:?}, open {:?}", key.settled, key.open));
}

/// The collection has one shard, so a write of several rows is one entry: all of it happened or none (I20).
fn check_batches(ledger: &Ledger, seen: &BTreeMap<i64, Seen>, findings: &mut Findings) {
    let mut done: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for (id, key) in &ledger.keys {
        if let Some((write, after)) = key.open {
            let (yes, no) = done.entry(write).or_default();
            *(if seen.get(id).copied().unwrap_or(Seen::Absent) == after { yes } else { no }) += 1;
        }
    }
    for (write, (yes, no)) in done.into_iter().filter(|(_, (yes, no))| *yes > 0 && *no > 0) {
        findings.torn += 1;
        findings.say(format!("write {write}: {yes} of its rows are there, {no} are not"));
    }
}
