//! Cutting a client's bytes into frames, without taking memory for one that is too long.
//!
//! ```text
//! Length ── fits, is short ─> Short ── all there ──> Whole
//!        ├─ fits ───────────> Long ─── all there ──> Whole
//!        │                     └─ no room left ──┐
//!        └─ too long ───────────────────────────> Skip ── all gone ──> Unread, with its front
//! ```
//! A short frame is cut from what was read last. A long one gets memory of its own, as much as came and half again, and gives
//! all of it back with the frame; what all connections have for that is limited ([`crate::arriving`], I21).
//! A length above [`FRAME_BYTES_CEILING`] is nothing a client of ours says: the connection ends.

use crate::arriving::{Arriving, ArrivingRoom};
use crate::heard::Heard;
use crate::wire::{FRAME_BYTES_CEILING, HEAD_BYTES, Unread};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::io;
use std::sync::Arc;
use tarpc::tokio_util::codec::{Decoder, Encoder};

/// Bytes of a frame's length.
const LENGTH_BYTES: usize = 4;
/// Read at a time, and the longest frame that is called short: what a connection has without asking anybody.
const READ_BYTES: usize = 32 << 10;
/// First room for a long frame.
const GROW_BYTES: usize = 4 * READ_BYTES;

/// One frame as far as it was kept.
#[derive(Debug)]
pub(crate) enum Frame {
    /// All of it. What it has of the port's memory goes back with it.
    Whole(Bytes, Option<ArrivingRoom>),
    /// One of `bytes` bytes was skipped; this is its front.
    Unread { head: BytesMut, bytes: usize, why: Unread },
}

/// Finds frames of at most `bytes_max` bytes.
pub(crate) struct Framing {
    bytes_max: usize,
    arriving: Arc<Arriving>,
    state: State,
    heard: Arc<Heard>,
    /// Bytes that were there when it last looked.
    left: usize,
}

enum State {
    Length,
    Short { bytes: usize },
    Long { bytes: usize, body: Vec<u8>, room: ArrivingRoom },
    Skip { bytes: usize, head: BytesMut, left: usize, why: Unread },
}

impl Framing {
    pub(crate) fn new(bytes_max: usize, arriving: Arc<Arriving>) -> Framing {
        Framing { bytes_max, arriving, state: State::Length, heard: Arc::default(), left: 0 }
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
            let why = Unread::TooLong { max: self.bytes_max };
            return Ok(State::Skip { bytes, head: BytesMut::new(), left: bytes, why });
        }
        if bytes <= READ_BYTES {
            return Ok(State::Short { bytes });
        }
        Ok(State::Long { bytes, body: Vec::new(), room: self.arriving.room() })
    }
}

impl Decoder for Framing {
    type Item = Frame;
    type Error = io::Error;

