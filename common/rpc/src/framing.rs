//! Cutting a client's bytes into frames, without taking memory for one that is too long.
//!
//! ```text
//! Length ── fits ─────> Body ── all there ──> Whole
//!        └─ too long ─> Skip ── all gone ───> TooLong, with its front
//! ```
//! A length above [`FRAME_BYTES_CEILING`] is nothing a client of ours says: the connection ends.

use crate::wire::{FRAME_BYTES_CEILING, HEAD_BYTES};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tarpc::tokio_util::codec::{Decoder, Encoder};

/// Bytes of a frame's length.
const LENGTH_BYTES: usize = 4;
/// Room made at a time: a client that announces much and sends nothing gets no more.
const GROW_BYTES: usize = 1 << 20;

/// One frame as far as it was kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// All of it.
    Whole(BytesMut),
    /// One of `bytes` bytes was skipped; this is its front.
    TooLong { head: BytesMut, bytes: usize },
}

/// Finds frames of at most `bytes_max` bytes.
pub(crate) struct Framing {
    bytes_max: usize,
    state: State,
    heard: Arc<Heard>,
}

/// What came in so far, for who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    reads: AtomicU64,
    frames: AtomicU64,
}

impl Heard {
    /// Ready when nothing came for `max` and there was no frame yet; once there was one, never. A first frame that takes
    /// its time is no silence.
    pub(crate) async fn silence(&self, max: Duration) {
        let mut reads = 0;
        loop {
            tokio::time::sleep(max).await;
            if self.frames.load(Ordering::Relaxed) > 0 {
                return std::future::pending().await;
            }
            if std::mem::replace(&mut reads, self.reads.load(Ordering::Relaxed)) == reads {
                return;
            }
        }
    }
}

enum State {
    Length,
    Body { bytes: usize },
    Skip { bytes: usize, head: BytesMut, left: usize },
}

impl Framing {
    pub(crate) fn new(bytes_max: usize) -> Framing {
        Framing { bytes_max, state: State::Length, heard: Arc::default() }
    }

    pub(crate) fn heard(&self) -> Arc<Heard> {
        self.heard.clone()
    }

    fn begin(&self, bytes: usize) -> io::Result<State> {
        if bytes > FRAME_BYTES_CEILING {
            let text = format!("a frame of {bytes} bytes, no frame has more than {FRAME_BYTES_CEILING}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        if bytes > self.bytes_max {
            return Ok(State::Skip { bytes, head: BytesMut::new(), left: bytes });
        }
        Ok(State::Body { bytes })
    }
}

impl Decoder for Framing {
    type Item = Frame;
    type Error = io::Error;

    fn decode(&mut self, source: &mut BytesMut) -> io::Result<Option<Frame>> {
        // Asked once after each read.
        self.heard.reads.fetch_add(u64::from(!source.is_empty()), Ordering::Relaxed);
        let frame = self.cut(source)?;
        self.heard.frames.fetch_add(u64::from(frame.is_some()), Ordering::Relaxed);
        Ok(frame)
    }
}

impl Framing {
    fn cut(&mut self, source: &mut BytesMut) -> io::Result<Option<Frame>> {
        loop {
            match &mut self.state {
                State::Length => {
                    let Some(length) = source.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
                    let bytes = u32::from_be_bytes(*length) as usize;
                    source.advance(LENGTH_BYTES);
                    self.state = self.begin(bytes)?;
                }
                State::Body { bytes } => {
                    let missing = bytes.saturating_sub(source.len());
                    if missing > 0 {
                        source.reserve(missing.min(GROW_BYTES));
                        return Ok(None);
                    }
                    let frame = source.split_to(*bytes);
                    self.state = State::Length;
                    return Ok(Some(Frame::Whole(frame)));
                }
                State::Skip { bytes, head, left } => {
                    let here = source.len().min(*left);
                    let kept = here.min(HEAD_BYTES.saturating_sub(head.len()));
                    head.extend_from_slice(&source[..kept]);
                    source.advance(here);
                    *left -= here;
                    if *left > 0 {
                        return Ok(None);
                    }
                    let frame = Frame::TooLong { head: std::mem::take(head), bytes: *bytes };
                    self.state = State::Length;
                    return Ok(Some(frame));
                }
            }
        }
    }
}

impl Encoder<Bytes> for Framing {
    type Error = io::Error;

    fn encode(&mut self, frame: Bytes, into: &mut BytesMut) -> io::Result<()> {
        let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
        into.reserve(LENGTH_BYTES + frame.len());
        into.put_u32(length);
        into.extend_from_slice(&frame);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What is found in `bytes` that arrive in pieces of `piece` bytes.
    fn frames(bytes_max: usize, bytes: &[u8], piece: usize) -> Vec<Frame> {
        let (mut framing, mut source, mut found) = (Framing::new(bytes_max), BytesMut::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            source.extend_from_slice(piece);
            while let Some(frame) = framing.decode(&mut source).unwrap() {
                found.push(frame);
            }
        }
        assert!(source.is_empty());
        found
    }

    #[test]
    fn long_frames_are_skipped_and_the_next_one_is_found() {
        let mut bytes = BytesMut::new();
        let mut out = Framing::new(0);
        for body in [vec![1; 10], vec![2; 11], vec![3; 500], vec![], vec![4; 3]] {
            out.encode(body.into(), &mut bytes).unwrap();
        }
        let whole = |body: &[u8]| Frame::Whole(body.into());
        let long = |head: &[u8], bytes| Frame::TooLong { head: head.into(), bytes };
        let expected =
            [whole(&[1; 10]), long(&[2; 11], 11), long(&[3; HEAD_BYTES], 500), whole(&[]), whole(&[4; 3])];
        for piece in [1, 3, 64, bytes.len()] {
            assert_eq!(frames(10, &bytes, piece), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn a_length_takes_no_memory_and_one_above_all_ends_the_connection() {
        let mut source = BytesMut::from(&(FRAME_BYTES_CEILING as u32).to_be_bytes()[..]);
        assert_eq!(Framing::new(usize::MAX).decode(&mut source).unwrap(), None);
        assert!(source.capacity() <= 2 * GROW_BYTES);
        let mut source = BytesMut::from(&(FRAME_BYTES_CEILING as u32 + 1).to_be_bytes()[..]);
        assert!(Framing::new(usize::MAX).decode(&mut source).is_err());
    }
}
