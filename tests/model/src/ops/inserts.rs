//! Inserts and upserts, and the same request sent twice (I10).

use super::{COLLECTION, unexpected};
use crate::cell::{Cell, column};
use crate::life::Life;
use crate::make;
use crate::twin::{Row, Written, completed};
use crate::{Step, broken};
use std::collections::BTreeSet;
use vecraft_types::api::{InsertRequest, MutationReply, NamedRows};
use vecraft_types::{ClientId, Code, PkConflict, PrimaryKey, RequestId};

/// A request and the rows that it means, the keys that the server makes still missing.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub request: InsertRequest,
    pub rows: Vec<Row>,
    pub is_upsert: bool,
}

impl Life {
    pub(crate) fn insert(&mut self) -> Step {
        let is_upsert = self.rng.chance(35);
        let mut draft = self.draft(is_upsert, false)?;
        let is_repeated = self.rng.chance(15);
        if is_repeated {
            draft.request.request = Some(self.request_id());
        }
        self.note(format!("{}{}", note(&draft), if is_repeated { ", sent twice" } else { "" }));
        let answer = self.send(&draft)?;
        if is_repeated {
            let again = self.send(&draft)?;
            if again != answer {
                return broken(format!("I10: sent twice, answered {answer:?} and then {again:?}"));
            }
        }
        let refused = self.refused(&draft);
        match (answer, refused) {
            (Ok(reply), None) => self.written(draft, reply),
            (Err(error), Some(taken)) if error.code == Code::InvalidParameter => self.partly(draft, taken),
            (Err(error), None) => Err(unexpected("the insert")(error)),
            (answer, refused) => broken(format!("expected refusal {refused:?}, the answer is {answer:?}")),
        }
    }

    pub(super) fn send(&self, draft: &Draft) -> Step<vecraft_types::Result<MutationReply>> {
        let (request, is_upsert) = (draft.request.clone(), draft.is_upsert);
        self.node.ask("the insert", |db, call| async move {
            if is_upsert { db.upsert(call, request).await } else { db.insert(call, request).await }
        })
    }

    pub(super) fn request_id(&mut self) -> RequestId {
        self.sequence += 1;
        RequestId { client: ClientId(u128::from(self.seed) << 64 | 77), sequence: self.sequence, part: 0 }
    }

    /// Rows to insert; `must_succeed` leaves out what the rule for keys would refuse.
    pub(super) fn draft(&mut self, is_upsert: bool, must_succeed: bool) -> Step<Draft> {
        let shape = self.twin.shape.clone();
        let makes_keys = shape.has_auto_id() && !is_upsert;
        let mut count = self.rng.between(1, self.plan.rows_max);
        if self.rng.chance(10) {
            count *= 4;
        }
        let mut keys: Vec<Cell> = Vec::new();
        let mut seen = BTreeSet::new();
        for _ in 0..count {
            let key = self.draw_key(is_upsert);
            let is_known = self.twin.rows.contains_key(&key);
            let rejects = !is_upsert && shape.schema.pk_conflict == PkConflict::Reject && !makes_keys;
            let is_refused = rejects && (is_known || seen.contains(&key));
            if !makes_keys && is_refused && (must_succeed || self.rng.chance(97)) {
                continue;
            }
            keys.push(if makes_keys { Cell::Null } else { Cell::of_key(&key) });
            seen.insert(key);
        }
        let partition = self.rng.pick(&self.twin.partitions).cloned().unwrap_or_default();
        let mut given: Vec<Vec<Cell>> = keys.into_iter().map(|key| vec![key]).collect();
        let mut columns = Vec::new();
        for (place, field) in shape.fields().iter().enumerate() {
            let may_lack = field.nullable || field.default_value.is_some() || field.is_dynamic;
            let is_left_out = may_lack && self.rng.chance(8);
            for row in &mut given {
                if place > 0 {
                    let cell =
                        if is_left_out { Cell::Null } else { make::cell(&mut self.rng, &shape, field) };
                    row.push(cell);
                }
            }
            if !(is_left_out || place == 0 && makes_keys) {
                let cells: Vec<&Cell> = given.iter().map(|row| &row[place]).collect();
                columns.push((field.name.clone(), column(field.data_type, &cells)));
            }
        }
        let Some(rows) = NamedRows::new(columns) else {
            return broken("columns of different lengths were drawn");
        };
        let stored = |row: Vec<Cell>| {
            let cells = row.into_iter().zip(shape.fields()).map(|(cell, field)| completed(field, cell));
            Row { partition: partition.clone(), cells: cells.collect() }
        };
        let is_named = partition != self.twin.partitions[0] || self.rng.chance(50);
        let request = InsertRequest {
            collection: COLLECTION.to_owned(),
            partition: is_named.then(|| partition.clone()),
            rows,
            schema_timestamp: None,
            request: None,
        };
        if given.is_empty() {
            // All keys were taken: insert one that is not.
            return self.draft(true, must_succeed);
        }
        Ok(Draft { request, rows: given.into_iter().map(stored).collect(), is_upsert })
    }

