//! One batch after another to the disk, and what follows from each: callbacks, a full disk, the end of the log.

use std::sync::atomic::Ordering;

use super::{Pen, Pumped, Shared};
use crate::error::{Error, Result};
use crate::queue::Batch;
use crate::record::{EntryId, GroupKey, Record};

impl Shared {
    pub(super) fn mark(&self, pen: &mut Pen) {
        // A full disk can wait with the mark; a failed one is noticed by the next batch.
        if let Err(error) = pen.wal.mark()
            && !error.is_no_space()
        {
            self.fail(pen, &error);
        }
    }

    /// Writes batches until the queue is empty or the disk is full.
    pub(super) fn pump(&self, pen: &mut Pen) -> Pumped {
        loop {
            let Some(batch) = pen.held.take().or_else(|| self.queue.lock().take_batch()) else {
                return Pumped::Empty;
            };
            let started = self.options.now.as_ref().map(|now| now());
            let since = started.map_or(0, |started| (started.as_micros() as u64).max(1));
            self.batch_since_micros.store(since, Ordering::Relaxed);
            let outcome = pen.wal.commit(&batch.records);
            self.batch_since_micros.store(0, Ordering::Relaxed);
            if let (Some(started), Some(now)) = (started, &self.options.now) {
                let micros = now().saturating_sub(started).as_micros() as u64;
                self.last_batch_micros.store(micros, Ordering::Relaxed);
            }
            let (syncs, bytes, reserves) = pen.wal.counters();
            for (counter, value) in self.counters.iter().zip([syncs, bytes, reserves as u64]) {
                counter.store(value, Ordering::Relaxed);
            }
            match outcome {
                Ok(()) => {
                    if self.stalled.swap(false, Ordering::Relaxed) {
                        tracing::info!("the disk has room again: the log goes on");
                    }
                    self.batches.fetch_add(1, Ordering::Relaxed);
                    self.queue.lock().memory.evict(&self.files, self.options.cache_bytes);
                    self.finish(batch, || Ok(()));
                }
                Err(error) if error.is_no_space() => {
                    if !self.stalled.swap(true, Ordering::Relaxed) {
                        tracing::error!(%error, "the disk is full: the log holds its callbacks (I7)");
                    }
                    pen.held = Some(batch);
                    if !self.purge_first(pen) {
                        return Pumped::Full;
                    }
                }
                Err(error) => {
                    pen.held = Some(batch);
                    self.fail(pen, &error);
                    return Pumped::Empty;
                }
            }
        }
    }

    /// On a full disk, writes the purges that wait behind the held batch: they are what makes room. A purge of entries that are
    /// written already may pass everything else, and writing it again later changes nothing. True when a segment went.
    fn purge_first(&self, pen: &mut Pen) -> bool {
        let purges: Vec<_> = {
            let queue = self.queue.lock();
            let held =
                pen.held.iter().flat_map(|batch| batch.records.iter().map(|(key, record)| (*key, record)));
            let queued =
                queue.items.iter().flat_map(|item| item.records.iter().map(|record| (item.key, record)));
            self.files.with(|written| {
                let passes = |key: GroupKey, id: EntryId| {
                    let state = written.groups.get(&key);
                    state.is_some_and(|state| state.entries.contains_key(&id.index))
                };
                held.chain(queued)
                    .filter_map(|(key, record)| match record {
                        Record::Purge(id) if passes(key, *id) => Some((key, Record::Purge(*id))),
                        _ => None,
                    })
                    .collect()
            })
        };
        let oldest = || self.files.with(|written| written.segments.keys().next().copied());
        let before = oldest();
        !purges.is_empty() && pen.wal.commit(&purges).is_ok() && oldest() > before
    }

    fn finish(&self, batch: Batch, outcome: impl Fn() -> Result<()>) {
        if batch.permits > 0 {
            self.room.add_permits(batch.permits);
        }
        for done in batch.done {
            done(outcome());
        }
    }

    /// Ends the log: everything queued and everything later fails (I7).
    pub(super) fn fail(&self, pen: &mut Pen, error: &Error) {
        let reason = match error {
            Error::Poisoned { reason } => reason.clone(),
            other => other.to_string(),
        };
        let mut held: Vec<Batch> = pen.held.take().into_iter().collect();
        {
            let mut queue = self.queue.lock();
            queue.failed.get_or_insert_with(|| reason.clone());
            queue.urgent = true;
        }
        held.extend(self.queue.lock().take_batch());
        for batch in held {
            self.finish(batch, || Err(Error::Poisoned { reason: reason.clone() }));
        }
        self.queue.lock().urgent = false;
        self.room.close();
    }
}
