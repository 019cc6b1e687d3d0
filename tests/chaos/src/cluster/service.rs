//! What the faults cost: time without an acknowledged write, without an answer at Eventually, until writes are back.

use super::board::COLLECTIONS;
use super::history::{Level, Micros, Op, Outcome, What};
use super::plan::Fault;
use crate::row::owner;
use serde::Serialize;
use std::collections::BTreeSet;

/// A fault as it happened.
#[derive(Clone, Debug, Serialize)]
pub struct Happened {
    /// What.
    pub fault: Fault,
    /// The nodes it hit.
    pub nodes: Vec<u64>,
    /// When it began.
    pub start: Micros,
    /// When its cause was taken away.
    pub healed: Micros,
    /// When all nodes served again.
    pub serving: Micros,
}

/// What one fault cost.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// Operations that ended between its begin and that of the next one.
    pub ops: u64,
    /// Acknowledged writes among them.
    pub acked: u64,
    /// Refused writes.
    pub refused: u64,
    /// Writes of unknown outcome.
    pub unknown: u64,
    /// The longest time without an acknowledged write, in milliseconds, in the shard where it was longest: another shard,
    /// led elsewhere, often goes on and would hide it.
    pub write_gap_ms: f64,
    /// From its begin until every shard has acknowledged a write that was sent after it; `None`: not before the next fault.
    pub recovery_ms: Option<f64>,
    /// The longest time without an answer at Eventually on a node that can answer; `None`: it hit all.
    pub read_gap_ms: Option<f64>,
}

/// The cost of each fault; the last one's time ends at `until`.
pub fn costs(ops: &[Op], faults: &[Happened], nodes: u64, until: Micros) -> Vec<Cost> {
    let next = |at: usize| faults.get(at + 1).map_or(until, |fault| fault.start);
    faults.iter().enumerate().map(|(at, fault)| cost(ops, fault, nodes, next(at))).collect()
}

fn cost(ops: &[Op], fault: &Happened, nodes: u64, until: Micros) -> Cost {
    let during: Vec<&Op> = ops.iter().filter(|op| (fault.start..until).contains(&op.end)).collect();
    let count = |test: &dyn Fn(&Op) -> bool| during.iter().filter(|op| test(op)).count() as u64;
    let is_acked = |op: &Op| op.is_write() && op.outcome == Outcome::Ok;
    let shards: BTreeSet<i64> = ops.iter().filter_map(shard).collect();
    let is_back = |op: &&Op| is_acked(op) && op.start >= fault.start && op.end < until;
    let back =
        |of: &i64| ops.iter().filter(is_back).filter(|op| shard(op) == Some(*of)).map(|op| op.end).min();
    let backs: Option<Vec<Micros>> = shards.iter().map(back).collect();
    let write_gaps =
        shards.iter().map(|of| gap(ops, fault.start, until, |op| is_acked(op) && shard(op) == Some(*of)));
    let spared = (1..=nodes).filter(|id| fault.fault.leaves_reads() || !fault.nodes.contains(id));
    let read_gaps = spared.map(|id| gap(ops, fault.start, until, |op| answers(op, id)));
    Cost {
        ops: during.len() as u64,
        acked: count(&|op| is_acked(op)),
        refused: count(&|op| op.is_write() && matches!(op.outcome, Outcome::Refused(_))),
        unknown: count(&|op| op.is_write() && matches!(op.outcome, Outcome::Unknown(_))),
        write_gap_ms: write_gaps.max_by(f64::total_cmp).unwrap_or_default(),
        recovery_ms: backs.and_then(|ends| ends.into_iter().max()).map(|end| millis(end - fault.start)),
        read_gap_ms: read_gaps.max_by(f64::total_cmp),
    }
}

/// The shard that a write went to: each collection has one.
pub fn shard(op: &Op) -> Option<i64> {
    let What::Write { changes } = &op.what else { return None };
    changes.first().map(|(id, _)| owner(*id) % COLLECTIONS)
}

fn answers(op: &Op, node: u64) -> bool {
    let is_eventual = matches!(op.what, What::Read { level: Level::Eventually, is_final: false, .. });
    is_eventual && op.door == node && op.outcome == Outcome::Ok
}

/// The longest time between two successes that reaches into `from..until`.
fn gap(ops: &[Op], from: Micros, until: Micros, is_success: impl Fn(&Op) -> bool) -> f64 {
    let mut last = 0;
    let mut longest = 0;
    let ends = ops.iter().filter(|op| is_success(op)).map(|op| op.end).chain([until]);
    for end in ends.map(|end| end.min(until)) {
        if end > from {
            longest = longest.max(end.saturating_sub(last));
        }
        last = last.max(end);
        if end == until {
            break;
        }
    }
    millis(longest)
}

/// Microseconds as milliseconds.
pub fn millis(micros: Micros) -> f64 {
    micros as f64 / 1e3
}

/// The value that a part of the values (0 to 1) do not exceed.
pub fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 - 1.0) * part).round().max(0.0) as usize;
    values.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Seen;
    use crate::row::key;

    fn op(end: Micros, outcome: Outcome) -> Op {
        in_shard(0, end, outcome)
    }

    fn in_shard(shard: usize, end: Micros, outcome: Outcome) -> Op {
        let what = What::Write { changes: vec![(key(shard, 1), Seen::Version(1))] };
        Op { worker: 0, door: 1, start: end - 1_000, end, what, outcome }
    }

    #[test]
    fn a_gap_reaches_from_the_last_success_to_the_next() {
        let ops: Vec<Op> = [10_000, 20_000, 120_000, 130_000].map(|end| op(end, Outcome::Ok)).to_vec();
        let fault = Happened {
            fault: Fault::KillAny,
            nodes: vec![1],
            start: 25_000,
            healed: 60_000,
            serving: 110_000,
        };
        let costs = costs(&ops, &[fault], 1, 200_000);
        assert_eq!(costs[0].write_gap_ms, 100.0);
        assert_eq!(costs[0].recovery_ms, Some(95.0));
        assert_eq!((costs[0].acked, costs[0].read_gap_ms), (2, None));
    }

    #[test]
    fn a_service_that_does_not_come_back_is_a_gap_to_the_end() {
        let fault =
            Happened { fault: Fault::KillAll, nodes: vec![1], start: 5_000, healed: 6_000, serving: 7_000 };
        let costs = costs(&[op(4_000, Outcome::Ok), op(9_000, Outcome::Unknown(1))], &[fault], 1, 50_000);
        assert_eq!((costs[0].write_gap_ms, costs[0].recovery_ms, costs[0].unknown), (46.0, None, 1));
    }

    #[test]
    fn a_shard_that_goes_on_does_not_hide_one_that_stands_still() {
        let mut ops: Vec<Op> = (1..20).map(|n| in_shard(1, n * 10_000, Outcome::Ok)).collect();
        ops.extend([in_shard(0, 20_000, Outcome::Ok), in_shard(0, 150_000, Outcome::Ok)]);
        ops.sort_by_key(|op| op.end);
        let fault = Happened {
            fault: Fault::KillAny,
            nodes: vec![1],
            start: 25_000,
            healed: 60_000,
            serving: 61_000,
        };
        let costs = costs(&ops, &[fault], 1, 200_000);
        assert_eq!((costs[0].write_gap_ms, costs[0].recovery_ms), (130.0, Some(125.0)));
    }
}
