//! The history checker.
//!
//! | module | the question it answers |
//! |---|---|
//! | [`own`] | does each read fit what its keys' only writer did, by the read's level? |
//! | [`register`] | are Strong reads and writes of each key those of a register? |
//! | [`alike`] | are two scans alike, is an exact search right? |
//! | [`findings`] | what is wrong, how often? |
//! | [`selftest`] | would it be noticed? |

pub mod alike;
pub mod findings;
pub mod own;
pub mod register;
pub mod selftest;

use super::history::{Level, Op, Outcome, What};
use crate::ledger::Seen;
use findings::{Findings, Kind};
use register::{Action, Verdict};
use std::collections::BTreeMap;

/// What a check of a whole history says.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// What is wrong.
    pub findings: Findings,
    /// Keys whose register history was searched.
    pub keys: usize,
    /// Keys for which the search gave up: no verdict.
    pub undecided: usize,
}

/// Checks everything that can be checked on a history alone; `owners` are those whose keys have one writer.
pub fn check(ops: &[Op], owners: &[i64]) -> Checked {
    let mut checked = Checked::default();
    own::check_rows(ops, &mut checked.findings);
    own::check(ops, owners, &mut checked.findings);
    for (id, actions) in registers(ops) {
        checked.keys += 1;
        match register::check(&actions) {
            Verdict::Linearizable => {}
            Verdict::Undecided => checked.undecided += 1,
            Verdict::Violated => {
                let evidence = register::smallest(&actions);
                let at = evidence.iter().filter_map(|action| action.end).max().unwrap_or_default();
                let lines: Vec<String> = evidence.iter().map(line).collect();
                checked.findings.add(Kind::NotLinearizable, at, format!("key {id}: {}", lines.join("; ")));
            }
        }
    }
    checked
}

/// The Strong history of each key that was written.
fn registers(ops: &[Op]) -> BTreeMap<i64, Vec<Action>> {
    let mut keys: BTreeMap<i64, Vec<Action>> = BTreeMap::new();
    for op in ops {
        if let (What::Write { changes }, Outcome::Ok | Outcome::Unknown(_)) = (&op.what, op.outcome) {
            let end = (op.outcome == Outcome::Ok).then_some(op.end);
            for (id, value) in changes {
                let action = Action { start: op.start, end, is_write: true, value: *value };
                keys.entry(*id).or_default().push(action);
            }
        }
    }
    for op in ops {
        let What::Read { level: Level::Strong, keys: asked, rows, .. } = &op.what else { continue };
        if op.outcome != Outcome::Ok {
            continue;
        }
        let rows: BTreeMap<i64, i64> = rows.iter().map(|row| (row.id, row.version)).collect();
        for id in asked {
            let value = rows.get(id).map_or(Seen::Absent, |version| Seen::Version(*version));
            // A key that nobody wrote is a register of one value: found by the other checks when it is there.
            if let Some(actions) = keys.get_mut(id) {
                actions.push(Action { start: op.start, end: Some(op.end), is_write: false, value });
            }
        }
    }
    keys
}

fn line(action: &Action) -> String {
    let verb = if action.is_write { "write" } else { "read" };
    let end = action.end.map_or("?".to_owned(), |end| end.to_string());
    format!("{verb} {:?} {}..{end}", action.value, action.start)
}
