//! I4, purge: no replica's log begins above its own durable checkpoint, and none goes on without one that it lacks.

use crate::invariants::{Broken, Check, broken, ensure};

const NAME: &str = "I4";

/// What a start says about a log and a checkpoint that do not fit, under the rule that it names.
pub fn refused(node: u64, error: &str) -> Broken {
    let rule = ["I1", "I3", "I4", "I24"].into_iter().find(|rule| error.contains(&format!("({rule})")));
    broken(rule.unwrap_or("I3"), format!("node {node} does not start: {error}"))
}

/// `purged <= checkpoint`, both as a start would find them.
pub fn check(node: u64, purged: Option<u64>, checkpoint: Option<u64>) -> Check {
    ensure(purged <= checkpoint, NAME, || {
        format!("node {node} purged its log up to {purged:?}, its durable checkpoint is at {checkpoint:?}")
    })
}
