//! The store's twin in memory: same contract, and power cuts on request.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{KeyRange, Kv, KvOp, Table, Visit, WriteBatch};
use crate::rng::SplitMix;
use crate::{Error, Result};

type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// A store in memory; clones are the same store. A real implementation too: quick tests use it in place of rocksdb.
#[derive(Debug, Clone)]
pub struct SimKv {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    rng: SplitMix,
    now: Rows,
    durable: Rows,
    /// Batches since the last synced one, oldest first.
    pending: Vec<WriteBatch>,
    failing_writes: u32,
    sync_is_a_lie: bool,
}

impl SimKv {
    /// An empty store whose crashes follow `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                rng: SplitMix::new(seed),
                now: Rows::new(),
                durable: Rows::new(),
                pending: Vec::new(),
                failing_writes: 0,
                sync_is_a_lie: false,
            })),
        }
    }

    /// Cuts the power: a random number of the newest unsynced batches is gone.
    pub fn crash(&self) {
        let mut state = self.state.lock();
        let state = &mut *state;
        let kept = state.rng.below(state.pending.len() as u64 + 1) as usize;
        for batch in std::mem::take(&mut state.pending).iter().take(kept) {
            apply(&mut state.durable, batch);
        }
        state.now = state.durable.clone();
        state.failing_writes = 0;
    }

    /// The next `count` writes fail and change nothing.
    pub fn fail_writes(&self, count: u32) {
        self.state.lock().failing_writes = count;
    }

    /// A planted bug for the simulation to find: synced writes answer `Ok` and stay volatile.
    pub fn set_sync_is_a_lie(&self, lie: bool) {
        self.state.lock().sync_is_a_lie = lie;
    }
}

fn apply(rows: &mut Rows, batch: &WriteBatch) {
    for op in &batch.ops {
        match op {
            KvOp::Put { table, key, value } => {
                rows.insert((*table, key.clone()), value.clone());
            }
            KvOp::Delete { table, key } => {
                rows.remove(&(*table, key.clone()));
            }
            KvOp::DeleteRange { table, range } => {
                let doomed: Vec<_> = in_range(rows, *table, range).map(|(key, _)| key.clone()).collect();
                for key in doomed {
                    rows.remove(&key);
                }
            }
        }
    }
}

fn in_range<'a>(
    rows: &'a Rows,
    table: Table,
    range: &'a KeyRange,
) -> impl Iterator<Item = (&'a (Table, Vec<u8>), &'a Vec<u8>)> {
    rows.range((Bound::Included((table, range.start.clone())), Bound::Unbounded))
        .take_while(move |((at, key), _)| *at == table && range.end.as_ref().is_none_or(|end| key < end))
}

impl Kv for SimKv {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.state.lock().now.get(&(table, key.to_vec())).cloned())
    }

    fn visit(&self, table: Table, range: &KeyRange, visit: &mut Visit<'_>) -> Result<()> {
        let rows: Vec<_> = {
            let state = self.state.lock();
            in_range(&state.now, table, range).map(|((_, key), value)| (key.clone(), value.clone())).collect()
        };
        for (key, value) in rows {
            if let ControlFlow::Break(()) = visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, batch: &WriteBatch, sync: bool) -> Result<()> {
        let mut state = self.state.lock();
        let state = &mut *state;
        if state.failing_writes > 0 {
            state.failing_writes -= 1;
            return Err(Error::Kv { op: "write", what: "injected".to_owned() });
        }
        apply(&mut state.now, batch);
        state.pending.push(batch.clone());
        if sync && !state.sync_is_a_lie {
            for batch in std::mem::take(&mut state.pending) {
                apply(&mut state.durable, &batch);
            }
        }
        Ok(())
    }
}
