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
//! lost attempt may have been done. Sending again is safe, for the server knows the request by its name (I10).

use crate::client::Inner;
use crate::door::{Door, Open};
use crate::doors::Doors;
use crate::map::Aim;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tarpc::client::RpcError;
use tarpc::context::{self, Context};
use tokio::time::{Instant, sleep, timeout_at};
use vecraft_rpc::database::DatabaseServiceClient;
use vecraft_rpc::transport::chain;
use vecraft_rpc::wire::DEADLINE_MAX;
use vecraft_types::api::Call;
use vecraft_types::{Code, Error, Result};

/// First pause before another attempt; doubled up to [`PAUSE_MAX`], and each is shortened at random by up to half.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// How much longer than the database the connection waits: the database says more about a late call.
const ANSWER_SLACK: Duration = Duration::from_millis(500);

/// What a verb does to the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing; a lost answer is just a missing answer.
    Read,
    /// Changes something; a lost answer leaves the outcome open.
    Write,
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
        let mut is_unclear = false;
        // Doors at which this call failed: the others are tried before they are again.
        let mut avoided = Vec::new();
        loop {
            let mut asked = None;
            let (error, may_retry) =
                match attempt(doors, verb, &avoided, &mut asked, until, &call, &send).await {
                    Ok(Ok(value)) => return Ok(value),
                    Ok(Err(error)) => {
                        let later = is_later(&error);
                        (error, later)
                    }
                    Err(Failure::NotSent(error)) => (error, true),
                    Err(Failure::Lost(error)) => {
                        is_unclear |= verb.kind == Kind::Write;
                        (error, true)
                    }
                    Err(Failure::Final(error)) => (error, false),
                };
            let pause = pauses.next(&error);
            // One that is busy asks to be asked again; it is not the wrong one.
            if let Some(door) = asked.filter(|_| error.code != Code::RateLimited) {
                doors.doubt(verb.aim);
                if !avoided.iter().any(|address| address == door.address()) {
                    avoided.push(door.address().to_owned());
                }
            }
            if !may_retry || !self.options.retries || Instant::now() + pause >= until {
                return Err(if is_unclear { unknown(verb.name, error) } else { error });
            }
            tracing::debug!(verb = verb.name, %error, pause_ms = pause.as_millis() as u64, "trying again");
            sleep(pause).await;
        }
    }
}

/// One attempt at the best door that opens, which `asked` is afterwards.
async fn attempt<T, F, Fut>(
    doors: &Arc<Doors>,
    verb: Verb<'_>,
    avoided: &[String],
    asked: &mut Option<Arc<Door>>,
    until: Instant,
    call: &Call,
    send: &F,
) -> std::result::Result<Result<T>, Failure>
where
    F: Fn(DatabaseServiceClient, Context, Call) -> Fut,
    Fut: Future<Output = std::result::Result<Result<T>, RpcError>>,
{
    let name = verb.name;
    let late = || Error::new(Code::Deadline, format!("{name}: no answer within the call's deadline"));
    let (door, Open { rpc, generation }) = match timeout_at(until, doors.open(verb.aim, avoided)).await {
        Ok(open) => open.map_err(Failure::NotSent)?,
        Err(_) => return Err(Failure::Final(late())),
    };
    *asked = Some(door.clone());
    let left = until.saturating_duration_since(Instant::now());
    let mut call = call.clone();
    call.deadline_ms = Some(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
    let mut context = context::current();
    context.deadline = (until + ANSWER_SLACK).into_std();
    let error = match send(rpc, context, call).await {
        Ok(answer) => return Ok(answer),
        Err(error) => error,
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
            let text = format!("{name}: cannot send: {}", chain(&error));
            Failure::Final(Error::new(Code::ParameterTooLarge, text))
        }
        RpcError::Server(refused) => refusal(name, refused),
        RpcError::Shutdown | RpcError::Channel(_) => {
            door.broke(generation).await;
            let text = format!("{name}: the connection broke before an answer came: {}", chain(&error));
            Failure::Lost(Error::new(Code::Unavailable, text))
        }
    })
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
        _ => Error::new(Code::OutcomeUnknown, format!("{verb} may have been done; the last attempt: {last}")),
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
