//! What a gateway can be told at its start.

use crate::CallStats;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use vecraft_types::limits::MESSAGE_BYTES_MAX;

/// Limits and patience of a gateway. The defaults are Milvus's, where Milvus has the option.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections at once; for a further one the longest idle one is closed, and without an idle one it waits.
    pub connections_max: usize,
    /// How long a connection must have been idle before it is closed for another one.
    pub idle_min: Duration,
    /// How long a connection may say nothing at all; a request that is not whole must go on from one such time to the next.
    pub silent_max: Duration,
    /// Bytes of one request; a larger one is answered with code 1102 as soon as its length is known.
    pub message_bytes_max: usize,
    /// Bytes of requests being received or served at once. Above this, requests of more than 64 KiB are answered
    /// "rate limit exceeded" (code 8) while they arrive, which clients retry with a back-off; above five quarters of it
    /// all are. At least one full message.
    pub bytes_in_flight_max: usize,
    /// Bytes of requests that are not whole yet are counted here, for whoever watches over the node's memory (I21).
    pub arriving: Arc<AtomicU64>,
    /// How long calls under way may still run after shutdown was asked for.
    pub drain_max: Duration,
    /// How often a silent client is asked, by an HTTP/2 ping, whether it is still there.
    pub keep_alive_interval: Duration,
    /// How long the answer to such a ping may take before the connection is closed.
    pub keep_alive_timeout: Duration,
    /// Where calls are counted; keep a clone to render it.
    pub calls: Arc<CallStats>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            connections_max: 10_000,
            idle_min: Duration::from_secs(1),
            silent_max: Duration::from_secs(5),
            message_bytes_max: MESSAGE_BYTES_MAX,
            bytes_in_flight_max: 512 << 20,
            arriving: Arc::default(),
            drain_max: Duration::from_secs(10),
            keep_alive_interval: Duration::from_secs(60),
            keep_alive_timeout: Duration::from_secs(20),
            calls: Arc::default(),
        }
    }
}
