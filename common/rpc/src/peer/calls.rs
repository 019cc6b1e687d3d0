//! Answering calls on a connection.
//!
//! ```text
//! frame   call id u64 | question          frame   call id u64 | answer
//! ```
//! Questions are *begun* in the order in which they came: each one's future is polled once before the next frame is
//! looked at, so that a handler which hands its question on in the first poll keeps the order. Answers go back as
//! they become ready and may overtake. Questions under way are bounded by bytes and by number: beyond that the
//! connection is not read, and TCP tells the other end.

use super::frame::{Batch, Frame, FrameReader};
use bytes::{Buf, Bytes};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use futures::{FutureExt, poll};
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::unconstrained;

/// Answers gathered for one write, in bytes.
const WRITE_BYTES: usize = 256 << 10;

/// What one connection may take.
#[derive(Clone, Copy, Debug)]
pub struct CallLimits {
    /// Largest frame.
    pub frame_bytes_max: usize,
    /// Bytes of questions under way; a larger single one passes alone.
    pub under_way_bytes_max: usize,
    /// Questions under way.
    pub under_way_max: usize,
    /// A connection without a frame for so long is closed: its other end may be long gone.
    pub idle_max: Duration,
}

impl Default for CallLimits {
    fn default() -> CallLimits {
        CallLimits {
            frame_bytes_max: 64 << 20,
            under_way_bytes_max: 64 << 20,
            under_way_max: 4_096,
            idle_max: Duration::from_secs(600),
        }
    }
}

/// A question being answered.
struct UnderWay {
    id: u64,
    answer: BoxFuture<'static, Frame>,
    room: OwnedSemaphorePermit,
}

impl UnderWay {
    /// Room is given back when the answer is there, not before.
    async fn finish(self) -> (u64, Frame) {
        let frame = self.answer.await;
        drop(self.room);
        (self.id, frame)
    }
}

/// Answers questions until the other end closes. `handle` must not block; what it returns runs in this task.
///
/// # Errors
/// When the connection breaks or breaks the rules; the text says which.
pub async fn serve_calls<S>(
    stream: S,
    limits: CallLimits,
    handle: impl Fn(Bytes) -> BoxFuture<'static, Frame>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (read, write) = tokio::io::split(stream);
    let (begun, to_answer) = mpsc::channel(limits.under_way_max);
    let mut answering = std::pin::pin!(answer_all(write, to_answer));
    let mut asking = std::pin::pin!(ask_all(read, limits, handle, begun));
    tokio::select! {
        // The writer ends only when it cannot write: nobody is there to ask on behalf of.
        written = &mut answering => written,
        asked = &mut asking => {
            asked?;
            answering.await
        }
    }
}

async fn ask_all<R: AsyncRead + Unpin>(
    read: R,
    limits: CallLimits,
    handle: impl Fn(Bytes) -> BoxFuture<'static, Frame>,
    begun: mpsc::Sender<UnderWay>,
) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(limits.under_way_bytes_max));
    let mut frames = FrameReader::new(read, limits.frame_bytes_max);
    loop {
        let mut frame = match tokio::time::timeout(limits.idle_max, frames.next()).await {
            Ok(frame) => match frame? {
                Some(frame) => frame,
                None => return Ok(()),
            },
            Err(_) if room.available_permits() < limits.under_way_bytes_max => continue,
            Err(_) => return Ok(()),
        };
        let Ok(id) = frame.try_get_u64_le() else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a question without its id"));
        };
        let bytes = frame.len().clamp(1, limits.under_way_bytes_max) as u32;
        let taken = room.clone().acquire_many_owned(bytes).await.map_err(io::Error::other)?;
        let mut answer = handle(frame);
        // Unconstrained: a task that has used up its share of tokio's time finds every channel pending, and a question
        // that could not be handed on in this poll would be overtaken by the next.
        if let Poll::Ready(ready) = poll!(unconstrained(&mut answer)) {
            answer = std::future::ready(ready).boxed();
        }
        let under_way = UnderWay { id, answer, room: taken };
        if begun.send(under_way).await.is_err() {
            return Ok(());
        }
    }
}

async fn answer_all<W: AsyncWrite + Unpin>(
    mut write: W,
    mut begun: mpsc::Receiver<UnderWay>,
) -> io::Result<()> {
    let mut under_way = FuturesUnordered::new();
    let mut is_open = true;
    while is_open || !under_way.is_empty() {
        let first = tokio::select! {
            asked = begun.recv(), if is_open => {
                match asked {
                    Some(asked) => under_way.push(asked.finish()),
                    None => is_open = false,
                }
                continue;
            }
            Some(answered) = under_way.next(), if !under_way.is_empty() => answered,
        };
        let mut batch = Batch::default();
        let mut next = Some(first);
        while let Some((id, frame)) = next {
            batch.push(&id.to_le_bytes(), frame);
            let is_full = batch.len() >= WRITE_BYTES;
            next = if is_full { None } else { under_way.next().now_or_never().flatten() };
        }
        batch.write_to(&mut write).await?;
    }
    Ok(())
}