    fn decode(&mut self, source: &mut BytesMut) -> io::Result<Option<Frame>> {
        let came = source.len().saturating_sub(self.left);
        let frame = self.cut(source)?;
        self.left = source.len();
        let is_within = !matches!(self.state, State::Length) || !source.is_empty();
        self.heard.note(came, u64::from(frame.is_some()), is_within);
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
                State::Short { bytes } => {
                    let missing = bytes.saturating_sub(source.len());
                    if missing > 0 {
                        source.reserve(missing);
                        return Ok(None);
                    }
                    let frame = source.split_to(*bytes).freeze();
                    self.state = State::Length;
                    return Ok(Some(Frame::Whole(frame, None)));
                }
                State::Long { bytes, body, room } => {
                    let here = source.len().min(*bytes - body.len());
                    let (bytes, there) = (*bytes, body.len() + here);
                    if there > body.capacity() {
                        let wanted = there.max(body.capacity() / 2 * 3).max(GROW_BYTES).min(bytes);
                        if !room.grow_to(wanted) {
                            let head = BytesMut::from(&body[..body.len().min(HEAD_BYTES)]);
                            let (left, why) =
                                (bytes - body.len(), Unread::NoRoom { max: self.arriving.max() });
                            self.state = State::Skip { bytes, head, left, why };
                            continue;
                        }
                        body.reserve_exact(wanted - body.len());
                    }
                    body.extend_from_slice(&source[..here]);
                    source.advance(here);
                    if there < bytes {
                        source.reserve(READ_BYTES);
                        return Ok(None);
                    }
                    if let State::Long { body, room, .. } = std::mem::replace(&mut self.state, State::Length)
                    {
                        return Ok(Some(Frame::Whole(body.into(), Some(room))));
                    }
                }
                State::Skip { bytes, head, left, why } => {
                    let here = source.len().min(*left);
                    let kept = here.min(HEAD_BYTES.saturating_sub(head.len()));
                    head.extend_from_slice(&source[..kept]);
                    source.advance(here);
                    *left -= here;
                    if *left > 0 {
                        source.reserve(READ_BYTES);
                        return Ok(None);
                    }
                    let frame = Frame::Unread { head: std::mem::take(head), bytes: *bytes, why: *why };
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
    use std::sync::atomic::{AtomicU64, Ordering};

    const LONG: usize = 3 * GROW_BYTES;

    fn framing(bytes_max: usize, room: usize) -> (Framing, Arc<AtomicU64>) {
        let used = Arc::new(AtomicU64::new(0));
        (Framing::new(bytes_max, Arriving::new(room, used.clone())), used)
    }

    /// What came of a frame.
    #[derive(Debug, PartialEq)]
    enum Found {
        Whole(Vec<u8>),
        TooLong(Vec<u8>, usize),
        NoRoom(Vec<u8>, usize),
    }

    /// What is found in `bytes` that arrive in pieces of `piece` bytes.
    fn frames(framing: &mut Framing, bytes: &[u8], piece: usize) -> Vec<Found> {
        let (mut source, mut found) = (BytesMut::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            source.extend_from_slice(piece);
            while let Some(frame) = framing.decode(&mut source).unwrap() {
                found.push(match frame {
                    Frame::Whole(bytes, _) => Found::Whole(bytes.to_vec()),
                    Frame::Unread { head, bytes, why: Unread::TooLong { .. } } => {
                        Found::TooLong(head.to_vec(), bytes)
                    }
                    Frame::Unread { head, bytes, why: Unread::NoRoom { .. } } => {
                        Found::NoRoom(head.to_vec(), bytes)
                    }
                });
            }
        }
        assert!(source.is_empty());
        found
    }

    fn encoded(bodies: &[Vec<u8>]) -> BytesMut {
        let (mut out, mut bytes) = (framing(0, 0).0, BytesMut::new());
        for body in bodies {
            out.encode(body.clone().into(), &mut bytes).unwrap();
        }
        bytes
    }

    #[test]
    fn long_frames_are_skipped_and_the_next_one_is_found() {
        let bytes = encoded(&[vec![1; 10], vec![2; 11], vec![3; 500], vec![], vec![4; 3]]);
        let whole = |body: &[u8]| Found::Whole(body.into());
        let long = |head: &[u8], bytes| Found::TooLong(head.into(), bytes);
        let expected =
            [whole(&[1; 10]), long(&[2; 11], 11), long(&[3; HEAD_BYTES], 500), whole(&[]), whole(&[4; 3])];
        for piece in [1, 3, 64, bytes.len()] {
            assert_eq!(frames(&mut framing(10, 0).0, &bytes, piece), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn a_length_takes_no_memory_and_one_above_all_ends_the_connection() {
        let mut source = BytesMut::from(&(FRAME_BYTES_CEILING as u32).to_be_bytes()[..]);
        let (mut framed, used) = framing(usize::MAX, usize::MAX);
        assert!(framed.decode(&mut source).unwrap().is_none());
        assert!(source.capacity() <= 2 * READ_BYTES && used.load(Ordering::Relaxed) == 0);
        let mut source = BytesMut::from(&(FRAME_BYTES_CEILING as u32 + 1).to_be_bytes()[..]);
        assert!(framing(usize::MAX, 0).0.decode(&mut source).is_err());
    }

    #[test]
    fn i21_what_came_of_a_long_frame_is_counted_and_given_back_with_it() {
        let bytes = encoded(&[vec![7; LONG]]);
        let (mut framed, used) = framing(LONG, LONG);
        let (mut source, mut counted) = (BytesMut::new(), 0);
        let (last, most) = bytes.split_last().unwrap();
        for piece in most.chunks(1_000) {
            source.extend_from_slice(piece);
            assert!(framed.decode(&mut source).unwrap().is_none());
            counted += piece.len();
            let used = used.load(Ordering::Relaxed) as usize;
            assert!(
                used + LENGTH_BYTES >= counted && used <= GROW_BYTES.max(counted * 3 / 2),
                "{used} for {counted}"
            );
            assert!(source.capacity() <= 3 * READ_BYTES, "it lies in memory of its own");
        }
        source.extend_from_slice(&[*last]);
        let whole = framed.decode(&mut source).unwrap().unwrap();
        assert_eq!(used.load(Ordering::Relaxed), LONG as u64, "until it was read");
        drop(whole);
        assert_eq!(used.load(Ordering::Relaxed), 0);
        // A frame that never ends gives its room back with its connection.
        source.extend_from_slice(most);
        assert!(framed.decode(&mut source).unwrap().is_none());
        assert!(used.load(Ordering::Relaxed) > 0);
        drop(framed);
        assert_eq!(used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn i21_a_frame_without_room_is_skipped_and_short_ones_pass() {
        let bytes = encoded(&[vec![1; LONG], vec![2; READ_BYTES], vec![3; READ_BYTES + 1]]);
        for (room, is_first_whole) in [(0, false), (GROW_BYTES, false), (LONG - 1, false), (LONG, true)] {
            for piece in [7, 50_000, bytes.len()] {
                let (mut framed, used) = framing(LONG, room);
                let found = frames(&mut framed, &bytes, piece);
                let first = match is_first_whole {
                    true => Found::Whole(vec![1; LONG]),
                    false => Found::NoRoom(vec![1; HEAD_BYTES], LONG),
                };
                assert_eq!(found[0], first, "{room} in pieces of {piece}");
                assert_eq!(found[1], Found::Whole(vec![2; READ_BYTES]));
                let last = match room {
                    0 => Found::NoRoom(vec![3; HEAD_BYTES], READ_BYTES + 1),
                    _ => Found::Whole(vec![3; READ_BYTES + 1]),
                };
                assert_eq!(found[2..], [last], "what the first had is there again");
                assert_eq!(used.load(Ordering::Relaxed), 0);
            }
        }
    }
}
