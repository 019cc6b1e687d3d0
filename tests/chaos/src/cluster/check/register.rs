//! Is the history of one key that of a register? (Strong: linearizable per key, P4)
//!
//! Search for an order of the operations that respects real time and in which each read sees the last write (Wing and
//! Gong, with a memory of configurations that led nowhere, after Lowe). Writes of unknown outcome may stand anywhere
//! after their start, or nowhere. Histories are short, because a key is retired before it gets long; the search is
//! cut into pieces where nothing overlaps, so the common sequential history costs one pass.

use crate::cluster::history::Micros;
use crate::ledger::Seen;
use serde::Serialize;
use std::collections::HashSet;

/// Configurations looked at before the search gives up, without a verdict.
const STEPS_MAX: usize = 2_000_000;

/// One operation on the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Action {
    /// When it was sent.
    pub start: Micros,
    /// When it was answered; `None`: its outcome is not known.
    pub end: Option<Micros>,
    /// Whether it writes.
    pub is_write: bool,
    /// What it writes, or what it saw.
    pub value: Seen,
}

/// What the search says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order.
    Linearizable,
    /// There is none.
    Violated,
    /// Not decided within [`STEPS_MAX`].
    Undecided,
}

/// Whether a key that was absent at first can have had this history.
pub fn check(actions: &[Action]) -> Verdict {
    let mut actions = actions.to_vec();
    actions.sort_by_key(|action| action.start);
    let mut search = Search { actions: &actions, seen: HashSet::new(), steps: 0 };
    search.run()
}

struct Search<'a> {
    actions: &'a [Action],
    seen: HashSet<(Vec<u64>, Seen)>,
    steps: usize,
}

/// A point of the search: which actions are done, the first that is not, the register.
struct Point {
    done: Vec<u64>,
    first: usize,
    value: Seen,
}

impl Search<'_> {
    fn run(&mut self) -> Verdict {
        let words = self.actions.len().div_ceil(64);
        let mut open = vec![Point { done: vec![0; words], first: 0, value: Seen::Absent }];
        while let Some(point) = open.pop() {
            if self.is_complete(&point) {
                return Verdict::Linearizable;
            }
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Verdict::Undecided;
            }
            // The earliest is tried first, so it goes onto the stack last.
            for at in self.next(&point).into_iter().rev() {
                let action = self.actions[at];
                if !action.is_write && action.value != point.value {
                    continue;
                }
                let value = if action.is_write { action.value } else { point.value };
                let mut done = point.done.clone();
                done[at / 64] |= 1 << (at % 64);
                let mut first = point.first;
                while first < self.actions.len() && is_set(&done, first) {
                    first += 1;
                }
                if self.seen.insert((done.clone(), value)) {
                    open.push(Point { done, first, value });
                }
            }
        }
        Verdict::Violated
    }

    /// Everything of known outcome is done.
    fn is_complete(&self, point: &Point) -> bool {
        (point.first..self.actions.len()).all(|at| is_set(&point.done, at) || self.actions[at].end.is_none())
    }

    /// Those that may come next: nobody else that is not done ended before they began.
    fn next(&self, point: &Point) -> Vec<usize> {
        let mut limit = Micros::MAX;
        let mut candidates = Vec::new();
        for at in point.first..self.actions.len() {
            let action = &self.actions[at];
            if action.start > limit {
                break;
            }
            if is_set(&point.done, at) {
                continue;
            }
            candidates.push(at);
            limit = limit.min(action.end.unwrap_or(Micros::MAX));
        }
        candidates.retain(|at| self.actions[*at].start <= limit);
        candidates
    }
}

fn is_set(done: &[u64], at: usize) -> bool {
    done[at / 64] & (1 << (at % 64)) != 0
}

