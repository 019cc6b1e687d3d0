//! Readers: one per node and level, each asks for the keys of recent writes, all of a write in one query.

use super::board::{SHARED, collection_of};
use super::history::{Got, Level, Micros, Op, Outcome, What};
use super::writers::Desk;
use crate::row::Row;
use crate::scan;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::Duration;
use vecraft_client::types::api::Consistency;
use vecraft_client::types::{Result, Timestamp};

/// The pause after an error.
const PAUSE: Duration = Duration::from_millis(50);
/// Part of the reads at Strong that look at shared keys.
const SHARED_READS: f64 = 0.5;

/// Reads until the board says that it is over.
pub async fn read(desk: Desk, level: Level, seed: u64) {
    let mut random =
        StdRng::seed_from_u64(seed ^ (desk.worker as u64 + 99).wrapping_mul(0xbf58_476d_1ce4_e5b9));
    while !desk.board.is_over() {
        let is_shared = level == Level::Strong && random.random_bool(SHARED_READS);
        let pick = random.random_range(0..usize::MAX);
        let asked = match is_shared {
            true => Some((SHARED, vec![desk.board.shared(pick)])),
            false => desk.board.recent(pick),
        };
        let is_ok = match asked {
            Some((owner, keys)) => desk.read(level, owner, keys).await,
            None => true,
        };
        tokio::time::sleep(if is_ok { desk.pace } else { PAUSE }).await;
    }
}

impl Desk {
    async fn read(&self, level: Level, owner: i64, keys: Vec<i64>) -> bool {
        // The moment is taken before the session's time, which then covers all that was acknowledged by then.
        let session_at = self.recorder.now();
        let session = self.session(owner);
        let start = self.recorder.now();
        let rows = self.query(&collection_of(owner), &keys, consistency(level, session)).await;
        let end = self.recorder.now();
        let outcome = match &rows {
            Ok(_) => Outcome::Ok,
            Err(error) => {
                self.recorder.error(level.name(), error);
                Outcome::Refused(error.code.number())
            }
        };
        let rows = rows.unwrap_or_default().iter().map(got).collect();
        let what = What::Read { level, session_at, keys, rows, is_final: false };
        self.recorder.add(Op { worker: self.worker, door: self.door, start, end, what, outcome });
        outcome == Outcome::Ok
    }

    /// The time of a writer's session; shared keys have none.
    fn session(&self, owner: i64) -> Timestamp {
        let session = usize::try_from(owner).ok().and_then(|at| self.board.sessions.get(at));
        session.map_or(Timestamp(0), |client| client.session_timestamp())
    }

    async fn query(&self, collection: &str, keys: &[i64], consistency: Consistency) -> Result<Vec<Row>> {
        let collection = self.client.collection(collection);
        // A limit above the keys, so that a key that is there twice shows.
        let query = collection.query(&format!("id in {keys:?}")).output(["*"]).limit(2 * keys.len());
        Ok(scan::rows(&query.consistency(consistency).rows().await?.rows))
    }
}

/// What the API calls a level.
pub fn consistency(level: Level, session: Timestamp) -> Consistency {
    match level {
        Level::Strong => Consistency::Strong,
        Level::Session => Consistency::Session(session),
        Level::Bounded(ms) => Consistency::Bounded(ms, Timestamp(0)),
        Level::Eventually => Consistency::Eventually,
    }
}

/// What the history keeps of a row.
pub fn got(row: &Row) -> Got {
    Got { id: row.id, version: row.version, is_whole: row.is_whole() }
}

/// What is read at rest: everything of a collection at one node, all known keys asked for.
pub fn scan_op(door: u64, level: Level, span: (Micros, Micros), keys: Vec<i64>, rows: &[Row]) -> Op {
    let rows = rows.iter().map(got).collect();
    let what = What::Read { level, session_at: span.0, keys, rows, is_final: true };
    Op { worker: usize::MAX, door, start: span.0, end: span.1, what, outcome: Outcome::Ok }
}
