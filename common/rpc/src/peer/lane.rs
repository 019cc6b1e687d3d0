//! Asking a node: one connection that carries many calls at once.
//!
//! A lane connects when it is first used, and again after it broke. Calls started one after the other leave in that
//! order. A call that ends without an answer looks whether the connection brought anything at all for a while, and
//! gives it up if not: after a partition TCP alone would go on hoping for minutes.

use super::error::Error;
use super::frame::{Batch, Frame, FrameReader};
use super::hello::Channel;
use super::peers::{PeerStream, Peers};
use crate::complaints::Complaints;
use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vecraft_types::NodeId;

/// Bytes that wait to be written; further calls wait for room.
const QUEUE_BYTES: usize = 32 << 20;
/// Calls that wait to be written.
const QUEUE_MAX: usize = 1_024;
/// Bytes gathered for one write.
const WRITE_BYTES: usize = 1 << 20;
/// A connection that owes answers and brought nothing for so long is given up. Long enough for a busy machine, short
/// enough to be back before a second election.
const SILENCE_MAX: Duration = Duration::from_millis(1_000);
/// Largest frame, both ways.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// One connection to a node's channel, made when needed.
pub struct Lane {
    peers: Arc<Peers>,
    to: NodeId,
    channel: Channel,
    number: u8,
    live: tokio::sync::Mutex<Option<Arc<Live>>>,
}

impl Lane {
    /// A lane; nothing is connected yet. `number` tells parallel connections of one channel apart.
    pub fn new(peers: Arc<Peers>, to: NodeId, channel: Channel, number: u8) -> Lane {
        Lane { peers, to, channel, number, live: tokio::sync::Mutex::default() }
    }

    /// Sends a question; its answer is waited for at the [`Call`]. `wait` counts from now and covers connecting.
    ///
    /// # Errors
    /// [`Error::Unreachable`] and [`Error::Refused`] at once when a recent attempt failed; [`Error::TimedOut`],
    /// [`Error::TooLarge`]. Nothing was sent.
    pub async fn start(&self, question: Frame, wait: Duration) -> Result<Call, Error> {
        let (bytes, max) = (question.len(), FRAME_BYTES_MAX - 8);
        if bytes > max {
            return Err(Error::TooLarge { node: self.to, bytes, max });
        }
        let late = |_| Error::TimedOut { node: self.to, waited_ms: wait.as_millis() as u64 };
        let deadline = Instant::now() + wait;
        let started = async {
            let live = self.live().await?;
            live.send(question, deadline, wait).await
        };
        tokio::time::timeout_at(deadline, started).await.map_err(late)?
    }

    /// Sends a question and waits for its answer.
    ///
    /// # Errors
    /// As [`Lane::start`] and [`Call::answer`].
    pub async fn call(&self, question: Frame, wait: Duration) -> Result<Bytes, Error> {
        self.start(question, wait).await?.answer().await
    }

    async fn live(&self) -> Result<Arc<Live>, Error> {
        // Callers share one attempt; it goes on when its caller gives up, so that its failure is remembered.
        let mut slot = self.live.lock().await;
        if let Some(live) = slot.as_ref().filter(|live| !live.shared.ended.is_cancelled()) {
            return Ok(live.clone());
        }
        *slot = None;
        let (peers, to, channel, number) = (self.peers.clone(), self.to, self.channel, self.number);
        let dialed = tokio::spawn(async move { peers.dial(to, channel, number).await });
        let stream = dialed.await.map_err(|e| Error::Unreachable { node: to, why: e.to_string() })??;
        let live = Arc::new(Live::start(to, stream, self.peers.complaints().clone()));
        *slot = Some(live.clone());
        Ok(live)
    }
}

/// A connection that stands.
struct Live {
    queue: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    shared: Arc<Shared>,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.end("no longer used");
    }
}

/// What the tasks of a connection and its calls share.
struct Shared {
    to: NodeId,
    next: AtomicU64,
    waiting: Mutex<Waiting>,
    ended: CancellationToken,
}

#[derive(Default)]
struct Waiting {
    calls: HashMap<u64, oneshot::Sender<Bytes>>,
    /// When the first question was asked since the last answer.
    owing_since: Option<Instant>,
    ended: Option<String>,
}

struct Queued {
    id: u64,
    question: Frame,
    _room: OwnedSemaphorePermit,
}

impl Shared {
    fn end(&self, why: &str) {
        let mut waiting = self.waiting.lock();
        if waiting.ended.is_none() {
            waiting.ended = Some(why.to_owned());
        }
        waiting.calls.clear();
        self.ended.cancel();
    }

    /// The caller that waits for this answer.
    fn heard(&self, id: u64) -> Option<oneshot::Sender<Bytes>> {
        let mut waiting = self.waiting.lock();
        let caller = waiting.calls.remove(&id);
        waiting.owing_since = (!waiting.calls.is_empty()).then(Instant::now);
        caller
    }

