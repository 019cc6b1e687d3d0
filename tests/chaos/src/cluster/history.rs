//! Everything that clients did and saw, in the order in which it ended.
//!
//! Which question it answers: what may a checker take for granted? A write that was refused is in it as refused: the
//! client library promises that only "outcome unknown" and a passed deadline leave the outcome open (I10), and the
//! checker holds it to that.

use crate::ledger::Seen;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use vecraft_client::types::{Code, Error};

/// Microseconds since the run began.
pub type Micros = u64;

/// How fresh a read was asked to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Level {
    /// Linearizable per key.
    Strong,
    /// Sees what a writer had acknowledged when the read was made.
    Session,
    /// No staler than so many milliseconds.
    Bounded(u64),
    /// Whatever the replica has.
    Eventually,
}

impl Level {
    /// Its name, without the bound.
    pub fn name(self) -> &'static str {
        match self {
            Level::Strong => "strong",
            Level::Session => "session",
            Level::Bounded(_) => "bounded",
            Level::Eventually => "eventually",
        }
    }
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// Acknowledged or answered.
    Ok,
    /// Certainly not done, with this code.
    Refused(i32),
    /// May have been done, or may be done yet.
    Unknown(i32),
}

impl Outcome {
    /// What an error says about a write.
    pub fn of_write(error: &Error) -> Outcome {
        match error.code {
            Code::OutcomeUnknown | Code::Deadline | Code::Cancelled => Outcome::Unknown(error.code.number()),
            code => Outcome::Refused(code.number()),
        }
    }
}

/// A row that a read brought: its key, its version, and whether all its values come from one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Got {
    /// The key.
    pub id: i64,
    /// The version.
    pub version: i64,
    /// See [`is_whole`](crate::row::Row::is_whole).
    pub is_whole: bool,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum What {
    /// A write of these keys, all in one entry, and what each is afterwards.
    Write {
        /// Keys and what they are afterwards.
        changes: Vec<(i64, Seen)>,
    },
    /// A read of these keys in one query.
    Read {
        /// Asked freshness.
        level: Level,
        /// Session: what had been acknowledged at this moment must be seen.
        session_at: Micros,
        /// The keys.
        keys: Vec<i64>,
        /// The rows.
        rows: Vec<Got>,
        /// A scan at rest: nothing was written meanwhile or afterwards.
        is_final: bool,
    },
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Op {
    /// Who.
    pub worker: usize,
    /// The node asked; 0: any of them, as the client library chooses.
    pub door: u64,
    /// When it was sent.
    pub start: Micros,
    /// When its answer came.
    pub end: Micros,
    /// What.
    pub what: What,
    /// How it ended.
    pub outcome: Outcome,
}

impl Op {
    /// Whether it is a write.
    pub fn is_write(&self) -> bool {
        matches!(self.what, What::Write { .. })
    }
}

/// All operations, and how often each error was answered.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// In the order in which they ended.
    pub ops: Vec<Op>,
    /// Errors by text without its changing parts, with one in full.
    pub errors: BTreeMap<String, (u64, String)>,
}

/// Where workers write the history down.
#[derive(Clone)]
pub struct Recorder {
    began: Instant,
    history: Arc<Mutex<History>>,
}

impl Recorder {
    /// An empty history that begins now.
    pub fn new() -> Recorder {
        Recorder { began: Instant::now(), history: Arc::default() }
    }

    /// The run's clock.
    pub fn now(&self) -> Micros {
        self.began.elapsed().as_micros() as Micros
    }

    /// Adds an operation that has just ended.
    pub fn add(&self, op: Op) {
        self.with(|history| history.ops.push(op));
    }

    /// Counts an error.
    pub fn error(&self, verb: &str, error: &Error) {
        let key = format!("{verb}: {} ({})", error.code.text(), error.code.number());
        self.with(|history| history.errors.entry(key).or_insert((0, error.to_string())).0 += 1);
    }

    /// Looks at the history.
    pub fn with<T>(&self, look: impl FnOnce(&mut History) -> T) -> T {
        // A worker that panicked while it held this had only pushed or not pushed.
        look(&mut self.history.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder::new()
    }
}
