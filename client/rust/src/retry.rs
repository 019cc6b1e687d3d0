//! One call: attempts, pauses, deadline, and what may be said about a write whose answer was lost.
//!
//! ```text
//!             ┌──────── pause, another door if any ────────┐
//! attempt ──> answer ok or final ──> done                  │
//!         ├─> server says "later" (not ready, busy) ───────┤
//!         ├─> could not connect: nothing was sent ─────────┤
//!         └─> connection lost after sending: unclear ──────┘
//! ```
//! Once an attempt of a write was unclear, only success clears it: any other end is "outcome unknown", because the
//! lost attempt may have been done. Sending again is safe, for the server knows the request by its name (I10), also one that
//! makes something; a drop, which goes by the name of what it drops, is not sent again.

use crate::client::Inner;
use crate::door::{Door, Open, ask_topology};
use crate::doors::Doors;
use crate::map::Aim;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tarpc::client::RpcError;
use tarpc::context::{self, Context};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use vecraft_rpc::database::DatabaseServiceClient;
use vecraft_rpc::transport::chain;
use vecraft_rpc::wire::DEADLINE_MAX;
use vecraft_types::api::{Call, TopologyRequest};
use vecraft_types::{Code, Error, Result};

/// First pause before another attempt; doubled up to [`PAUSE_MAX`], and each is shortened at random by up to half.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// How much longer than the database the connection waits: the database says more about a late call.
const ANSWER_SLACK: Duration = Duration::from_millis(500);

/// An attempt with less of the call's time left than this part, or this much, could only be cut off, and with it what was
/// heard before.
const ATTEMPT_SHARE: u32 = 16;
const ATTEMPT_MIN: Duration = Duration::from_millis(200);

/// How long a call may be quiet before its server is asked for a sign of life, where there are other servers.
const QUIET_MAX: Duration = Duration::from_secs(1);
/// How long the sign may take: it needs no work, only a server that runs.
const SIGN_MAX: Duration = Duration::from_millis(1_500);

/// What a verb does to the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing; a lost answer is just a missing answer.
    Read,
    /// Changes something; a lost answer leaves the outcome open.
    Write,
    /// Goes by a name that may mean something else a moment later: after a lost answer it is not sent again, or it could
    /// drop what another user has made since.
    Once,
}

/// What is asked.
#[derive(Clone, Copy)]
pub(crate) struct Verb<'a> {
    /// Its name, for messages.
    pub(crate) name: &'static str,
    /// What it does to the data.
    pub(crate) kind: Kind,
    /// Who is near; none when any node is as good as the other.
    pub(crate) aim: Option<&'a dyn Aim>,
}

/// How one attempt ended, other than with the database's answer.
enum Failure {
    /// Nothing was sent.
    NotSent(Error),
    /// Sent, or perhaps sent; no answer will come.
    Lost(Error),
    /// Trying again is of no use.
    Final(Error),
}

impl Inner {
    /// Calls a verb until it is answered for good or the deadline passes.
    pub(crate) async fn ask<T, F, Fut>(
        &self,
        doors: &Arc<Doors>,
        verb: Verb<'_>,
        call: Call,
        send: F,
    ) -> Result<T>
    where
        F: Fn(DatabaseServiceClient, Context, Call) -> Fut,
        Fut: Future<Output = std::result::Result<Result<T>, RpcError>>,
    {
        let wait = call.deadline_ms.map_or(self.options.deadline, Duration::from_millis).min(DEADLINE_MAX);
        let until = Instant::now() + wait;
        let mut pauses = Pauses::new(self.jitter());
        let (mut is_unclear, mut told) = (false, None);
        let useful = (wait / ATTEMPT_SHARE).min(ATTEMPT_MIN);
        let mut asking =
            Asking { doors, verb, until, retries: self.options.retries, asked: None, avoided: Vec::new() };
        loop {
            let (error, may_retry) = match asking.attempt(&call, &send).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => {
                    let later = is_later(&error);
                    (error, later)
                }
                Err(Failure::NotSent(error)) => (error, true),
                Err(Failure::Lost(error)) => {
                    is_unclear |= verb.kind != Kind::Read;
                    (error, verb.kind != Kind::Once)
                }
                Err(Failure::Final(error)) => (error, false),
            };
            let pause = pauses.next(&error);
            asking.failed(&error);
            if !may_retry || !self.options.retries || Instant::now() + pause + useful >= until {
                let error = explained(error, told);
                return Err(if is_unclear { unknown(verb.name, error) } else { error });
            }
            tracing::debug!(verb = verb.name, %error, pause_ms = pause.as_millis() as u64, "trying again");
            told = Some(error);
            sleep(pause).await;
        }
    }
}

/// "Too late" says nothing about why: what an earlier attempt was told does.
fn explained(error: Error, told: Option<Error>) -> Error {
    match told {
        Some(told) if error.code == Code::Deadline => error.after(&told),
        _ => error,
    }
}

/// The attempts of one call.
struct Asking<'a> {
    doors: &'a Arc<Doors>,
    verb: Verb<'a>,
    until: Instant,
    retries: bool,
    /// The door of the last attempt; none when none opened.
    asked: Option<Arc<Door>>,
    /// Doors at which this call failed, the last one last: it is tried again after all others.
    avoided: Vec<String>,
}

