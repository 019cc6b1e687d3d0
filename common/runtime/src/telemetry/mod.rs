//! Log lines and metrics.
//!
//! [`init_logging`] is called once per process by the binary; a Rust program that embeds a node may have a
//! subscriber of its own and then does not call it. [`Metrics`] belongs to a node and is passed to its parts.
//! Nothing here runs by itself: a metric is collected when `/metrics` is read, so idle costs nothing (P11).
//! Traces are not exported yet; spans are made and carried so that they can be.

mod figures;
mod logging;
mod metrics;

pub use figures::{Figure, Figures, Labels};
pub use logging::{LogFormat, LogOptions, LoggingError, check_level, init_logging};
pub use metrics::{Metrics, MetricsError};

/// What is needed to make instruments, so that no other crate names the metrics libraries.
pub use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram, Meter, ObservableGauge, UpDownCounter},
};
