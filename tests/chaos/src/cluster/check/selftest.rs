//! Planted histories: a checker that overlooks one of them is of no use.

use super::check;
use super::findings::Kind;
use crate::Trouble;
use crate::cluster::history::{Got, Level, Micros, Op, Outcome, What};
use crate::ledger::Seen;
use crate::row::key;

/// A millisecond.
const MS: Micros = 1_000;

fn id(n: usize) -> i64 {
    key(0, n)
}

fn op(start: Micros, what: What, outcome: Outcome) -> Op {
    Op { worker: 0, door: 1, start: start * MS, end: (start + 1) * MS, what, outcome }
}

/// A write at a millisecond; version 0 is a delete.
fn write(start: Micros, changes: &[(usize, i64)]) -> Op {
    let after = |version| if version == 0 { Seen::Absent } else { Seen::Version(version) };
    let changes = changes.iter().map(|(n, version)| (id(*n), after(*version))).collect();
    op(start, What::Write { changes }, Outcome::Ok)
}

fn ended(op: Op, outcome: Outcome) -> Op {
    Op { outcome, ..op }
}

/// A read at a millisecond of some keys, with the rows it brought.
fn read(start: Micros, level: Level, keys: &[usize], rows: &[(usize, i64)]) -> Op {
    let rows =
        rows.iter().map(|(n, version)| Got { id: id(*n), version: *version, is_whole: true }).collect();
    let keys = keys.iter().map(|n| id(*n)).collect();
    op(start, What::Read { level, session_at: start * MS, keys, rows, is_final: false }, Outcome::Ok)
}

/// A scan at rest.
fn scan(start: Micros, rows: &[(usize, i64)]) -> Op {
    let mut op = read(start, Level::Eventually, &[0, 1, 2, 3, 4], rows);
    if let What::Read { is_final, .. } = &mut op.what {
        *is_final = true;
    }
    op
}

/// Key 0 written twice, 1 written and deleted, 2 and 3 written together twice, 4 refused, then rest.
fn base() -> Vec<Op> {
    vec![
        write(0, &[(0, 1), (1, 2)]),
        write(2, &[(0, 3)]),
        write(4, &[(1, 0)]),
        write(6, &[(2, 4), (3, 5)]),
        write(8, &[(2, 6), (3, 7)]),
        ended(write(10, &[(4, 8)]), Outcome::Refused(2)),
    ]
}

fn with(more: Vec<Op>) -> Vec<Op> {
    let mut ops = base();
    ops.extend(more);
    ops
}

const REST: [(usize, i64); 3] = [(0, 3), (2, 6), (3, 7)];

fn good() -> Vec<(&'static str, Vec<Op>)> {
    use Level::{Bounded, Eventually, Session, Strong};
    let lost_answer = |more: Vec<Op>| {
        let mut ops = vec![ended(write(12, &[(0, 9), (3, 10)]), Outcome::Unknown(65535))];
        ops.extend(more);
        with(ops)
    };
    vec![
        ("rest", with(vec![scan(20, &REST), read(30, Strong, &[0, 1, 2, 3], &REST)])),
        ("an old state at Eventually", with(vec![read(20, Eventually, &[0, 1], &[(0, 1), (1, 2)])])),
        ("an old state within the bound", with(vec![read(9, Bounded(7), &[0, 1], &[(0, 3), (1, 2)])])),
        ("the session's state", with(vec![read(9, Session, &[0, 1], &[(0, 3)])])),
        ("a lost answer that was done", lost_answer(vec![scan(20, &[(0, 9), (2, 6), (3, 10)])])),
        ("a lost answer that was not", lost_answer(vec![scan(20, &REST)])),
        (
            "a lost answer that was done late",
            lost_answer(vec![
                read(20, Strong, &[0, 3], &[(0, 3), (3, 7)]),
                read(30, Strong, &[0, 3], &[(0, 9), (3, 10)]),
            ]),
        ),
    ]
}

fn plants() -> Vec<(&'static str, Vec<Op>, Kind)> {
    use Level::{Bounded, Eventually, Session, Strong};
    let unknown = ended(write(12, &[(0, 9), (3, 10)]), Outcome::Unknown(65535));
    let mut mixed = scan(20, &REST);
    if let What::Read { rows, .. } = &mut mixed.what {
        rows[0].is_whole = false;
    }
    vec![
        ("a lost row", with(vec![scan(20, &[(2, 6), (3, 7)])]), Kind::Lost),
        ("a lost update", with(vec![scan(20, &[(0, 1), (2, 6), (3, 7)])]), Kind::Lost),
        ("a resurrected row", with(vec![scan(20, &[(0, 3), (1, 2), (2, 6), (3, 7)])]), Kind::Resurrected),
        ("a row of two writes", with(vec![mixed]), Kind::Torn),
        ("half a write", with(vec![read(20, Eventually, &[2, 3], &[(2, 4), (3, 7)])]), Kind::Torn),
        (
            "half a write of unknown outcome",
            with(vec![unknown.clone(), read(20, Eventually, &[0, 3], &[(0, 9), (3, 7)])]),
            Kind::Torn,
        ),
        ("a key twice", with(vec![read(20, Strong, &[0], &[(0, 3), (0, 3)])]), Kind::Duplicate),
        ("a version nobody wrote", with(vec![read(20, Eventually, &[0], &[(0, 99)])]), Kind::Phantom),
        ("a key nobody asked for", with(vec![read(20, Eventually, &[0], &[(0, 3), (2, 6)])]), Kind::Phantom),
        ("a refused write", with(vec![scan(20, &[(0, 3), (2, 6), (3, 7), (4, 8)])]), Kind::RefusedButDone),
        ("an old value at Strong", with(vec![read(20, Strong, &[0], &[(0, 1)])]), Kind::StaleStrong),
        ("a deleted row at Strong", with(vec![read(20, Strong, &[1], &[(1, 2)])]), Kind::StaleStrong),
        ("own write unseen in a session", with(vec![read(20, Session, &[2], &[(2, 4)])]), Kind::StaleSession),
        ("older than the bound", with(vec![read(20, Bounded(5), &[2], &[(2, 4)])]), Kind::StaleBounded),
        (
            "seen, then unseen",
            with(vec![unknown, read(20, Strong, &[0], &[(0, 9)]), read(30, Strong, &[0], &[(0, 3)])]),
            Kind::NotLinearizable,
        ),
    ]
}

/// Runs the checker on planted histories and on good ones; the number of plants.
///
/// # Errors
/// The first plant it overlooked, or a fault it found where there is none.
pub fn run() -> Result<usize, Trouble> {
    for (name, ops) in good() {
        let found = check(&ops, &[0]).findings;
        if found.total() != 0 {
            return Err(format!("the history checker objects to {name}: {:?}", found.examples));
        }
    }
    let plants = plants();
    for (name, ops, kind) in &plants {
        let found = check(ops, &[0]).findings;
        if found.count(*kind) == 0 {
            return Err(format!("the history checker did not report {name}, but {:?}", found.examples));
        }
    }
    Ok(plants.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_planted_history_is_reported() {
        assert_eq!(run().unwrap(), plants().len());
    }

    #[test]
    fn a_plant_is_reported_as_what_it_is_and_as_little_else_as_can_be() {
        for (name, ops, kind) in plants() {
            let found = check(&ops, &[0]).findings;
            let others: Vec<Kind> = Kind::ALL
                .into_iter()
                .filter(|other| *other != kind && *other != Kind::NotLinearizable && found.count(*other) > 0)
                .collect();
            assert!(others.is_empty(), "{name}: also {others:?}");
        }
    }
}