impl Asking<'_> {
    /// The last attempt failed for this.
    fn failed(&mut self, error: &Error) {
        // One that is busy asks to be asked again; it is not the wrong one.
        let Some(door) = self.asked.take().filter(|_| error.code != Code::RateLimited) else { return };
        self.doors.doubt(self.verb.aim);
        self.avoided.retain(|address| address != door.address());
        self.avoided.push(door.address().to_owned());
    }

    /// One attempt, at the best door that opens.
    async fn attempt<T, F, Fut>(&mut self, call: &Call, send: &F) -> std::result::Result<Result<T>, Failure>
    where
        F: Fn(DatabaseServiceClient, Context, Call) -> Fut,
        Fut: Future<Output = std::result::Result<Result<T>, RpcError>>,
    {
        let (doors, verb, until) = (self.doors, self.verb.name, self.until);
        let late = || Error::new(Code::Deadline, format!("{verb}: no answer within the call's deadline"));
        let opening = timeout_at(until, doors.open(self.verb.aim, &self.avoided));
        let (door, Open { rpc, generation }) = match opening.await {
            Ok(open) => open.map_err(Failure::NotSent)?,
            Err(_) => return Err(Failure::Final(late())),
        };
        self.asked = Some(door.clone());
        let left = until.saturating_duration_since(Instant::now());
        let mut call = call.clone();
        call.deadline_ms = Some(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        let mut context = context::current();
        context.deadline = (until + ANSWER_SLACK).into_std();
        let sent = send(rpc.clone(), context, call);
        let is_watched = self.retries && doors.are_several();
        let answer = if is_watched { while_alive(&rpc, sent).await } else { Some(sent.await) };
        let error = match answer {
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(error)) => error,
            None => {
                door.broke(generation).await;
                door.fell_silent();
                let text = format!("{verb}: {} fell silent before an answer came", door.address());
                return Err(Failure::Lost(Error::new(Code::Unavailable, text)));
            }
        };
        Err(match &error {
            RpcError::DeadlineExceeded => {
                // Not even "too late" came back: the server may be gone without a word. Others on this connection
                // keep it; the next call opens another.
                door.broke(generation).await;
                door.fell_silent();
                Failure::Final(late())
            }
            // The frame was refused before it was written: the connection is as good as before.
            RpcError::Send(_) => {
                let text = format!("{verb}: cannot send: {}", chain(&error));
                Failure::Final(Error::new(Code::ParameterTooLarge, text))
            }
            RpcError::Server(refused) => refusal(verb, refused),
            RpcError::Shutdown | RpcError::Channel(_) => {
                door.broke(generation).await;
                let text = format!("{verb}: the connection broke before an answer came: {}", chain(&error));
                Failure::Lost(Error::new(Code::Unavailable, text))
            }
        })
    }
}

/// Waits for an answer as long as the server gives a sign of life; none when it does not. A call may take its time, but
/// a node that is stopped or cut off must not cost its whole deadline.
async fn while_alive<T>(rpc: &DatabaseServiceClient, answer: impl Future<Output = T>) -> Option<T> {
    let mut answer = std::pin::pin!(answer);
    loop {
        if let Ok(answer) = timeout(QUIET_MAX, &mut answer).await {
            return Some(answer);
        }
        let sign = ask_topology(rpc, TopologyRequest::default(), Instant::now() + SIGN_MAX);
        tokio::select! {
            answer = &mut answer => return Some(answer),
            sign = sign => if sign.is_err() { return None },
        }
    }
}

/// The server's door, not its database, refused the call or could not send its answer.
fn refusal(verb: &str, refused: &tarpc::ServerError) -> Failure {
    let text = format!("{verb}: {}", refused.detail);
    match refused.kind {
        std::io::ErrorKind::WouldBlock => Failure::NotSent(Error::new(Code::RateLimited, text)),
        std::io::ErrorKind::InvalidInput => Failure::Final(Error::new(Code::ParameterTooLarge, text)),
        _ => Failure::Final(Error::new(Code::OutcomeUnknown, text)),
    }
}

/// True when the database did nothing and may do it later.
fn is_later(error: &Error) -> bool {
    matches!(error.code, Code::NotReady | Code::Unavailable | Code::ReplicaUnavailable | Code::RateLimited)
}

/// The end of a write of which an attempt may have been done.
fn unknown(verb: &str, last: Error) -> Error {
    match last.code {
        Code::Deadline | Code::OutcomeUnknown => last,
        code => {
            let detail =
                format!("{verb} may have been done; the last attempt: {}: {}", code.text(), last.detail);
            Error { code: Code::OutcomeUnknown, detail, ..last }
        }
    }
}

/// Growing pauses.
struct Pauses {
    next: Duration,
    jitter: u64,
}

impl Pauses {
    fn new(jitter: u64) -> Pauses {
        Pauses { next: PAUSE_FIRST, jitter }
    }

    /// The pause before the next attempt: ours, or longer when the server asks for it.
    fn next(&mut self, error: &Error) -> Duration {
        // An LCG is enough here: the point is that many clients do not come back in step.
        self.jitter = self.jitter.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let own = self.next - (self.next / 2).mul_f64((self.jitter >> 40) as f64 / f64::from(1 << 24));
        self.next = (self.next * 2).min(PAUSE_MAX);
        own.max(Duration::from_millis(error.retry_after_ms.unwrap_or(0)))
    }
}