    /// A key: known or not. Where the server makes keys, ours must not be in its way.
    fn draw_key(&mut self, is_upsert: bool) -> PrimaryKey {
        if !self.twin.shape.has_auto_id() {
            return make::key(&mut self.rng, &self.twin.shape);
        }
        let known: Vec<PrimaryKey> = self.twin.rows.keys().cloned().collect();
        match self.rng.pick(&known) {
            Some(key) if is_upsert && self.rng.chance(80) => key.clone(),
            _ => make::numbered_key(&self.twin.shape, 3 * self.rng.below(50)),
        }
    }

    /// The keys that make the rule refuse this insert; `None` when it must be taken.
    fn refused(&self, draft: &Draft) -> Option<BTreeSet<PrimaryKey>> {
        let rule = self.twin.shape.schema.pk_conflict;
        if draft.is_upsert || rule != PkConflict::Reject || self.twin.shape.has_auto_id() {
            return None;
        }
        let mut seen = BTreeSet::new();
        let is_taken = |key: &PrimaryKey| !seen.insert(key.clone()) || self.twin.rows.contains_key(key);
        let taken: BTreeSet<PrimaryKey> = draft.rows.iter().map(Row::key).filter(is_taken).collect();
        (!taken.is_empty()).then_some(taken)
    }

    /// A write that was taken: its answer, and what it did.
    pub(super) fn written(&mut self, mut draft: Draft, reply: MutationReply) -> Step {
        let shape = &self.twin.shape;
        if shape.has_auto_id() && !draft.is_upsert {
            let unique: BTreeSet<&PrimaryKey> = reply.keys.iter().collect();
            let is_new = |key: &PrimaryKey| !self.twin.rows.contains_key(key);
            if unique.len() != draft.rows.len() || !reply.keys.iter().all(is_new) {
                return broken(format!("made keys for {} rows: {:?}", draft.rows.len(), reply.keys));
            }
            draft.rows.iter_mut().zip(&reply.keys).for_each(|(row, key)| row.cells[0] = Cell::of_key(key));
        }
        let keys: Vec<PrimaryKey> = draft.rows.iter().map(Row::key).collect();
        let rule = if draft.is_upsert { PkConflict::Replace } else { shape.schema.pk_conflict };
        let wanted = self.twin.add(draft.rows, rule);
        let added = if draft.is_upsert { reply.upserted } else { reply.inserted };
        let found = Written { added, deleted: reply.deleted };
        if reply.keys != keys || found != wanted {
            return broken(format!("the write answers {reply:?}, expected {wanted:?} and the keys {keys:?}"));
        }
        if reply.timestamp <= self.last && !keys.is_empty() && self.plan.groups == 1 {
            return broken(format!("I9: timestamp {} after {}", reply.timestamp, self.last));
        }
        self.last = self.last.max(reply.timestamp);
        Ok(())
    }

    /// An insert that was refused: a shard with none of the taken keys has its rows, the others have none (I20).
    fn partly(&mut self, draft: Draft, taken: BTreeSet<PrimaryKey>) -> Step {
        let keys: BTreeSet<PrimaryKey> = draft.rows.iter().map(Row::key).collect();
        if keys.len() < draft.rows.len() {
            // A key twice in one request: refused before anything was sent.
            return Ok(());
        }
        let shards = self.twin.shape.shards;
        let refusing: BTreeSet<u32> = taken.iter().map(|key| key.shard_index(shards)).collect();
        let mut rows = draft.rows;
        if self.plan.is_whole() {
            rows.retain(|row| !refusing.contains(&row.key().shard_index(shards)));
        } else {
            // Each shard has the head of its pieces: look which, but a key that was taken stays as it was.
            let there = self.keys_there(&keys)?;
            rows.retain(|row| !taken.contains(&row.key()) && there.contains(&row.key()));
        }
        self.twin.add(rows, PkConflict::Reject);
        Ok(())
    }
}

pub(super) fn note(draft: &Draft) -> String {
    let partition = draft.request.partition.as_deref().unwrap_or("-");
    let keys: Vec<String> =
        draft.rows.iter().filter_map(|row| row.cells[0].key()).map(|k| k.to_string()).collect();
    let verb = if draft.is_upsert { "upsert" } else { "insert" };
    format!("{verb} {} rows into {partition}: {}", draft.rows.len(), keys.join(" "))
}
