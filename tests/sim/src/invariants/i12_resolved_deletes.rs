//! I12, resolved deletes: exactly the rows that are still where they were named go; changed ones stay and are counted.

use super::{Check, ensure};
use crate::twin::TwinRow;
use vecraft_state::shard::{ShardCommand, ShardEntry, ShardReply};

const NAME: &str = "I12";

/// Looks at the rows before and after a resolved delete that was not a retry.
pub fn check(entry: &ShardEntry, reply: &ShardReply, before: &[TwinRow], after: &[TwinRow]) -> Check {
    let (ShardCommand::DeleteVersions { rows, .. }, Ok(applied)) = (&entry.command, reply) else {
        return Ok(());
    };
    let is_named = |row: &TwinRow| rows.iter().any(|(key, place)| row.row.key == *key && row.place == *place);
    let expected: Vec<&TwinRow> = before.iter().filter(|row| !is_named(row)).collect();
    let is_exact = expected.len() == after.len() && expected.iter().zip(after).all(|(a, b)| *a == b);
    ensure(is_exact, NAME, || format!("{} rows are left, {} expected", after.len(), expected.len()))?;
    let gone = (before.len() - after.len()) as u64;
    ensure(applied.deleted == gone, NAME, || format!("{} counted, {gone} rows are gone", applied.deleted))?;
    // A pair that names nothing any more is a conflict; of twice the same pair the second is one, too.
    let mut named: Vec<_> =
        rows.iter().filter(|(key, at)| before.iter().any(|r| r.row.key == *key && r.place == *at)).collect();
    named.sort();
    named.dedup();
    let conflicts = (rows.len() - named.len()) as u64;
    ensure(applied.conflicts == conflicts, NAME, || {
        format!("{} conflicts counted, {conflicts} expected", applied.conflicts)
    })
}
