//! Deletes by key and by resolved filter.

use super::{Applied, Effect, Outcome, ShardState};
use vecraft_types::{KeyIndex, PartitionId, PrimaryKey, RowRef};

impl ShardState {
    pub(super) fn delete_keys(
        &mut self,
        partition: Option<PartitionId>,
        keys: &[PrimaryKey],
        applied: Applied,
        index: &mut dyn KeyIndex,
    ) -> Outcome {
        let mut dead = Vec::new();
        for key in keys {
            remove_if(index, key, &mut dead, |row| {
                partition.is_none_or(|wanted| self.partition_of(row.segment) == Some(wanted))
            });
        }
        self.deleted(dead, 0, applied)
    }

    pub(super) fn delete_versions(
        &mut self,
        rows: &[(PrimaryKey, RowRef)],
        applied: Applied,
        index: &mut dyn KeyIndex,
    ) -> Outcome {
        let mut dead = Vec::new();
        let mut conflicts = 0;
        for (key, seen) in rows {
            // I12: a row that was replaced since the leader looked stays, and the leader looks again.
            if index.remove_row(key, seen) {
                dead.push(*seen);
            } else {
                conflicts += 1;
            }
        }
        self.deleted(dead, conflicts, applied)
    }

    fn deleted(&self, dead: Vec<RowRef>, conflicts: u64, applied: Applied) -> Outcome {
        let reply = Ok(Applied { deleted: dead.len() as u64, conflicts, ..applied });
        let effects =
            if dead.is_empty() { Vec::new() } else { vec![Effect::Delete { shard: self.id, rows: dead }] };
        Outcome { reply, effects }
    }
}

/// Moves the key's rows that match into `dead`.
fn remove_if(
    index: &mut dyn KeyIndex,
    key: &PrimaryKey,
    dead: &mut Vec<RowRef>,
    matches: impl Fn(&RowRef) -> bool,
) {
    if !index.rows(key).iter().any(&matches) {
        return;
    }
    for row in index.remove(key) {
        if matches(&row) {
            dead.push(row);
        } else {
            index.add(key.clone(), row);
        }
    }
}
