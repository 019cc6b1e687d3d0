//! What must be true: one log, read a second time by the naive twin as soon as any replica applies an entry of it, and
//! what clients were told.
//!
//! Replicas, clients and the fate write into it; the rules in [`super::invariants`] are asked on every such occasion.
//! The first rule that does not hold ends the life.

mod reading;

use super::invariants::{
    durable_writes, i2_replacement, i5_snapshot, i6_log, i9_timestamps, i10_retries, i12_filters,
    i13_segments, i17_reads, i20_views,
};
use crate::invariants::{Broken, Check};
use crate::trace::Trace;
use crate::twin::Twin;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::time::Instant;
use vecraft_raft_host::Mark;
use vecraft_rpc::services::{ShardWrite, ShardWritten};
use vecraft_segment::{ShardView, ViewRegistry};
use vecraft_state::shard::ShardReply;
use vecraft_types::{LogPosition, RequestId, ShardId};

/// An entry of the group's log, as the first replica that applied it had it.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Log id and members: equal on all replicas.
    pub mark: Bytes,
    /// The command; `None` for an entry without one.
    pub command: Option<Bytes>,
    /// What the proposer must hear.
    pub reply: Option<ShardReply>,
    /// Which write it is.
    pub request: Option<(ShardId, RequestId)>,
}

/// A write that a client was told of.
#[derive(Clone, Debug)]
pub struct Ack {
    /// The shard.
    pub shard: ShardId,
    /// The write.
    pub request: RequestId,
    /// Where it is.
    pub position: LogPosition,
    /// When the client heard.
    pub at: Instant,
    /// What it heard.
    pub written: ShardWritten,
}

/// The pages of the book.
pub struct Pages {
    /// When the simulation began.
    pub began: Instant,
    /// What happened.
    pub trace: Trace,
    /// The first rule that did not hold.
    pub broken: Option<Broken>,
    /// The log, by index.
    pub log: BTreeMap<LogPosition, Known>,
    /// The twin after the newest entry.
    pub twin: Twin,
    /// The twin after each command.
    pub states: BTreeMap<LogPosition, Arc<Twin>>,
    /// Entries that changed rows.
    pub changes: BTreeMap<ShardId, BTreeSet<LogPosition>>,
    /// What clients were told, in order.
    pub acks: Vec<Ack>,
    /// Strong reads answered.
    pub seen: i17_reads::Seen,
    /// Answers by request.
    pub retries: i10_retries::Retries,
    /// Timestamps.
    pub stamps: i9_timestamps::Stamps,
    /// Members, and who asked for which.
    pub replacements: i2_replacement::Replacements,
    /// Entries as logs have them.
    pub contents: i6_log::Contents,
    /// Deletes by filter.
    pub filters: i12_filters::Filters,
    /// Figures for the report.
    pub figures: Figures,
}

/// How much happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Writes acknowledged.
    pub acked: u64,
    /// Reads answered.
    pub reads: u64,
    /// Deaths of a process.
    pub deaths: u64,
    /// Snapshots installed.
    pub snapshots: u64,
    /// Starts that a damaged log refused.
    pub refused: u64,
    /// Groups of one voter that became groups of all.
    pub grown: u64,
    /// Replicas replaced after a wipe.
    pub replaced: u64,
    /// Troubles made.
    pub troubles: u64,
}

/// The book. Clones are the same.
#[derive(Clone)]
pub struct Book(Arc<Mutex<Pages>>);

impl Book {
    /// An empty one.
    pub fn new() -> Book {
        Book(Arc::new(Mutex::new(Pages {
            began: Instant::now(),
            trace: Trace::default(),
            broken: None,
            log: BTreeMap::new(),
            twin: Twin::default(),
            states: BTreeMap::new(),
            changes: BTreeMap::new(),
            acks: Vec::new(),
            seen: i17_reads::Seen::default(),
            retries: i10_retries::Retries::default(),
            stamps: i9_timestamps::Stamps::default(),
            replacements: i2_replacement::Replacements::default(),
            contents: i6_log::Contents::default(),
            filters: i12_filters::Filters::default(),
            figures: Figures::default(),
        })))
    }

    /// Looks something up.
    pub fn with<T>(&self, read: impl FnOnce(&mut Pages) -> T) -> T {
        read(&mut self.0.lock())
    }

    /// Notes an event with its time.
    pub fn note(&self, what: impl Into<String>) {
        let mut pages = self.0.lock();
        let at = pages.began.elapsed();
        pages.trace.note(format!("{:>10} us  {}", at.as_micros(), what.into()));
    }

    /// Remembers the first rule that did not hold.
    pub fn judge(&self, outcome: Check) {
        if let Err(broken) = outcome {
            let at = self.0.lock().began.elapsed();
            self.0.lock().trace.note(format!("{:>10} us  BROKEN {}", at.as_micros(), broken.invariant));
            self.0.lock().broken.get_or_insert(broken);
        }
    }

    /// True once a rule did not hold.
    pub fn is_over(&self) -> bool {
        self.0.lock().broken.is_some()
    }

    /// A replica applied an entry, and answered so.
    pub fn applied(
        &self,
        node: u64,
        position: LogPosition,
        mark: &Mark,
        command: Option<&Bytes>,
        reply: Option<&Bytes>,
    ) {
        let is_new = self.with(|pages| !pages.log.contains_key(&position));
        if is_new {
            self.note(format!("node {node} is the first to apply {position}"));
        }
        let outcome = self.with(|pages| {
            if is_new {
                pages.replacements.applied(&mark.members())?;
            }
            pages.apply(node, position, reading::bytes_of(mark), command, reply)
        });
        self.judge(outcome);
    }

    /// A client was told that its write is durable; `holders` of `voters` have it in their logs.
    pub fn acked(&self, ack: Ack, (holders, voters): (usize, usize)) {
        self.note(format!("acknowledged {:?} at {}", ack.request, ack.position));
        let outcome = self.with(|pages| {
            pages.figures.acked += 1;
            durable_writes::majority(&ack, holders, voters)?;
            durable_writes::in_the_log(&ack, &pages.log)?;
            pages.acks.push(ack);
            Ok(())
        });
        self.judge(outcome);
    }

    /// A client is about to ask for a write, the first time or again.
    pub fn asks(&self, write: &ShardWrite) {
        self.with(|pages| {
            let acknowledged = pages.acks.iter().filter(|ack| ack.shard == write.shard);
            let newest = acknowledged.map(|ack| ack.position).max().unwrap_or_default();
            pages.filters.asks(write, newest);
        });
    }

    /// It was told that the write is done.
    pub fn answered(&self, write: &ShardWrite) {
        let outcome = self.with(|pages| pages.filters.answered(write, &pages.twin));
        self.judge(outcome);
    }

    /// A view that readers of a node get is what the log says.
    pub fn view(&self, node: u64, view: &ShardView) {
        let outcome = self.with(|pages| {
            i13_segments::shown(node, view, view.position, pages)?;
            i20_views::check(node, view, pages)
        });
        self.judge(outcome);
    }

    /// A snapshot was installed: every view is that of its position.
    pub fn installed(&self, node: u64, at: LogPosition, views: &ViewRegistry) {
        self.note(format!("node {node} installed a snapshot at {at}"));
        let outcome = self.with(|pages| {
            pages.figures.snapshots += 1;
            i5_snapshot::check(node, at, views, pages)
        });
        self.judge(outcome);
    }
}

impl Default for Book {
    fn default() -> Book {
        Book::new()
    }
}
