//! A request's body on its way in: gathered until its message is whole, and only then shown to the codec.
//!
//! The codec makes room for a message as soon as it has read how long it is to be, 64 MiB for five bytes; here it grows with
//! what came, and is counted ([`RequestBytes`], I21). A body ends with an error, and what came of it is dropped, when its
//! message is too long, when there is no room for more of it, when it does not go on, and when something follows the one
//! message that a call has.

use super::bytes_in_flight::{PREFIX_BYTES, RequestBytes};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};
use vecraft_types::{Code, Error};

/// Of a message that is not whole. Far less than of a frame at the client port: a thousand streams share a connection.
const BYTES_PER_S_MIN: u128 = 1_000;

type Shown = Option<Result<Frame<Bytes>, tonic::Status>>;

/// A body, gathered.
pub(crate) struct Gathered<B> {
    inner: B,
    bytes: RequestBytes,
    pace: Pace,
    gathered: Vec<u8>,
    is_whole: bool,
    /// To be shown after what was gathered.
    next: Option<Frame<Bytes>>,
    has_ended: bool,
}

impl<B> Gathered<B> {
    /// Gathers `inner`, counted as `bytes`. It is looked at every `look` whether it goes on.
    pub fn new(inner: B, bytes: RequestBytes, look: Duration) -> Gathered<B> {
        let pace = Pace { look, timer: None, seen: 0, slow: 0 };
        Gathered { inner, bytes, pace, gathered: Vec::new(), is_whole: false, next: None, has_ended: false }
    }

    /// Takes what came; true when the message is whole with it.
    fn take(&mut self, data: &[u8]) -> Result<bool, Error> {
        let has = self.gathered.len() + data.len();
        let length = self.announced(data);
        let max = self.bytes.message_max();
        if let Some(length) = length.filter(|length| *length > max) {
            let text = format!("the request has {length} bytes, at most {max} are allowed: send fewer rows");
            return Err(Error::new(Code::ParameterTooLarge, text));
        }
        let whole = length.map_or(usize::MAX, |length| length + PREFIX_BYTES);
        if self.is_whole || has > whole {
            return Err(Error::invalid(format!(
                "{has} bytes came for a message of {}",
                whole - PREFIX_BYTES
            )));
        }
        let room = self.gathered.capacity();
        if has > room {
            let more = has.max(room.saturating_mul(2)).min(whole) - room;
            self.bytes.arrive(more)?;
            self.gathered.try_reserve_exact(room + more - self.gathered.len()).map_err(|_| {
                Error::new(Code::OutOfMemory, format!("no memory for a request of {has} bytes"))
                    .retry_after(1_000)
            })?;
        }
        self.gathered.extend_from_slice(data);
        Ok(has == whole)
    }

    /// The length that the message is to have, once that is known.
    fn announced(&self, data: &[u8]) -> Option<usize> {
        let mut prefix = self.gathered.iter().chain(data).copied().take(PREFIX_BYTES).skip(1);
        let bytes = [prefix.next()?, prefix.next()?, prefix.next()?, prefix.next()?];
        Some(u32::from_be_bytes(bytes) as usize)
    }

    fn refused(&mut self, why: Error) -> Poll<Shown> {
        self.gathered = Vec::new();
        self.has_ended = true;
        let status = tonic::Status::resource_exhausted(why.detail.clone());
        self.bytes.refuse(why);
        Poll::Ready(Some(Err(status)))
    }

    /// Shows what was gathered; what comes with it comes next.
    fn show(&mut self) -> Frame<Bytes> {
        self.bytes.is_whole();
        Frame::data(std::mem::take(&mut self.gathered).into())
    }
}

impl<B> Body for Gathered<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Shown> {
        let this = &mut *self;
        if let Some(next) = this.next.take() {
            return Poll::Ready(Some(Ok(next)));
        }
        loop {
            if this.has_ended {
                return Poll::Ready(None);
            }
            let Poll::Ready(came) = Pin::new(&mut this.inner).poll_frame(cx) else {
                let so_far = this.gathered.len();
                let why = ready!(this.pace.poll_stall(so_far, cx));
                return this.refused(why);
            };
            let frame = match came {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(tonic::Status::from_error(error.into())))),
                // Torn when there is something left: the codec says so.
                None => {
                    this.has_ended = true;
                    let shown = (!this.gathered.is_empty()).then(|| Ok(this.show()));
                    return Poll::Ready(shown);
                }
            };
            match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => match this.take(&data) {
                    Ok(false) => {}
                    Ok(true) => {
                        this.is_whole = true;
                        return Poll::Ready(Some(Ok(this.show())));
                    }
                    Err(why) => return this.refused(why),
                },
                Err(other) if this.gathered.is_empty() => return Poll::Ready(Some(Ok(other))),
                Err(other) => {
                    this.next = Some(other);
                    return Poll::Ready(Some(Ok(this.show())));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended || (self.gathered.is_empty() && self.next.is_none() && self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// Whether a body goes on, looked at now and then. One that is not waited for is not looked at.
struct Pace {
    look: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    seen: usize,
    /// Looks in a row in which too little came.
    slow: u32,
}

impl Pace {
    /// Ready, with the reason, when too little came in two looks in a row. Two, not one: a process that was stopped for a
    /// while has not read what came meanwhile.
    fn poll_stall(&mut self, so_far: usize, cx: &mut Context<'_>) -> Poll<Error> {
        loop {
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(self.look)));
            ready!(timer.as_mut().poll(cx));
            self.timer = None;
            let came = so_far.saturating_sub(std::mem::replace(&mut self.seen, so_far));
            let is_slow = (came as u128) < (BYTES_PER_S_MIN * self.look.as_millis() / 1_000).max(1);
            self.slow = if is_slow { self.slow + 1 } else { 0 };
            if self.slow == 2 {
                let ms = self.look.as_millis();
                let text = format!("a request was begun and does not go on: {came} bytes in {ms} ms");
                return Poll::Ready(Error::new(Code::Deadline, text));
            }
        }
    }
}
