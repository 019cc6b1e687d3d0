//! Request bodies, counted while they arrive, and stopped when they are too long.

use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use vecraft_types::{Code, Error, Result};

/// Requests up to this size are always admitted: reads and DDL go on while bulk waits.
const SMALL_BYTES: usize = 64 << 10;

/// How long a refused client should wait, in milliseconds.
const RETRY_AFTER_MS: u64 = 100;

/// All requests of a gateway together.
#[derive(Debug)]
pub(crate) struct BytesInFlight {
    now: AtomicUsize,
    max: usize,
    /// Bytes of one request.
    message_max: usize,
}

impl BytesInFlight {
    /// At most `max` bytes before bulk is refused, at most `message_max` in one request.
    pub fn new(max: usize, message_max: usize) -> Arc<BytesInFlight> {
        Arc::new(BytesInFlight { now: AtomicUsize::new(0), max: max.max(message_max), message_max })
    }
}

/// One request's share; given back when its last owner (body, call) is gone.
#[derive(Clone, Debug)]
pub(crate) struct RequestBytes(Arc<Share>);

#[derive(Debug)]
struct Share {
    total: Arc<BytesInFlight>,
    here: AtomicUsize,
    /// Length that the message claims, when that is too much; else 0.
    too_long: AtomicUsize,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.total.now.fetch_sub(*self.here.get_mut(), Ordering::Relaxed);
    }
}

impl RequestBytes {
    /// A request of which nothing has arrived.
    pub fn new(total: Arc<BytesInFlight>) -> RequestBytes {
        RequestBytes(Arc::new(Share { total, here: AtomicUsize::new(0), too_long: AtomicUsize::new(0) }))
    }

    /// Counts bytes that arrived, and memory beyond them that the decoded request takes.
    pub fn add(&self, bytes: usize) {
        self.0.here.fetch_add(bytes, Ordering::Relaxed);
        self.0.total.now.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Asked once the whole request is here.
    ///
    /// # Errors
    /// [`Code::RateLimited`] when all requests together are over the limit and this is not a small one.
    pub fn admit(&self) -> Result<()> {
        let here = self.0.here.load(Ordering::Relaxed);
        let now = self.0.total.now.load(Ordering::Relaxed);
        if here <= SMALL_BYTES || now <= self.0.total.max {
            return Ok(());
        }
        let text = format!("{now} bytes of requests are in flight, the limit is {}", self.0.total.max);
        Err(Error::new(Code::RateLimited, text).retry_after(RETRY_AFTER_MS))
    }

    /// The refusal of a message that is longer than allowed, if this one was.
    pub fn refusal(&self) -> Option<Error> {
        let bytes = self.0.too_long.load(Ordering::Relaxed);
        if bytes == 0 {
            return None;
        }
        let max = self.0.total.message_max;
        let text = format!("the request has {bytes} bytes, at most {max} are allowed: send fewer rows");
        Some(Error::new(Code::ParameterTooLarge, text))
    }
}

/// A request body that is counted. Ends with an error as soon as its message's length is known to be too much.
pub(crate) struct Counted<B> {
    inner: B,
    bytes: RequestBytes,
    /// gRPC's message prefix, a flag and four bytes of length, as far as it has arrived.
    prefix: Vec<u8>,
}

impl<B> Counted<B> {
    /// Counts `inner` as `bytes`.
    pub fn new(inner: B, bytes: RequestBytes) -> Counted<B> {
        Counted { inner, bytes, prefix: Vec::new() }
    }

    /// True when the prefix announces too long a message. Unary calls have one message.
    fn is_too_long(&mut self, data: &[u8]) -> bool {
        let missing = 5usize.saturating_sub(self.prefix.len());
        if missing == 0 {
            return false;
        }
        self.prefix.extend_from_slice(&data[..data.len().min(missing)]);
        let [_, a, b, c, d] = self.prefix[..] else { return false };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length <= self.bytes.0.total.message_max {
            return false;
        }
        self.bytes.0.too_long.store(length, Ordering::Relaxed);
        true
    }
}

impl<B> Body for Counted<B>
where
    B: Body<Data = bytes::Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = bytes::Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<bytes::Bytes>, tonic::Status>>> {
        let frame = match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => {
                return Poll::Ready(Some(Err(tonic::Status::from_error(error.into()))));
            }
            Poll::Ready(Some(Ok(frame))) => frame,
        };
        if let Some(data) = frame.data_ref() {
            self.bytes.add(data.len());
            let data = data.clone();
            if self.is_too_long(&data) {
                return Poll::Ready(Some(Err(tonic::Status::resource_exhausted("message too long"))));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
