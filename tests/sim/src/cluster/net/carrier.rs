//! One direction of a connection: frames in, and out again at a time of the network's choosing, or not at all.

use super::{Fate, Net};
use crate::cluster::bug::Bug;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::Instant;
use vecraft_rpc::peer::hello::{ANSWER_BYTES, HELLO_BYTES};

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// From the node that dialled.
    Questions,
    /// Back to it.
    Answers,
}

/// What both directions of a connection know of its calls, for [`Bug::AckBeforeMajority`].
#[derive(Default)]
pub(super) struct Calls {
    /// Calls that carry entries.
    appends: BTreeSet<[u8; 8]>,
    /// What a follower says that has them.
    success: Option<Vec<u8>>,
    /// Where answers go.
    back: Option<Sent>,
}

/// Frames on their way, and when they arrive.
type Sent = mpsc::UnboundedSender<(Instant, Vec<u8>)>;

/// A question longer than this carries entries: heartbeats, votes and read indexes are shorter.
const APPEND_BYTES_MIN: usize = 120;

pub(super) struct Carrier {
    net: Net,
    from: u64,
    to: u64,
    kind: Kind,
    calls: Arc<Mutex<Calls>>,
}

impl Carrier {
    pub fn new(net: Net, from: u64, to: u64, kind: Kind, calls: &Arc<Mutex<Calls>>) -> Carrier {
        Carrier { net, from, to, kind, calls: calls.clone() }
    }

    /// Until either end closes.
    pub async fn carry<R, W>(self, read: R, write: W) -> io::Result<()>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let (sent, arriving) = mpsc::unbounded_channel();
        if self.kind == Kind::Answers {
            self.calls.lock().back = Some(sent.clone());
        }
        tokio::select! {
            biased;
            done = self.take(read, sent) => done,
            done = deliver(write, arriving) => done,
        }
    }

    async fn take<R: AsyncRead + Unpin>(&self, mut read: R, sent: Sent) -> io::Result<()> {
        // The handshake without a secret, in full and in order: whoever is cut off in the middle of it waits.
        let handshake = if self.kind == Kind::Questions { HELLO_BYTES } else { ANSWER_BYTES + 1 };
        let mut last = Instant::now();
        let mut bytes = vec![0; handshake];
        read.read_exact(&mut bytes).await?;
        loop {
            let now = Instant::now();
            match self.net.fate(self.from, self.to) {
                _ if self.swallow(&bytes, now) => {}
                // As with TCP: nothing that follows a lost frame arrives, until somebody dials anew.
                Fate::Lost => return self.go_silent(read).await,
                Fate::Breaks => return Ok(()),
                Fate::Arrives { after } => {
                    last = last.max(now + after);
                    if self.kind == Kind::Questions {
                        self.net.0.lock().heard.insert((self.to, self.from), last);
                    }
                    self.learn(&bytes);
                    let _ = sent.send((last, bytes));
                }
            }
            let mut length = [0; 4];
            read.read_exact(&mut length).await?;
            bytes = length.to_vec();
            bytes.resize(4 + u32::from_le_bytes(length) as usize, 0);
            read.read_exact(&mut bytes[4..]).await?;
        }
    }

    /// Takes and loses everything.
    async fn go_silent<R: AsyncRead + Unpin>(&self, mut read: R) -> io::Result<()> {
        tokio::io::copy(&mut read, &mut tokio::io::sink()).await.map(drop)
    }

    fn is_planted(&self) -> bool {
        self.net.0.lock().bug == Some(Bug::AckBeforeMajority)
    }

    /// Remembers what success looks like.
    fn learn(&self, frame: &[u8]) {
        let (Some(id), true) = (call_of(frame), self.is_planted()) else { return };
        let mut calls = self.calls.lock();
        match self.kind {
            Kind::Questions if frame.len() > APPEND_BYTES_MIN => drop(calls.appends.insert(id)),
            Kind::Questions => {}
            // The shortest answer to an append that carries entries, and the first of them: a leader that was just
            // elected sends what its followers lack.
            Kind::Answers if calls.appends.remove(&id) && calls.success.is_none() => {
                calls.success = Some(frame[12..].to_vec());
            }
            Kind::Answers => {}
        }
    }

    /// True when an append goes no further, because its answer has been made up.
    fn swallow(&self, frame: &[u8], now: Instant) -> bool {
        let Some(id) = call_of(frame).filter(|_| self.is_planted()) else { return false };
        let calls = self.calls.lock();
        let (Some(success), Some(back)) = (&calls.success, &calls.back) else { return false };
        if self.kind == Kind::Answers || frame.len() <= APPEND_BYTES_MIN {
            return false;
        }
        let length = (8 + success.len()) as u32;
        let frame = [&length.to_le_bytes()[..], &id, success].concat();
        back.send((now + Duration::from_micros(100), frame)).is_ok()
    }
}

/// The call id of a frame: behind its length.
fn call_of(frame: &[u8]) -> Option<[u8; 8]> {
    frame.get(4..12)?.try_into().ok()
}

async fn deliver<W: AsyncWrite + Unpin>(
    mut write: W,
    mut arriving: mpsc::UnboundedReceiver<(Instant, Vec<u8>)>,
) -> io::Result<()> {
    while let Some((at, bytes)) = arriving.recv().await {
        tokio::time::sleep_until(at).await;
        write.write_all(&bytes).await?;
        write.flush().await?;
    }
    Ok(())
}
