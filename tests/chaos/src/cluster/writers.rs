//! Writers: inserts, upserts and deletes of own keys, and of keys shared by several.
//!
//! Half of the writers use the client library as a program does: all addresses, retries under one name (I10). The
//! others talk to one node and take its first answer, so that retries hide nothing.

use super::board::{Board, collection_of};
use super::history::{Op, Outcome, Recorder, What};
use crate::ledger::Seen;
use crate::row::{DIM, Row, key, owner};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use vecraft_client::types::api::MutationReply;
use vecraft_client::types::{PrimaryKey, Result};
use vecraft_client::{Client, Rows};

/// Keys a writer uses before it begins again with the first that it may still touch.
const KEYS_MAX: usize = 3_000;
/// Rows of one write at most.
const BATCH_MAX: usize = 6;
/// The pause after a refusal.
const PAUSE: Duration = Duration::from_millis(25);

/// What all workers need.
#[derive(Clone)]
pub struct Desk {
    /// Where the history is written.
    pub recorder: Recorder,
    /// What others did.
    pub board: Arc<Board>,
    /// Who this is.
    pub worker: usize,
    /// The node asked; 0: any.
    pub door: u64,
    /// Its way to the cluster.
    pub client: Client,
    /// The pause between two operations.
    pub pace: Duration,
}

/// How a writer thinks of a key of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Own {
    Live,
    Dead,
    /// A write of unknown outcome: never touched again.
    Retired,
}

/// Writes own keys until the board says that it is over.
pub async fn own(desk: Desk, seed: u64) {
    let mut random =
        StdRng::seed_from_u64(seed ^ (desk.worker as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut keys: BTreeMap<i64, Own> = BTreeMap::new();
    while !desk.board.is_over() {
        let verb = Verb::draw(&mut random);
        let ids = choose(&keys, desk.worker, verb, &mut random);
        if ids.is_empty() {
            continue;
        }
        let outcome = desk.write(verb, &ids).await;
        for id in ids {
            match outcome {
                Outcome::Ok => _ = keys.insert(id, if verb.is_delete() { Own::Dead } else { Own::Live }),
                Outcome::Unknown(_) => _ = keys.insert(id, Own::Retired),
                Outcome::Refused(_) => {}
            }
        }
        tokio::time::sleep(if outcome == Outcome::Ok { desk.pace } else { PAUSE }).await;
    }
}

/// Writes shared keys, one at a time.
pub async fn shared(desk: Desk, seed: u64) {
    let mut random = StdRng::seed_from_u64(!seed ^ (desk.worker as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    while !desk.board.is_over() {
        let id = desk.board.shared(random.random_range(0..usize::MAX));
        let outcome = desk.write(Verb::draw(&mut random), &[id]).await;
        if !matches!(outcome, Outcome::Refused(_)) {
            desk.board.wrote_shared(id, matches!(outcome, Outcome::Unknown(_)));
        }
        tokio::time::sleep(if outcome == Outcome::Ok { desk.pace } else { PAUSE }).await;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Insert,
    Upsert,
    Delete,
    DeleteWhere,
}

impl Verb {
    fn draw(random: &mut StdRng) -> Verb {
        match random.random_range(0..100) {
            0..40 => Verb::Insert,
            40..70 => Verb::Upsert,
            70..84 => Verb::Delete,
            _ => Verb::DeleteWhere,
        }
    }

    fn is_delete(self) -> bool {
        matches!(self, Verb::Delete | Verb::DeleteWhere)
    }
}

/// Own keys that fit: dead or new ones for an insert, live ones for a delete, either for an upsert.
fn choose(keys: &BTreeMap<i64, Own>, worker: usize, verb: Verb, random: &mut StdRng) -> Vec<i64> {
    let count = random.random_range(1..=BATCH_MAX);
    let first = random.random_range(0..KEYS_MAX);
    // Neighbours are written together again and again, so that half a write shows.
    let candidates = (0..8 * BATCH_MAX).map(|n| key(worker, (first / BATCH_MAX * BATCH_MAX + n) % KEYS_MAX));
    let fits = |id: &i64| match keys.get(id).copied().unwrap_or(Own::Dead) {
        Own::Retired => false,
        Own::Live => verb != Verb::Insert,
        Own::Dead => !verb.is_delete(),
    };
    candidates.filter(fits).take(count).collect()
}

impl Desk {
    /// Sends a write and writes down how it ended.
    async fn write(&self, verb: Verb, ids: &[i64]) -> Outcome {
        let rows: Vec<Row> = ids.iter().map(|id| Row::of(*id, self.board.version())).collect();
        let after = |row: &Row| if verb.is_delete() { Seen::Absent } else { Seen::Version(row.version) };
        let changes = rows.iter().map(|row| (row.id, after(row))).collect();
        self.board.wrote(ids.to_vec());
        let start = self.recorder.now();
        let answer = self.send(verb, ids, &rows).await;
        let outcome = match &answer {
            Ok(_) => Outcome::Ok,
            Err(error) => {
                self.recorder.error("write", error);
                Outcome::of_write(error)
            }
        };
        let end = self.recorder.now();
        let (worker, door) = (self.worker, self.door);
        self.recorder.add(Op { worker, door, start, end, what: What::Write { changes }, outcome });
        outcome
    }

    async fn send(&self, verb: Verb, ids: &[i64], rows: &[Row]) -> Result<MutationReply> {
        let collection = self.client.collection(collection_of(owner(ids[0])));
        match verb {
            Verb::Insert => collection.insert(columns(rows)).await,
            Verb::Upsert => collection.upsert(columns(rows)).await,
            Verb::Delete => collection.delete(ids.iter().copied().map(PrimaryKey::Int64)).await,
            // By the keys alone it would be a delete by key: the leader would have nothing to look up.
            Verb::DeleteWhere => collection.delete_where(&format!("id in {ids:?} and version >= 0")).await,
        }
    }
}

/// Rows as a request wants them.
pub fn columns(rows: &[Row]) -> Rows {
    Rows::new()
        .int64("id", rows.iter().map(|row| row.id))
        .int64("owner", rows.iter().map(|row| row.owner))
        .int64("version", rows.iter().map(|row| row.version))
        .varchar("note", rows.iter().map(|row| &row.note))
        .vectors("vector", DIM as u32, rows.iter().flat_map(|row| row.vector.clone()).collect())
}
