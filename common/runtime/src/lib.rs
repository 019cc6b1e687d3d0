//! The process around the roles: time, randomness, threads, actors, shutdown and telemetry.
//!
//! | module | the question it answers |
//! |---|---|
//! | [`clock`] | what time is it, and how long did it take? (real or simulated) |
//! | [`random`] | where do unpredictable numbers come from? (the OS, or a seed) |
//! | [`pools`] | on which threads does heavy or blocking work run? |
//! | [`actors`] | how does one ask a role, and what happens when it panics or is full? |
//! | [`tasks`] | which background tasks exist, and what follows when one fails? |
//! | [`shutdown`] | how does everything stop, in which order, within which time? |
//! | [`signals`] | does the operating system ask the process to end? |
//! | [`telemetry`] | where do log lines and metrics go? |
//!
//! Everybody above `common` uses this crate; it is the doorkeeper of actix, of the clocks and of the
//! random generators, so that a simulation replaces them in one place.
//!
//! What it does *not* do: it knows no role, no message and no data. It never retries a request, decides
//! nothing about placement and reads neither the environment nor the configuration file.

// The doorkeeper of the clock, of randomness and of actix: the calls that clippy.toml forbids elsewhere
// are made here, once. The log file is opened here as well; data files belong to `vecraft-storage`.
#![allow(clippy::disallowed_methods)]

pub mod actors;
pub mod clock;
pub mod pools;
pub mod random;
pub mod shutdown;
pub mod signals;
pub mod tasks;
pub mod telemetry;

use std::any::Any;

/// The text of a caught panic, for logs and errors. A payload that is not text has a placeholder.
pub fn panic_text(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_string()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "panic without a message".to_string()
    }
}