    /// A call ends without its answer.
    fn forget(&self, id: u64) {
        let is_silent = {
            let mut waiting = self.waiting.lock();
            waiting.calls.remove(&id).is_some()
                && waiting.owing_since.is_some_and(|since| since.elapsed() > SILENCE_MAX)
        };
        if is_silent {
            self.end("no answer for too long");
        }
    }

    fn closed(&self) -> Error {
        let why = self.waiting.lock().ended.clone().unwrap_or_default();
        Error::Closed { node: self.to, why }
    }
}

impl Live {
    fn start(to: NodeId, stream: PeerStream, complaints: Arc<Complaints>) -> Live {
        let (queue, queued) = mpsc::channel(QUEUE_MAX);
        let shared = Arc::new(Shared {
            to,
            next: AtomicU64::new(1),
            waiting: Mutex::default(),
            ended: CancellationToken::new(),
        });
        let (read, write) = tokio::io::split(stream);
        tokio::spawn(write_questions(write, queued, shared.clone()));
        tokio::spawn(read_answers(read, shared.clone(), complaints));
        Live { queue, room: Arc::new(Semaphore::new(QUEUE_BYTES)), shared }
    }

    async fn send(&self, question: Frame, deadline: Instant, wait: Duration) -> Result<Call, Error> {
        let shared = &self.shared;
        let bytes = question.len().clamp(1, QUEUE_BYTES) as u32;
        let room = tokio::select! {
            room = self.room.clone().acquire_many_owned(bytes) => room.map_err(|_| shared.closed())?,
            () = shared.ended.cancelled() => return Err(shared.closed()),
        };
        let id = shared.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        {
            let mut waiting = shared.waiting.lock();
            if waiting.ended.is_some() {
                drop(waiting);
                return Err(shared.closed());
            }
            waiting.calls.insert(id, answer);
            waiting.owing_since.get_or_insert_with(Instant::now);
        }
        let call = Call { shared: shared.clone(), id, answered, deadline, wait };
        self.queue.send(Queued { id, question, _room: room }).await.map_err(|_| shared.closed())?;
        Ok(call)
    }
}

async fn write_questions(
    mut write: WriteHalf<PeerStream>,
    mut queued: mpsc::Receiver<Queued>,
    shared: Arc<Shared>,
) {
    let mut batch = Batch::default();
    let mut rooms = Vec::new();
    let work = async {
        while let Some(first) = queued.recv().await {
            let mut next = Some(first);
            while let Some(Queued { id, question, _room }) = next {
                batch.push(&id.to_le_bytes(), question);
                rooms.push(_room);
                next = if batch.len() < WRITE_BYTES { queued.try_recv().ok() } else { None };
            }
            batch.write_to(&mut write).await?;
            rooms.clear();
        }
        Ok::<(), std::io::Error>(())
    };
    tokio::select! {
        done = work => if let Err(error) = done { shared.end(&error.to_string()) },
        () = shared.ended.cancelled() => {}
    }
}

async fn read_answers(read: ReadHalf<PeerStream>, shared: Arc<Shared>, complaints: Arc<Complaints>) {
    let mut frames = FrameReader::new(read, FRAME_BYTES_MAX);
    let work = async {
        while let Some(mut frame) = frames.next().await? {
            let no_id = |_| std::io::Error::new(std::io::ErrorKind::InvalidData, "an answer without its id");
            let id = frame.try_get_u64_le().map_err(no_id)?;
            let caller = shared.heard(id);
            // Without one, the caller's time was up.
            if let Some(caller) = caller {
                let _ = caller.send(frame);
            }
        }
        Ok::<(), std::io::Error>(())
    };
    let why = tokio::select! {
        done = work => match done {
            Ok(()) => "closed by the other end".to_owned(),
            Err(error) => {
                if error.kind() == std::io::ErrorKind::InvalidData {
                    complaints.tell(shared.to, "a peer's answer broke the rules, connection closed", &error);
                }
                error.to_string()
            }
        },
        () = shared.ended.cancelled() => return,
    };
    tracing::debug!(node = %shared.to, why, "peer connection ended");
    shared.end(&why);
}

/// A question on its way.
pub struct Call {
    shared: Arc<Shared>,
    id: u64,
    answered: oneshot::Receiver<Bytes>,
    deadline: Instant,
    wait: Duration,
}

impl Call {
    /// The answer.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::TimedOut`]: the question may have arrived.
    pub async fn answer(mut self) -> Result<Bytes, Error> {
        match tokio::time::timeout_at(self.deadline, &mut self.answered).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(self.shared.closed()),
            Err(_) => Err(Error::TimedOut { node: self.shared.to, waited_ms: self.wait.as_millis() as u64 }),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.shared.forget(self.id);
    }
}
