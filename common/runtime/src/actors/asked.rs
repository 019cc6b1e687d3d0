//! A message under way, and its answer.

use std::{future::Future, pin::Pin};

use actix::{
    Actor, Message,
    dev::{MessageResponse, OneshotSender},
};
use tokio::{runtime::Handle, sync::OwnedSemaphorePermit, time::Instant};
use tracing::{Instrument, Span};

/// What an actor's handler receives: the message, until when an answer is of use, and the caller's span.
///
/// ```
/// use actix::{Actor, Context, Handler, Message};
/// use vecraft_runtime::actors::{Answer, Asked};
///
/// struct Counter { total: u64 }
/// impl Actor for Counter { type Context = Context<Self>; }
///
/// #[derive(Message)]
/// #[rtype(result = "u64")]
/// struct Add { by: u64 }
///
/// impl Handler<Asked<Add>> for Counter {
///     type Result = Answer<u64>;
///     fn handle(&mut self, asked: Asked<Add>, _: &mut Context<Self>) -> Answer<u64> {
///         asked.answer(|add| { self.total += add.by; self.total })
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Asked<M> {
    message: M,
    deadline: Instant,
    span: Span,
    slot: OwnedSemaphorePermit,
}

impl<M: Message> Message for Asked<M> {
    type Result = M::Result;
}

impl<M: Message> Asked<M> {
    pub(super) fn new(message: M, deadline: Instant, slot: OwnedSemaphorePermit) -> Self {
        Self { message, deadline, span: Span::current(), slot }
    }

    /// What was asked.
    pub fn message(&self) -> &M {
        &self.message
    }

    /// When the caller stops waiting.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Answers on the spot: for decisions that neither await nor compute for long.
    pub fn answer(self, decide: impl FnOnce(M) -> M::Result) -> Answer<M::Result> {
        let Self { message, span, slot, .. } = self;
        let result = span.in_scope(|| decide(message));
        drop(slot);
        Answer(Kind::Now(result))
    }

    /// Answers from `runtime`, leaving the arbiter free. The work runs to its end even when the caller gave
    /// up meanwhile: right for writes, whose outcome must not depend on who listens. The actor may see other
    /// messages first; what the work needs of its state it takes along.
    pub fn answer_on<F>(self, runtime: &Handle, work: impl FnOnce(M) -> F) -> Answer<M::Result>
    where
        F: Future<Output = M::Result> + Send + 'static,
    {
        self.later(runtime, work, false)
    }

    /// Like [`Asked::answer_on`], but the work is dropped when the caller gave up: right for reads.
    pub fn answer_while_wanted<F>(self, runtime: &Handle, work: impl FnOnce(M) -> F) -> Answer<M::Result>
    where
        F: Future<Output = M::Result> + Send + 'static,
    {
        self.later(runtime, work, true)
    }

    fn later<F>(
        self,
        runtime: &Handle,
        work: impl FnOnce(M) -> F,
        only_while_wanted: bool,
    ) -> Answer<M::Result>
    where
        F: Future<Output = M::Result> + Send + 'static,
    {
        let Self { message, span, slot, .. } = self;
        let work = span.in_scope(|| work(message)).instrument(span);
        let holding_slot = async move {
            let result = work.await;
            drop(slot);
            result
        };
        Answer(Kind::Later { runtime: runtime.clone(), work: Box::pin(holding_slot), only_while_wanted })
    }
}

/// The result of a handler, made by [`Asked::answer`] and its siblings.
pub struct Answer<T>(Kind<T>);

enum Kind<T> {
    Now(T),
    Later { runtime: Handle, work: Pin<Box<dyn Future<Output = T> + Send>>, only_while_wanted: bool },
}

impl<A, M> MessageResponse<A, Asked<M>> for Answer<M::Result>
where
    A: Actor,
    M: Message,
    M::Result: Send,
{
    // The reply goes straight from the main runtime to the caller: passing it through the arbiter again
    // doubled the latency of such a call (59 us against 30 us, measured with actix 0.13.5).
    fn handle(self, _: &mut A::Context, reply: Option<OneshotSender<M::Result>>) {
        match self.0 {
            Kind::Now(result) => {
                if let Some(reply) = reply {
                    // The caller may have left; then nobody misses the answer.
                    let _ = reply.send(result);
                }
            }
            Kind::Later { runtime, work, only_while_wanted } => {
                runtime.spawn(async move {
                    let Some(mut reply) = reply else {
                        work.await;
                        return;
                    };
                    let result = if only_while_wanted {
                        tokio::select! {
                            biased;
                            () = reply.closed() => return,
                            result = work => result,
                        }
                    } else {
                        work.await
                    };
                    let _ = reply.send(result);
                });
            }
        }
    }
}
