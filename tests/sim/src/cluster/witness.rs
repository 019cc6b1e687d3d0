//! A replica's machine with somebody looking over its shoulder.
//!
//! Between openraft's driver and the product's [`DataMachine`]: passes everything on, tells the book what was applied
//! and answered, and is where some bugs are planted.

use super::book::Book;
use super::bug::Bug;
use super::kv::ForgetfulKv;
use crate::power::Fuse;
use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use vecraft_data::{DataMachine, Faults};
use vecraft_raft_host::{Committed, Failed, Incoming, Machine, Mark, Offer};
use vecraft_rpc::codec;
use vecraft_segment::ViewRegistry;
use vecraft_state::shard::{ShardCommand, ShardEntry};
use vecraft_types::{LogPosition, SegmentId};

/// How late views are with [`Bug::ReadOnApplied`], and for deletes by filter with [`Bug::ResolveOnOldView`].
const LATE: Duration = Duration::from_millis(3);
const OLD: Duration = Duration::from_millis(200);

/// The machine of one process.
pub struct Witness {
    /// The product's.
    pub inner: Arc<Mutex<DataMachine>>,
    /// Its node.
    pub node: u64,
    /// Blown when the process is dead: what it does then is nobody's business.
    pub fuse: Fuse,
    /// Where it is written down.
    pub book: Book,
    /// What was planted.
    pub bug: Option<Bug>,
    /// The views that the replica publishes.
    pub views: Arc<ViewRegistry>,
    /// Those that the data node looks at; others only with a planted bug.
    pub shown: Arc<ViewRegistry>,
    /// What the checkpoints' records are read from.
    pub kv: ForgetfulKv,
    /// The last entry that an earlier process of the node applied.
    pub applied_before: u64,
    /// The last entry that any process of the node applied.
    pub applied: Arc<AtomicU64>,
    /// The last entry's mark.
    pub mark: Option<Mark>,
}

impl Witness {
    fn tell(&mut self, mark: Mark, command: Option<&Bytes>, reply: Option<&Bytes>) {
        let position = mark.position();
        self.mark = Some(mark.clone());
        if self.fuse.is_blown() {
            return;
        }
        self.applied.fetch_max(position.0, Ordering::Relaxed);
        self.book.applied(self.node, position, &mark, command, reply);
    }

    fn plant(&self, position: u64) {
        let faults = match self.bug {
            Some(Bug::DropDeleteOnReplay) => {
                Faults { drop_deletes: position <= self.applied_before, ..Faults::default() }
            }
            Some(Bug::DoubleApply) => Faults { forget_requests: true, ..Faults::default() },
            Some(Bug::TimestampBack) => Faults { forget_timestamp: true, ..Faults::default() },
            _ => return,
        };
        self.inner.lock().set_faults(faults);
    }

    /// What is applied in the place of an entry: that entry, unless a bug is planted.
    fn misread(&self, entry: Committed) -> Committed {
        if !matches!(self.bug, Some(Bug::DeleteByKey | Bug::IgnoreSeal | Bug::ForgetDone)) {
            return entry;
        }
        let Ok(mut decoded) = codec::decode::<ShardEntry>(&entry.command) else { return entry };
        decoded.command = match (self.bug, decoded.command) {
            (Some(Bug::DeleteByKey), ShardCommand::DeleteVersions { request, rows }) => {
                let keys = rows.into_iter().map(|(key, _)| key).collect();
                ShardCommand::DeleteKeys { request, partition: None, keys }
            }
            (Some(Bug::IgnoreSeal), ShardCommand::Seal { .. }) => {
                ShardCommand::Seal { segment: SegmentId(u64::MAX) }
            }
            (Some(Bug::ForgetDone), ShardCommand::CompactionDone { .. }) => {
                ShardCommand::CompactionDone { asked: LogPosition(u64::MAX) }
            }
            (_, command) => command,
        };
        match codec::encode(&decoded) {
            Ok(command) => Committed { command: command.into(), ..entry },
            Err(_) => entry,
        }
    }

    fn show(&self) {
        let late = match self.bug {
            Some(Bug::ReadOnApplied) => LATE,
            Some(Bug::ResolveOnOldView) => OLD,
            _ => return,
        };
        let (views, shown) = (self.views.list(), self.shown.clone());
        tokio::spawn(async move {
            tokio::time::sleep(late).await;
            views.iter().for_each(|view| shown.publish((**view).clone()));
        });
    }
}

impl Machine for Witness {
    fn apply(&mut self, entry: Committed) -> Result<Bytes, Failed> {
        self.plant(entry.position.0);
        let (mark, command) = (entry.mark.clone(), entry.command.clone());
        let reply = self.inner.lock().apply(self.misread(entry))?;
        self.tell(mark, Some(&command), Some(&reply));
        self.show();
        Ok(reply)
    }

    fn advance(&mut self, mark: Mark) {
        self.inner.lock().advance(mark.clone());
        self.tell(mark, None, None);
    }

    fn checkpoint(&self) -> Option<Mark> {
        self.inner.lock().checkpoint()
    }

    fn forfeit(&mut self, why: &str) -> Result<(), Failed> {
        self.inner.lock().forfeit(why)
    }

    fn offer(machine: &Arc<Mutex<Witness>>) -> Option<Offer> {
        let (kv, inner, is_forgetful) = {
            let machine = machine.lock();
            (machine.kv.clone(), machine.inner.clone(), machine.bug == Some(Bug::SnapshotWithoutDeletes))
        };
        kv.set_forgetful(is_forgetful);
        let offer = DataMachine::offer(&inner);
        kv.set_forgetful(false);
        offer
    }

    fn fetch(machine: Arc<Mutex<Witness>>, snapshot: Incoming) -> BoxFuture<'static, Result<(), Failed>> {
        let inner = machine.lock().inner.clone();
        DataMachine::fetch(inner, snapshot)
    }

    fn install(machine: Arc<Mutex<Witness>>, snapshot: Incoming) -> BoxFuture<'static, Result<(), Failed>> {
        Box::pin(async move {
            let inner = machine.lock().inner.clone();
            let at = snapshot.mark.position();
            DataMachine::install(inner, snapshot.clone()).await?;
            let mut witness = machine.lock();
            witness.mark = Some(snapshot.mark);
            if !witness.fuse.is_blown() {
                witness.applied.fetch_max(at.0, Ordering::Relaxed);
                witness.book.installed(witness.node, at, &witness.views);
                witness.show();
            }
            Ok(())
        })
    }
}
