//! Insert and upsert.

use super::{Applied, Effect, Outcome, Refusal, ShardState};
use std::collections::BTreeSet;
use vecraft_types::{KeyIndex, PartitionId, PkConflict, PrimaryKey, RowBatch, RowRef};

impl ShardState {
    pub(super) fn insert(
        &mut self,
        schema_version: u32,
        partition: PartitionId,
        bytes: &[u8],
        is_upsert: bool,
        applied: Applied,
        index: &mut dyn KeyIndex,
    ) -> Outcome {
        if schema_version != self.schema.version {
            return Outcome::refused(Refusal::SchemaMismatch { current: self.schema.version });
        }
        if self.dropped_partitions.contains(&partition) {
            return Outcome::refused(Refusal::PartitionDropped);
        }
        let (batch, keys) = match self.read_batch(bytes) {
            Ok(read) => read,
            Err(why) => return Outcome::refused(Refusal::Malformed(why)),
        };
        let rule = match (is_upsert, self.schema.pk_conflict) {
            (true, _) => PkConflict::Replace,
            (false, rule) => rule,
        };
        if rule == PkConflict::Reject
            && let Some(key) = first_conflict(&keys, index)
        {
            return Outcome::refused(Refusal::KeyExists(key));
        }

        let full = self.bursting(partition, batch.rows);
        let mut effects = full.map(|id| self.seal(id, applied).effects).unwrap_or_default();
        let (segment, first_row) = self.growing_or_new(partition);
        let mut replaced = Vec::new();
        for (i, key) in keys.into_iter().enumerate() {
            let row = RowRef { segment, row: first_row + i as u32, position: applied.position };
            if rule == PkConflict::Replace {
                // A key that stands twice in the batch: the later row wins, the earlier never becomes visible.
                replaced.extend(index.replace(key, row));
            } else {
                index.add(key, row);
            }
        }
        if let Some(state) = self.segments.get_mut(&segment) {
            state.rows += batch.rows as u32;
            state.bytes += batch.bytes() as u64;
        }
        let reply = Applied { inserted: batch.rows as u64, deleted: replaced.len() as u64, ..applied };
        let append = Effect::Append {
            shard: self.id,
            segment,
            partition,
            first_row,
            batch,
            timestamp: applied.timestamp,
        };
        effects.push(append);
        if !replaced.is_empty() {
            effects.push(Effect::Delete { shard: self.id, rows: replaced });
        }
        Outcome { reply: Ok(reply), effects }
    }

    /// Decodes rows and checks that they have exactly the schema's columns and room in a segment.
    fn read_batch(&self, bytes: &[u8]) -> Result<(RowBatch, Vec<PrimaryKey>), String> {
        let batch = RowBatch::decode(bytes).map_err(|e| e.to_string())?;
        if batch.columns.len() != self.schema.fields.len() {
            let (got, wanted) = (batch.columns.len(), self.schema.fields.len());
            return Err(format!("{got} columns, the schema has {wanted}"));
        }
        for (column, field) in batch.columns.iter().zip(&self.schema.fields) {
            if column.field != field.id || !column.data.is_of(&field.data_type) {
                return Err(format!("column {} is not field {:?}", column.field, field.name));
            }
        }
        let primary = self.schema.primary_field().ok_or("the schema has no primary key")?;
        let column = batch.column(primary.id).ok_or("no primary key column")?;
        let keys = (0..batch.rows)
            .map(|row| column.data.key(row).ok_or("the primary key column holds no keys".to_owned()))
            .collect::<Result<Vec<_>, _>>()?;
        Ok((batch, keys))
    }
}

fn first_conflict(keys: &[PrimaryKey], index: &dyn KeyIndex) -> Option<PrimaryKey> {
    let mut seen = BTreeSet::new();
    keys.iter().find(|key| !seen.insert(*key) || index.newest(key).is_some()).cloned()
}
