//! From many groups to one file: taking records in, and when the writer works. What it does then is in [`pump`].
//!
//! Per group the order is that of the calls, votes included. One batch takes the whole queue, and the queue is bounded, so a
//! vote waits behind at most one batch under way and one of [`crate::LogOptions::queue_bytes`] (I7).

mod pump;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, Semaphore};

use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::options::{LogOptions, WriterMode};
use crate::queue::{Batch, Item, Queue};
use crate::record::{EntryId, GroupKey, Record};
use crate::wal::{LogFiles, WriteAheadLog};

/// Waiting between attempts on a full disk: doubled from the first to the second.
const FULL_WAIT: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

struct Pen {
    wal: WriteAheadLog,
    /// A batch the full disk refused, to be written again as it is.
    held: Option<Batch>,
}

/// What the writer, the groups and the node share.
pub(crate) struct Shared {
    pub options: LogOptions,
    pub files: LogFiles,
    pub queue: Mutex<Queue>,
    pub room: Semaphore,
    wake: Condvar,
    /// As `wake`, for [`WriterMode::Called`].
    pub roused: Notify,
    /// Told when nothing came for [`LogOptions::mark_after`], with [`WriterMode::Thread`].
    pub rested: Notify,
    pen: Mutex<Pen>,
    pub stalled: AtomicBool,
    pub batches: AtomicU64,
    pub last_batch_micros: AtomicU64,
    /// When the batch under way began, by the given clock; 0 when none is.
    batch_since_micros: AtomicU64,
    counters: [AtomicU64; 3],
}

enum Pumped {
    Empty,
    Full,
}

impl Shared {
    pub(crate) fn new(wal: WriteAheadLog, options: LogOptions, memory: Memory) -> Arc<Self> {
        Arc::new(Self {
            files: wal.files(),
            room: Semaphore::new(options.queue_bytes),
            options,
            queue: Mutex::new(Queue { memory, ..Queue::default() }),
            wake: Condvar::new(),
            roused: Notify::new(),
            rested: Notify::new(),
            pen: Mutex::new(Pen { wal, held: None }),
            stalled: AtomicBool::new(false),
            batches: AtomicU64::new(0),
            last_batch_micros: AtomicU64::new(0),
            batch_since_micros: AtomicU64::new(0),
            counters: Default::default(),
        })
    }

    /// Takes records in: readable at once, durable when `done` is called. Without `done` they wait for company, at most
    /// [`LogOptions::mark_after`].
    pub(crate) fn submit(&self, item: Item) -> Result<()> {
        let lazy = item.done.is_none();
        {
            let mut queue = self.queue.lock();
            let taken = queue.refuse().and_then(|()| queue.memory.check(item.key, &item.records));
            if let Err(error) = taken {
                self.room.add_permits(item.permits as usize);
                return Err(error);
            }
            for record in &item.records {
                queue.memory.apply(item.key, record)?;
            }
            queue.items.push_back(item);
            queue.urgent |= !lazy;
        }
        self.rouse(lazy);
        Ok(())
    }

    /// Notes a commit point, to be written with whatever comes next.
    pub(crate) fn note_committed(&self, key: GroupKey, id: Option<EntryId>) -> Result<()> {
        {
            let mut queue = self.queue.lock();
            queue.refuse()?;
            queue.memory.apply(key, &Record::Committed(id))?;
            let Some(id) = id else { return Ok(()) };
            let first = queue.committed.insert(key, id).is_none();
            if !first {
                return Ok(());
            }
        }
        self.rouse(true);
        Ok(())
    }

    fn rouse(&self, lazy: bool) {
        match self.options.writer {
            WriterMode::Thread => {
                self.wake.notify_one();
            }
            WriterMode::Inline | WriterMode::Called if lazy => {}
            WriterMode::Called => self.roused.notify_one(),
            WriterMode::Inline => self.pump_until_full(),
        }
    }

    /// Writes what is queued, in the calling thread, lazy records and the mark included. For [`WriterMode::Inline`]: the
    /// simulation calls it where the writer's thread would wake up by itself.
    pub(crate) fn tick(&self) {
        self.queue.lock().urgent = true;
        self.pump_until_full();
        let mut pen = self.pen.lock();
        if pen.held.is_none() && !self.is_poisoned() && self.queue.lock().items.is_empty() {
            self.mark(&mut pen);
        }
    }

    /// Writes what somebody waits for, in the calling thread.
    pub(crate) fn pump_until_full(&self) {
        let _ = self.pump(&mut self.pen.lock());
    }

    fn is_poisoned(&self) -> bool {
        self.queue.lock().failed.is_some()
    }

    /// The writer's thread: until closed and empty. A panic, which would be a bug, ends the log as a failed sync does.
    pub(crate) fn run(&self) {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.write_until_closed())).is_err() {
            let reason = "the log's writer panicked".to_owned();
            self.fail(&mut self.pen.lock(), &Error::Poisoned { reason });
        }
    }

    fn write_until_closed(&self) {
        let mut wait = FULL_WAIT.0;
        loop {
            let pumped = self.pump(&mut self.pen.lock());
            if let Pumped::Full = pumped {
                let mut queue = self.queue.lock();
                if !queue.closing {
                    self.wake.wait_for(&mut queue, wait);
                    wait = (wait * 2).min(FULL_WAIT.1);
                }
                let closing = queue.closing;
                drop(queue);
                if closing {
                    self.fail(&mut self.pen.lock(), &Error::Closed);
                    return;
                }
                continue;
            }
            wait = FULL_WAIT.0;
            if self.sleep() {
                return;
            }
        }
    }

    /// Waits for work; writes lazy records and the mark when nothing else came for a while. True when closed.
    fn sleep(&self) -> bool {
        let marked = self.pen.lock().wal.is_marked();
        let mut queue = self.queue.lock();
        let waiting = !queue.items.is_empty() || !queue.committed.is_empty();
        if queue.urgent || waiting && queue.closing {
            return false;
        }
        if queue.closing {
            return true;
        }
        let lazy = !marked || waiting;
        if queue.failed.is_some() || !lazy {
            self.wake.wait(&mut queue);
            return false;
        }
        // Anything may wake us early, so this is "at least once in `mark_after` of silence", which is what I6 asks.
        let silent = self.wake.wait_for(&mut queue, self.options.mark_after).timed_out();
        if silent && !queue.urgent {
            if queue.items.is_empty() && queue.committed.is_empty() {
                queue.memory.rest(&self.files);
                drop(queue);
                self.mark(&mut self.pen.lock());
                self.rested.notify_one();
            } else {
                queue.urgent = true;
            }
        }
        false
    }

    /// Asks the thread to write what is queued and to end.
    pub(crate) fn close(&self) {
        self.queue.lock().closing = true;
        self.room.close();
        self.wake.notify_one();
    }

    /// How long the batch under way has taken so far.
    pub(crate) fn batch_under_way(&self) -> Duration {
        match (self.batch_since_micros.load(Ordering::Relaxed), &self.options.now) {
            (since, Some(now)) if since > 0 => now().saturating_sub(Duration::from_micros(since)),
            _ => Duration::ZERO,
        }
    }

    /// Syncs, bytes written, reserve files left.
    pub(crate) fn counters(&self) -> [u64; 3] {
        [0, 1, 2].map(|at| self.counters[at].load(Ordering::Relaxed))
    }
}
