//! Planted scans: a checker that overlooks one of them is of no use.

use crate::Trouble;
use crate::checker::{Findings, check};
use crate::ledger::{Ledger, Seen};
use crate::row::{Row, key};

/// Reads one kind's count.
type Count = fn(&Findings) -> u64;

/// One writer: key 0 inserted, key 1 updated, key 2 deleted, keys 3 and 4 in one write of unknown outcome.
fn ledgers() -> Vec<Ledger> {
    let mut ledger = Ledger::default();
    let mut write = |changes: &[(usize, Seen)], is_acked: bool| {
        let changes: Vec<_> = changes.iter().map(|(n, after)| (key(0, *n), *after)).collect();
        let write = ledger.begin(&changes);
        if is_acked { ledger.acked(write) } else { ledger.unknown(write) }
    };
    write(&[(0, Seen::Version(1)), (1, Seen::Version(2)), (2, Seen::Version(3))], true);
    write(&[(1, Seen::Version(4))], true);
    write(&[(2, Seen::Absent)], true);
    write(&[(3, Seen::Version(5)), (4, Seen::Version(6))], false);
    vec![ledger]
}

fn rows(rows: &[(usize, i64)]) -> Vec<Row> {
    rows.iter().map(|(n, version)| Row::of(key(0, *n), *version)).collect()
}

/// The planted scans, each with the kind that must be found (exactly once, and nothing else).
fn plants() -> Vec<(&'static str, Vec<Row>, Count)> {
    let mut torn = rows(&[(0, 1), (1, 4)]);
    torn[1].vector[3] = Row::of(key(0, 1), 2).vector[3];
    vec![
        ("a lost row", rows(&[(1, 4)]), |f| f.lost),
        ("a lost update", rows(&[(0, 1), (1, 2)]), |f| f.lost),
        ("a resurrected row", rows(&[(0, 1), (1, 4), (2, 3)]), |f| f.resurrected),
        ("a torn row", torn, |f| f.torn),
        ("half a write", rows(&[(0, 1), (1, 4), (3, 5)]), |f| f.torn),
        ("two rows of a key", rows(&[(0, 1), (1, 4), (1, 4)]), |f| f.duplicates),
        ("a row nobody wrote", rows(&[(0, 1), (1, 4), (9, 7)]), |f| f.phantom),
        ("a version nobody wrote", rows(&[(0, 1), (1, 8)]), |f| f.phantom),
    ]
}

/// Runs the checker on planted scans and on good ones.
///
/// # Errors
/// The first plant it overlooked, or a fault it found where there is none.
pub fn run() -> Result<usize, Trouble> {
    let ledgers = ledgers();
    for good in [rows(&[(0, 1), (1, 4)]), rows(&[(0, 1), (1, 4), (3, 5), (4, 6)])] {
        let findings = check(&good, &ledgers);
        if !findings.is_clean() {
            return Err(format!("the checker objects to a good scan: {findings:?}"));
        }
    }
    let plants = plants();
    for (name, scan, count) in &plants {
        let findings = check(scan, &ledgers);
        if count(&findings) != 1 || findings.total() != 1 {
            return Err(format!("the checker did not report {name}, but {findings:?}"));
        }
    }
    Ok(plants.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_planted_fault_is_reported() {
        assert_eq!(run().unwrap(), 8);
    }

    #[test]
    fn an_open_write_may_end_either_way_but_not_change_afterwards() {
        let mut ledgers = ledgers();
        let there = rows(&[(0, 1), (1, 4), (3, 5), (4, 6)]);
        let gone = rows(&[(0, 1), (1, 4)]);
        assert!(check(&there, &ledgers).is_clean() && check(&gone, &ledgers).is_clean());
        assert_eq!(ledgers[0].rows_allowed(), (2, 4));
        let seen: BTreeMap<_, _> = there.iter().map(|row| (row.id, Seen::Version(row.version))).collect();
        ledgers[0].settle(&seen);
        assert_eq!(ledgers[0].rows_allowed(), (4, 4));
        assert!(check(&there, &ledgers).is_clean());
        assert_eq!(check(&gone, &ledgers).lost, 2);
    }

    #[test]
    fn a_rows_values_follow_from_key_and_version() {
        let row = Row::of(key(3, 7), 42);
        assert!(row.is_whole() && row.owner == 3);
        for wrong in
            [Row { version: 43, ..row.clone() }, Row { owner: 1, ..row.clone() }, Row { id: 1, ..row }]
        {
            assert!(!wrong.is_whole());
        }
    }
}
