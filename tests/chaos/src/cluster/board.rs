//! What workers know of one another: which keys were written last, and by whom.

use crate::row::{COLLECTION, owner};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use vecraft_client::Client;

/// Owner of the keys that several writers share.
pub const SHARED: i64 = 1_000;
/// Collections; each has one shard, so that a write of several rows is one entry (I20).
pub const COLLECTIONS: i64 = 2;
/// Recent writes remembered of each writer.
const RECENT: usize = 32;

/// See the [module](self).
pub struct Board {
    /// The client of each writer, by its number: sessions are theirs.
    pub sessions: Vec<Client>,
    recent: Mutex<VecDeque<Vec<i64>>>,
    shared: Mutex<Vec<SharedKey>>,
    next_version: AtomicI64,
    next_shared: AtomicI64,
    is_over: AtomicBool,
}

/// A key that several writers use until its history is long enough.
#[derive(Clone, Copy, Debug)]
struct SharedKey {
    id: i64,
    writes_left: u32,
    unknowns_left: u32,
}

/// The collection of an owner's keys.
pub fn collection_of(owner: i64) -> String {
    format!("{COLLECTION}_{}", owner % COLLECTIONS)
}

/// All collections.
pub fn collections() -> Vec<String> {
    (0..COLLECTIONS).map(collection_of).collect()
}

impl Board {
    /// An empty board; `sessions` are the writers' clients.
    pub fn new(sessions: Vec<Client>) -> Board {
        let board = Board {
            sessions,
            recent: Mutex::default(),
            shared: Mutex::default(),
            next_version: AtomicI64::new(1),
            next_shared: AtomicI64::new(0),
            is_over: AtomicBool::new(false),
        };
        let keys: Vec<SharedKey> = (0..SHARED_KEYS).map(|_| board.fresh()).collect();
        *board.shared.lock().unwrap_or_else(PoisonError::into_inner) = keys;
        board
    }

    /// Whether workers shall end.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Tells workers to end.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// A version that nobody else has.
    pub fn version(&self) -> i64 {
        self.next_version.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes the keys of a write.
    pub fn wrote(&self, keys: Vec<i64>) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.push_back(keys);
        if recent.len() > RECENT * self.sessions.len().max(1) {
            recent.pop_front();
        }
    }

    /// The keys of a recent write.
    pub fn recent(&self, pick: usize) -> Option<(i64, Vec<i64>)> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = recent.get(pick % recent.len().max(1))?;
        keys.first().map(|id| (owner(*id), keys.clone()))
    }

    /// A shared key.
    pub fn shared(&self, pick: usize) -> i64 {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared[pick % shared.len()].id
    }

    /// Notes a write of a shared key; after so many, or so many of unknown outcome, another takes its place.
    pub fn wrote_shared(&self, id: i64, is_unknown: bool) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(key) = shared.iter_mut().find(|key| key.id == id) else { return };
        key.writes_left = key.writes_left.saturating_sub(1);
        key.unknowns_left = key.unknowns_left.saturating_sub(u32::from(is_unknown));
        if key.writes_left == 0 || key.unknowns_left == 0 {
            *key = self.fresh();
        }
    }

    /// Number of shared keys made so far.
    pub fn shared_made(&self) -> i64 {
        self.next_shared.load(Ordering::Relaxed)
    }

    fn fresh(&self) -> SharedKey {
        let number = self.next_shared.fetch_add(1, Ordering::Relaxed);
        let id = crate::row::key(SHARED as usize, number as usize);
        SharedKey { id, writes_left: SHARED_WRITES, unknowns_left: SHARED_UNKNOWNS }
    }
}

/// Shared keys at once, writes of each, and writes of unknown outcome of each: the search through a key's history stays
/// small.
const SHARED_KEYS: usize = 4;
const SHARED_WRITES: u32 = 40;
const SHARED_UNKNOWNS: u32 = 3;
