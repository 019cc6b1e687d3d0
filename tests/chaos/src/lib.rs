//! Real processes under faults: what was acknowledged must be there afterwards, and nothing else.
//!
//! Two tests share this crate: [`kill9`] kills one server again and again and scans it; [`cluster`] does faults of many
//! kinds to three nodes and judges the history of everything that clients did and saw. Of one server:
//!
//! ```text
//! round: start ─> first right answer ─> scan and check ─> writers (own keys) ... SIGKILL at a random moment
//! ```
//! | module | the question it answers |
//! |---|---|
//! | [`row`] | what does a row look like, so that a torn one shows? |
//! | [`ledger`] | what may be seen of a key, given what was acknowledged? |
//! | [`checker`] | does a scan fit the ledgers? |
//! | [`selftest`] | would the checker notice? (planted scans) |
//! | [`server`] | how is the program started, found and killed? |
//! | [`writer`], [`namer`], [`scan`] | what is written, made and read? |
//! | [`kill9`] | in which order? |
//! | [`report`] | what is told at the end? |
//!
//! The clients of one server do not retry: a retry would hide what this looks for. Neither test measures speed, and no
//! seed brings the machine's timing back: `tests/sim` does that.

// A test tool: it reads the clock, keeps a report and starts processes, as the product's crates must not.
#![allow(clippy::disallowed_methods)]

pub mod checker;
pub mod cluster;
pub mod kill9;
pub mod ledger;
pub mod namer;
pub mod report;
pub mod row;
pub mod scan;
pub mod selftest;
pub mod server;
pub mod writer;

/// Errors of the test itself, in words: it stops, and says nothing about the server's data.
pub type Trouble = String;
