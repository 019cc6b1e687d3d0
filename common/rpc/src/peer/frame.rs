//! Where a message ends, and how large it may be.
//!
//! ```text
//! length u32 little-endian | that many bytes
//! ```
//! A frame over the limit ends the connection before it takes memory, and room for a large one is made as its bytes
//! arrive. Parts of a frame are written from where they are; large ones are never copied together.

use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Room made at once for bytes that are announced but not there.
const STEP_BYTES: usize = 1 << 20;
/// Room kept for small frames.
const READ_BYTES: usize = 64 << 10;
/// Parts below this are copied together: one more slice for the kernel costs about as much.
const COPY_BELOW: usize = 1 << 10;

/// A message in parts, sent one after the other as one.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    parts: Vec<Bytes>,
}

impl Frame {
    /// A frame of one part, to which others may be added.
    pub fn new(head: impl Into<Bytes>) -> Frame {
        Frame { parts: vec![head.into()] }
    }

    /// Adds a part; the bytes are shared, not copied.
    pub fn push(&mut self, part: Bytes) {
        self.parts.push(part);
    }

    /// Bytes of all parts.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Reads frames. `next` may be dropped and called again: nothing that was read is lost.
pub(super) struct FrameReader<R> {
    io: R,
    buffer: BytesMut,
    bytes_max: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub fn new(io: R, bytes_max: usize) -> FrameReader<R> {
        FrameReader { io, buffer: BytesMut::new(), bytes_max }
    }

    /// The next frame; `None` when the other end closed between two frames.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(frame) = self.split()? {
                return Ok(Some(frame));
            }
            if self.io.read_buf(&mut self.buffer).await? == 0 {
                let is_between = self.buffer.is_empty();
                let torn = || io::Error::new(io::ErrorKind::UnexpectedEof, "closed in the middle of a frame");
                return if is_between { Ok(None) } else { Err(torn()) };
            }
        }
    }

    fn split(&mut self) -> io::Result<Option<Bytes>> {
        let Some(length) = self.buffer.first_chunk::<4>() else {
            self.buffer.reserve(READ_BYTES);
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > self.bytes_max {
            let what = format!("a frame of {length} bytes, at most {} are allowed", self.bytes_max);
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let missing = (4 + length).saturating_sub(self.buffer.len());
        if missing > 0 {
            self.buffer.reserve(missing.clamp(1, STEP_BYTES));
            return Ok(None);
        }
        self.buffer.advance(4);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }
}

/// Frames gathered for one write.
#[derive(Default)]
pub(super) struct Batch {
    chunks: VecDeque<Bytes>,
    small: BytesMut,
    bytes: usize,
}

impl Batch {
    /// Adds a message: `prefix` and the frame's parts, under one length.
    pub fn push(&mut self, prefix: &[u8], frame: Frame) {
        let length = prefix.len() + frame.len();
        // Both ends limit frames far below 4 GiB; a longer one would be refused by its reader.
        self.put(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        self.put(prefix);
        for part in frame.parts {
            if part.len() < COPY_BELOW {
                self.put(&part);
            } else {
                self.close_small();
                self.bytes += part.len();
                self.chunks.push_back(part);
            }
        }
    }

    /// Bytes gathered.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Writes everything gathered and flushes.
    pub async fn write_to(&mut self, io: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        self.close_small();
        io.write_all_buf(&mut Chunks(&mut self.chunks)).await?;
        self.bytes = 0;
        io.flush().await
    }

    fn put(&mut self, bytes: &[u8]) {
        self.small.extend_from_slice(bytes);
        self.bytes += bytes.len();
    }

    fn close_small(&mut self) {
        if !self.small.is_empty() {
            self.chunks.push_back(self.small.split().freeze());
        }
    }
}

/// Several buffers as one, for vectored writes.
struct Chunks<'a>(&'a mut VecDeque<Bytes>);

impl Buf for Chunks<'_> {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], |chunk| chunk)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = self.0.iter().zip(slices.iter_mut());
        filled.map(|(chunk, slice)| *slice = IoSlice::new(chunk)).count()
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(chunk) = self.0.front_mut() {
            let step = count.min(chunk.len());
            chunk.advance(step);
            count -= step;
            if !chunk.is_empty() {
                return;
            }
            self.0.pop_front();
        }
    }
}