/// The smallest part of a violating history that still violates: cut after the first answer that cannot be, without
/// the reads that do not matter.
pub fn smallest(actions: &[Action]) -> Vec<Action> {
    let mut ends: Vec<Micros> = actions.iter().filter_map(|action| action.end).collect();
    ends.sort_unstable();
    let cut = ends.into_iter().map(|until| up_to(actions, until));
    let mut small = cut.into_iter().find(|some| check(some) == Verdict::Violated).unwrap_or(actions.to_vec());
    // Again until nothing goes: a write can go once nobody is left who saw it.
    let mut before = usize::MAX;
    while small.len() < before {
        before = small.len();
        for at in (0..small.len()).rev() {
            let mut fewer = small.clone();
            let action = fewer.remove(at);
            let is_seen = action.is_write && fewer.iter().any(|other| other.value == action.value);
            if !is_seen && check(&fewer) == Verdict::Violated {
                small = fewer;
            }
        }
    }
    small.sort_by_key(|action| action.start);
    small
}

/// What had happened at a moment: what was open then is of unknown outcome.
fn up_to(actions: &[Action], until: Micros) -> Vec<Action> {
    let began = actions.iter().filter(|action| action.start <= until);
    let known = began.map(|action| match action.end {
        Some(end) if end <= until => *action,
        _ => Action { end: None, ..*action },
    });
    known.filter(|action| action.is_write || action.end.is_some()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(start: u64, end: u64, value: i64) -> Action {
        Action { start, end: Some(end), is_write: true, value: Seen::Version(value) }
    }

    fn read(start: u64, end: u64, value: i64) -> Action {
        Action { is_write: false, ..write(start, end, value) }
    }

    fn absent(action: Action) -> Action {
        Action { value: Seen::Absent, ..action }
    }

    fn unknown(action: Action) -> Action {
        Action { end: None, ..action }
    }

    #[test]
    fn accepts_what_a_register_can_do() {
        let good: &[&[Action]] = &[
            &[],
            &[
                absent(read(0, 1, 0)),
                write(2, 3, 1),
                read(4, 5, 1),
                absent(write(6, 7, 0)),
                absent(read(8, 9, 0)),
            ],
            // Concurrent with a write: either value, in one order.
            &[write(0, 1, 1), write(2, 9, 2), read(3, 4, 1), read(5, 6, 2), read(10, 11, 2)],
            // Unknown: late, or never.
            &[unknown(write(0, 1, 1)), write(2, 3, 2), read(4, 5, 2), read(6, 7, 1)],
            &[unknown(write(0, 1, 1)), write(2, 3, 2), read(6, 7, 2)],
            // Two writers at once: the readers agree on an order.
            &[write(0, 10, 1), write(0, 10, 2), read(11, 12, 1), read(13, 14, 1)],
        ];
        for history in good {
            assert_eq!(check(history), Verdict::Linearizable, "{history:?}");
        }
    }

    #[test]
    fn refuses_what_a_register_cannot_do() {
        let bad: &[&[Action]] = &[
            &[write(0, 1, 1), absent(read(2, 3, 0))],
            &[write(0, 1, 1), write(2, 3, 2), read(4, 5, 1)],
            // Seen and unseen again.
            &[write(0, 1, 1), write(2, 9, 2), read(3, 4, 2), read(5, 6, 1)],
            &[write(0, 1, 1), unknown(write(2, 3, 2)), read(4, 5, 2), read(6, 7, 1)],
            // Two writers at once: the readers do not agree.
            &[write(0, 10, 1), write(0, 10, 2), read(11, 12, 1), read(13, 14, 2)],
            &[read(0, 1, 7)],
            &[write(0, 1, 1), absent(write(2, 3, 0)), read(4, 5, 1)],
        ];
        for history in bad {
            assert_eq!(check(history), Verdict::Violated, "{history:?}");
            assert_eq!(check(&smallest(history)), Verdict::Violated);
        }
    }

    #[test]
    fn evidence_is_small() {
        let mut history: Vec<Action> = (0..50).map(|n| write(10 * n, 10 * n + 1, n as i64)).collect();
        history.extend((0..50).map(|n| read(10 * n + 2, 10 * n + 3, n as i64)));
        history.push(read(255, 256, 20));
        assert_eq!(check(&history), Verdict::Violated);
        assert_eq!(smallest(&history).len(), 3, "the write, the one after it, the stale read");
    }
}
