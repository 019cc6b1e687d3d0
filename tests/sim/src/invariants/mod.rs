//! The rules that must hold, one file each, named as in docs/invariants.md.
//!
//! A checker looks from outside: at answers, at published views, at names on the disk. It never asks the code under
//! test whether it is right.

pub mod i10_retries;
pub mod i11_shard_logs;
pub mod i12_resolved_deletes;
pub mod i13_files;
pub mod i13_indexes;
pub mod i15_views;
pub mod i18_moments;
pub mod i20_rows;
pub mod i3_asks;
pub mod i3_checkpoint;
pub mod i4_purge;
pub mod i6_log;
pub mod i7_votes;
pub mod i9_timestamps;

/// A rule that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The rule.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

/// Outcome of a check.
pub type Check<T = ()> = Result<T, Broken>;

/// An error that names its rule.
pub fn broken(invariant: &'static str, what: impl Into<String>) -> Broken {
    Broken { invariant, what: what.into() }
}

/// `Ok` when the rule holds.
pub fn ensure(holds: bool, invariant: &'static str, what: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(broken(invariant, what())) }
}
