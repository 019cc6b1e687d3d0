//! Deletes by key and by filter.

use super::{COLLECTION, text_of, unexpected};
use crate::life::Life;
use crate::make;
use crate::twin::Selection;
use crate::{Step, broken, filter};
use vecraft_types::PrimaryKey;
use vecraft_types::api::{DeleteRequest, DeleteRows};

impl Life {
    pub(crate) fn delete_by_key(&mut self) -> Step {
        let keys = self.draw_keys(6);
        let partition = self.draw_partition();
        self.note(format!("delete {} keys of {partition:?}: {}", keys.len(), shown(&keys)));
        let deleted = self.send_delete(partition.clone(), DeleteRows::Keys(keys.clone()))?;
        let wanted = self.twin.delete_keys(&keys, partition.as_deref());
        same(deleted, wanted)
    }

    pub(crate) fn delete_by_filter(&mut self) -> Step {
        let partition = self.draw_partition();
        let filter = filter::draw(&mut self.rng, &self.twin.shape);
        let mut selection =
            Selection { partitions: partition.iter().cloned().collect(), filter: Some(filter) };
        // Mostly a few rows, or nothing would be left to look at.
        if self.twin.matching(&selection).len() * 3 > self.twin.len() && self.rng.chance(85) {
            selection.filter = Some(filter::by_keys(&self.draw_keys(4)));
        }
        let text = text_of(&selection);
        self.note(format!("delete of {partition:?} where {text}"));
        let deleted = self.send_delete(partition, DeleteRows::Filter(text))?;
        let wanted = self.twin.delete(&selection);
        same(deleted, wanted)
    }

    fn send_delete(&mut self, partition: Option<String>, rows: DeleteRows) -> Step<u64> {
        let request = DeleteRequest { collection: COLLECTION.to_owned(), partition, rows, request: None };
        let reply = self.node.ask("the delete", |db, call| async move { db.delete(call, request).await })?;
        let reply = reply.map_err(unexpected("the delete"))?;
        self.last = self.last.max(reply.timestamp);
        Ok(reply.deleted)
    }

    fn draw_partition(&mut self) -> Option<String> {
        if self.rng.chance(75) { None } else { self.rng.pick(&self.twin.partitions).cloned() }
    }

    /// One to `most` different keys, most of them known.
    pub(super) fn draw_keys(&mut self, most: u64) -> Vec<PrimaryKey> {
        let known: Vec<PrimaryKey> = self.twin.rows.keys().cloned().collect();
        let mut keys = Vec::new();
        for _ in 0..self.rng.between(1, most) {
            let key = match self.rng.pick(&known) {
                Some(key) if self.rng.chance(80) => key.clone(),
                _ => make::key(&mut self.rng, &self.twin.shape),
            };
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }
}

fn same(deleted: u64, wanted: u64) -> Step {
    if deleted == wanted { Ok(()) } else { broken(format!("{deleted} rows deleted, {wanted} are right")) }
}

fn shown(keys: &[PrimaryKey]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
