//! Memory for requests: what has come of them, while it comes and until the call ends (I21).
//!
//! ```text
//! begun ── a small sum ──> grows with what came ── whole ──> decoded, served ──> given back
//!   └─ none left ───────────┴─ none left ──> "rate limit exceeded", what came is dropped
//! ```
//! All connections have one limit together, or each stranger could hold as many requests that never end as a connection has
//! streams. Room is taken for what came, not for what was announced, and nobody waits for it. Requests of up to 64 KiB may
//! use a quarter more than the others: reads and DDL go on while bulk is turned away. So the whole port takes at most five
//! quarters of the limit, however many connections and streams there are, beside what a connection's windows hold.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use vecraft_types::{Code, Error, Result};

/// Requests up to this size may use what bulk leaves free.
const SMALL_BYTES: usize = 64 << 10;

/// What a request takes that says nothing: headers, a task, a stream.
const REQUEST_BYTES: usize = 4 << 10;

/// How long a refused client should wait, in milliseconds.
const RETRY_AFTER_MS: u64 = 100;

/// gRPC's prefix of a message: a flag and four bytes of length.
pub(super) const PREFIX_BYTES: usize = 5;

/// All requests of a gateway together.
#[derive(Debug)]
pub(crate) struct BytesInFlight {
    now: AtomicUsize,
    max: usize,
    /// Bytes of one request.
    message_max: usize,
    /// Of these, what belongs to requests that are not whole yet: for whoever watches over the node's memory.
    arriving: Arc<AtomicU64>,
}

impl BytesInFlight {
    /// At most `max` bytes before bulk is refused, at most `message_max` in one request; what is not whole yet is also
    /// counted in `arriving`.
    pub fn new(max: usize, message_max: usize, arriving: Arc<AtomicU64>) -> Arc<BytesInFlight> {
        Arc::new(BytesInFlight { now: AtomicUsize::new(0), max: max.max(message_max), message_max, arriving })
    }

    fn has_room(&self, here: usize) -> bool {
        let max = if here <= SMALL_BYTES + REQUEST_BYTES {
            self.max.saturating_add(self.max / 4)
        } else {
            self.max
        };
        self.now.load(Ordering::Relaxed) <= max
    }

    /// What is counted now.
    #[cfg(test)]
    pub fn now(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }
}

/// One request's share; given back when its last owner (body, call) is gone.
#[derive(Clone, Debug)]
pub(crate) struct RequestBytes(Arc<Share>);

#[derive(Debug)]
struct Share {
    total: Arc<BytesInFlight>,
    here: AtomicUsize,
    /// Those that are counted as arriving.
    arriving: AtomicU64,
    refusal: Mutex<Option<Error>>,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.total.now.fetch_sub(*self.here.get_mut(), Ordering::Relaxed);
        self.total.arriving.fetch_sub(*self.arriving.get_mut(), Ordering::Relaxed);
    }
}

impl RequestBytes {
    /// A request of which nothing has arrived.
    pub fn new(total: Arc<BytesInFlight>) -> RequestBytes {
        let (here, arriving, refusal) = (AtomicUsize::new(0), AtomicU64::new(0), Mutex::default());
        let bytes = RequestBytes(Arc::new(Share { total, here, arriving, refusal }));
        bytes.add(REQUEST_BYTES);
        bytes
    }

    /// Counts memory that the request takes beyond what arrived: what it became when it was decoded.
    pub fn add(&self, bytes: usize) {
        self.0.here.fetch_add(bytes, Ordering::Relaxed);
        self.0.total.now.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts memory for bytes that are arriving.
    ///
    /// # Errors
    /// As [`RequestBytes::admit`].
    pub(super) fn arrive(&self, bytes: usize) -> Result<()> {
        self.add(bytes);
        self.0.arriving.fetch_add(bytes as u64, Ordering::Relaxed);
        self.0.total.arriving.fetch_add(bytes as u64, Ordering::Relaxed);
        self.admit()
    }

    /// All of it is here.
    pub(super) fn is_whole(&self) {
        let arrived = self.0.arriving.swap(0, Ordering::Relaxed);
        self.0.total.arriving.fetch_sub(arrived, Ordering::Relaxed);
    }

    /// Bytes of a message at most.
    pub(super) fn message_max(&self) -> usize {
        self.0.total.message_max
    }

    /// Asked while the request arrives, and once more when it is decoded.
    ///
    /// # Errors
    /// [`Code::RateLimited`] when all requests together are over the limit.
    pub fn admit(&self) -> Result<()> {
        if self.0.total.has_room(self.0.here.load(Ordering::Relaxed)) {
            return Ok(());
        }
        let (now, max) = (self.0.total.now.load(Ordering::Relaxed), self.0.total.max);
        let text = format!("{now} bytes of requests are in flight, the limit is {max}");
        Err(Error::new(Code::RateLimited, text).retry_after(RETRY_AFTER_MS))
    }

    /// Ends the request before it is whole. The first reason stays.
    pub(super) fn refuse(&self, why: Error) {
        self.0.refusal.lock().get_or_insert(why);
    }

    /// Why the request was ended before it was whole, if it was.
    pub fn refusal(&self) -> Option<Error> {
        self.0.refusal.lock().clone()
    }
}
