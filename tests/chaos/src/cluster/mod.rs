//! Three nodes, real processes, faults by a schedule, and a checker over the whole history.
//!
//! ```text
//! form ─> writers, readers ─────────────────────────────> rest ─> scan every node ─> judge the history
//!            schedule: quiet ─ fault ─ heal ─ quiet ─ ...
//! ```
//! | module | the question it answers |
//! |---|---|
//! | [`plan`] | which fault when? |
//! | [`config`] | what does each node's configuration say? |
//! | [`nodes`], [`web`] | how are nodes started, ended, asked how they are? |
//! | [`ground`], [`network`], [`disks`] | what does this machine give, for which kinds of faults? |
//! | [`faults`], [`replacement`] | how is a fault done and taken back? |
//! | [`board`], [`writers`], [`readers`] | who writes and reads what? |
//! | [`history`] | what did clients do and see? |
//! | [`check`] | is that what was promised? |
//! | [`rest`] | do all nodes answer rightly and alike when everything is healed? |
//! | [`service`] | what did the faults cost? |
//! | [`run`] | in which order? |
//! | [`soak`] | does every group go on after many changes of leaders? (openraft #2116) |
//! | [`report`], [`page`], [`picture`] | what is told, and shown? |
//!
//! The seed brings back the schedule and each worker's choices, not the machine's timing.

pub mod board;
pub mod check;
pub mod config;
pub mod disks;
pub mod faults;
pub mod ground;
pub mod history;
pub mod network;
pub mod nodes;
pub mod page;
pub mod picture;
pub mod plan;
pub mod readers;
pub mod replacement;
pub mod report;
pub mod rest;
pub mod run;
pub mod service;
pub mod soak;
pub mod web;
pub mod writers;
