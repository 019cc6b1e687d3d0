//! What the proxy can be told.

use std::time::Duration;
use vecraft_types::limits::{MESSAGE_BYTES_MAX, REPLY_BYTES_MAX};

/// Options of the proxy, checked by `vecraft-config` before they come here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyConfig {
    /// How long a request may take when the caller names no deadline.
    pub deadline_default: Duration,
    /// Collections made from now on need a load before they are read, unless their own property says otherwise.
    pub strict_load: bool,
    /// Request bytes being worked on at once; more are answered `rate limited` (issue M2, back-pressure).
    pub bytes_in_flight_max: usize,
    /// What a refused caller is told to wait.
    pub retry_after: Duration,
    /// A batch of rows is cut into pieces of about this many bytes, each one entry of a shard's log. Entries that are too
    /// large hold up their group's neighbours; too small ones cost a frame and a CRC each.
    pub piece_bytes_max: usize,
    /// Bytes of rows, query vectors or filter one request may have.
    pub message_bytes_max: usize,
    /// Bytes one reply may hold: Milvus's limit on what a server sends.
    pub reply_bytes_max: usize,
    /// Growing segments of at least so many rows are flushed when an index is made, because a flush seals them.
    pub flat_rows_max: u64,
    /// Row ids fetched from the catalogue at a time. What is left of a range when the process ends is never used.
    pub id_range: u64,
}

impl Default for ProxyConfig {
    /// 30 s, 256 MiB in flight, pieces of 2 MiB, requests of 64 MiB, replies of 256 MiB, AUTOINDEX scans below 4,000 rows,
    /// ranges of 65,536 ids.
    fn default() -> ProxyConfig {
        ProxyConfig {
            deadline_default: Duration::from_secs(30),
            strict_load: false,
            bytes_in_flight_max: 256 << 20,
            retry_after: Duration::from_millis(100),
            piece_bytes_max: 2 << 20,
            message_bytes_max: MESSAGE_BYTES_MAX,
            reply_bytes_max: REPLY_BYTES_MAX,
            flat_rows_max: vecraft_index::AUTOINDEX_FLAT_BELOW as u64,
            id_range: 65_536,
        }
    }
}
