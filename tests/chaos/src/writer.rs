//! One writer: inserts, upserts, deletes and reads of its own keys, until the server is gone.

use crate::checker::{Findings, check_key};
use crate::ledger::{Ledger, Seen};
use crate::row::{COLLECTION, DIM, Row, key};
use crate::scan;
use rand::rngs::StdRng;
use rand::seq::index::sample;
use rand::{Rng, SeedableRng};
use vecraft_client::types::{Code, Error, PrimaryKey};
use vecraft_client::{Client, Collection, Rows};

/// Keys a writer uses at most; deleted ones are used again.
const KEYS_MAX: usize = 1_500;
/// Rows of one write at most.
const BATCH_MAX: usize = 6;

/// A writer and all it remembers. It outlives the servers.
pub struct Writer {
    owner: usize,
    random: StdRng,
    version: i64,
    /// What it did.
    pub ledger: Ledger,
    /// Own reads that showed what must not be.
    pub findings: Findings,
    /// Own reads that were answered.
    pub reads: u64,
}

/// How a life of the writer ended.
pub enum End {
    /// A call failed; the server is probably gone.
    Failed(Error),
    /// The server refused what no server may refuse: the test itself is wrong, or the server is.
    Refused(Error),
}

impl Writer {
    /// A writer that has done nothing; the same seed chooses the same operations.
    pub fn new(owner: usize, seed: u64) -> Writer {
        let random = StdRng::seed_from_u64(seed ^ (owner as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (ledger, findings) = (Ledger::default(), Findings::default());
        Writer { owner, random, version: 0, ledger, findings, reads: 0 }
    }

    /// Works until a call fails.
    pub async fn work(&mut self, client: Client) -> End {
        let chaos = client.collection(COLLECTION);
        loop {
            let done = match self.random.random_range(0..100) {
                0..45 => self.put(&chaos, false).await,
                45..75 => self.put(&chaos, true).await,
                75..93 => self.delete(&chaos).await,
                _ => self.read(&chaos).await,
            };
            match done {
                Ok(()) => {}
                Err(error) if error.is_input_error() || error.code == Code::CollectionNotFound => {
                    return End::Refused(error);
                }
                Err(error) => return End::Failed(error),
            }
        }
    }

    /// Writes new versions: of dead or new keys (insert), or of any (upsert).
    async fn put(&mut self, chaos: &Collection, is_upsert: bool) -> Result<(), Error> {
        let ids = self.choose(is_upsert, true);
        if ids.is_empty() {
            return Ok(());
        }
        let mut changes = Vec::with_capacity(ids.len());
        let mut rows = Vec::with_capacity(ids.len());
        for id in ids {
            self.version += 1;
            changes.push((id, Seen::Version(self.version)));
            rows.push(Row::of(id, self.version));
        }
        let rows = Rows::new()
            .int64("id", rows.iter().map(|row| row.id))
            .int64("owner", rows.iter().map(|row| row.owner))
            .int64("version", rows.iter().map(|row| row.version))
            .varchar("note", rows.iter().map(|row| &row.note))
            .vectors("vector", DIM as u32, rows.iter().flat_map(|row| row.vector.clone()).collect());
        let write = self.ledger.begin(&changes);
        let answer = match is_upsert {
            true => chaos.upsert(rows).await,
            false => chaos.insert(rows).await,
        };
        self.note(write, answer.map(|_| ()))
    }

    /// Deletes live keys, by key or by filter.
    async fn delete(&mut self, chaos: &Collection) -> Result<(), Error> {
        let ids = self.choose(true, false);
        if ids.is_empty() {
            return Ok(());
        }
        let changes: Vec<_> = ids.iter().map(|id| (*id, Seen::Absent)).collect();
        let write = self.ledger.begin(&changes);
        let answer = match self.random.random_bool(0.3) {
            true => chaos.delete_where(&format!("id in {ids:?}")).await,
            false => chaos.delete(ids.into_iter().map(PrimaryKey::Int64)).await,
        };
        self.note(write, answer.map(|_| ()))
    }

    fn note(&mut self, write: u64, answer: Result<(), Error>) -> Result<(), Error> {
        match &answer {
            Ok(()) => self.ledger.acked(write),
            // Whatever the error says, it is taken as "perhaps": the checker then allows both.
            Err(_) => self.ledger.unknown(write),
        }
        answer
    }

    /// Reads an own key: what was acknowledged must be visible at once.
    async fn read(&mut self, chaos: &Collection) -> Result<(), Error> {
        let n = self.random.random_range(0..KEYS_MAX);
        let id = key(self.owner, n);
        let Some(state) = self.ledger.keys.get(&id).filter(|key| key.open.is_none()) else { return Ok(()) };
        let rows = scan::one(chaos, id).await?;
        self.reads += 1;
        if rows.len() > 1 {
            self.findings.duplicates += 1;
        }
        if rows.iter().any(|row| !row.is_whole()) {
            self.findings.torn += 1;
        }
        let seen = rows.first().map_or(Seen::Absent, |row| Seen::Version(row.version));
        check_key(id, state, seen, &mut self.findings);
        Ok(())
    }

    /// A few own keys that may be written: live ones, dead ones (new ones are dead), or both.
    fn choose(&mut self, live: bool, dead: bool) -> Vec<i64> {
        let count = self.random.random_range(1..=BATCH_MAX);
        let owner = self.owner;
        let fits = |id: &i64| match self.ledger.keys.get(id) {
            Some(key) if key.is_retired => false,
            Some(key) if key.is_live() => live,
            _ => dead,
        };
        // More candidates than needed, for not all of them fit; too few only make a smaller write.
        let candidates = sample(&mut self.random, KEYS_MAX, 4 * BATCH_MAX);
        candidates.into_iter().map(|n| key(owner, n)).filter(fits).take(count).collect()
    }
}
