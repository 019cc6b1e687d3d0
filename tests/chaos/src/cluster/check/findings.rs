//! What is wrong, counted by kind.

use serde::Serialize;
use std::collections::BTreeMap;

/// A kind of violation. Each breaks a promise of the design (P1, P4, P5, P6) or a rule of the invariants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Kind {
    /// An acknowledged write cannot be seen at rest: the row is gone or older.
    Lost,
    /// A row that an acknowledged delete had removed is there at rest.
    Resurrected,
    /// A row made of several writes, or a write of several rows seen by halves (I20).
    Torn,
    /// A key twice in one answer.
    Duplicate,
    /// A row that nobody wrote, or saw before it was sent.
    Phantom,
    /// A write of which the client was told that it was not done, and it was (I10).
    RefusedButDone,
    /// A Strong read older than what was acknowledged before it began.
    StaleStrong,
    /// A Session read that does not see the session's writes.
    StaleSession,
    /// A Bounded read older than its bound.
    StaleBounded,
    /// A key whose Strong history is not that of a register.
    NotLinearizable,
    /// `count(*)` at rest is not the number of rows.
    Count,
    /// An exact search at rest differs from the model.
    Search,
    /// Two nodes answer differently at rest.
    ReplicasDiffer,
    /// A node ended by itself, or did not come back within the limit.
    NodeDied,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 14] = [
        Kind::Lost,
        Kind::Resurrected,
        Kind::Torn,
        Kind::Duplicate,
        Kind::Phantom,
        Kind::RefusedButDone,
        Kind::StaleStrong,
        Kind::StaleSession,
        Kind::StaleBounded,
        Kind::NotLinearizable,
        Kind::Count,
        Kind::Search,
        Kind::ReplicasDiffer,
        Kind::NodeDied,
    ];

    /// What a table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Lost => "lost",
            Kind::Resurrected => "resurrected",
            Kind::Torn => "torn",
            Kind::Duplicate => "duplicate",
            Kind::Phantom => "phantom",
            Kind::RefusedButDone => "refused but done",
            Kind::StaleStrong => "stale at Strong",
            Kind::StaleSession => "stale at Session",
            Kind::StaleBounded => "stale beyond the bound",
            Kind::NotLinearizable => "not linearizable",
            Kind::Count => "wrong count",
            Kind::Search => "wrong search",
            Kind::ReplicasDiffer => "replicas differ",
            Kind::NodeDied => "node died",
        }
    }
}

/// One violation.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What kind.
    pub kind: Kind,
    /// When it was seen, in microseconds of the run.
    pub at: u64,
    /// The evidence in words, as little of it as shows the fault.
    pub evidence: String,
}

/// All violations; only the first few of each kind are kept in words.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Findings {
    counts: BTreeMap<Kind, u64>,
    /// The first few of each kind.
    pub examples: Vec<Finding>,
}

const EXAMPLES_MAX: usize = 5;

impl Findings {
    /// Adds one.
    pub fn add(&mut self, kind: Kind, at: u64, evidence: impl Into<String>) {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        if *count <= EXAMPLES_MAX as u64 {
            self.examples.push(Finding { kind, at, evidence: evidence.into() });
        }
    }

    /// Number of a kind.
    pub fn count(&self, kind: Kind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or_default()
    }

    /// Number of all.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Adds those of another check.
    pub fn merge(&mut self, other: Findings) {
        for (kind, count) in other.counts {
            *self.counts.entry(kind).or_default() += count;
        }
        self.examples.extend(other.examples);
    }

    /// "lost 0, resurrected 0, ..."
    pub fn line(&self) -> String {
        let one = |kind: &Kind| format!("{} {}", kind.name(), self.count(*kind));
        Kind::ALL.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}
