//! Brings an actor back after a panic, and knows when to give up.

use std::{
    collections::VecDeque,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actix::{Actor, ActorContext, Addr, ArbiterHandle, AsyncContext, Context};
use futures::FutureExt;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::address::{RoleCell, RoleEnd, RoleState};
use crate::{clock::Clock, panic_text};

/// How a role's mailbox and its guardian behave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePolicy {
    /// Messages waiting or being worked on at once; more are answered with `Busy`.
    pub slots: usize,
    /// The hint that goes with `Busy`.
    pub retry_after: Duration,
    /// Panics within `restarts_window` after which the role is stopped instead of brought back.
    pub restarts_max: usize,
    /// See `restarts_max`.
    pub restarts_window: Duration,
    /// Pause before the first restart; doubled for each further panic within the window.
    pub backoff_first: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
    /// How long messages in flight may take to finish when the role is stopped.
    pub stop_within: Duration,
}

impl Default for RolePolicy {
    /// 1,024 slots; 5 panics a minute; pauses of 50 ms to 5 s; 10 s to stop. A role whose actor dies six times a
    /// minute meets the same message or the same bad state again and again: stopping it is visible, looping is not.
    fn default() -> Self {
        Self {
            slots: 1_024,
            retry_after: Duration::from_millis(50),
            restarts_max: 5,
            restarts_window: Duration::from_secs(60),
            backoff_first: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
            stop_within: Duration::from_secs(10),
        }
    }
}

impl RolePolicy {
    fn backoff(&self, panics_in_window: usize) -> Duration {
        let doublings = u32::try_from(panics_in_window.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
        self.backoff_first.saturating_mul(1 << doublings).min(self.backoff_max)
    }
}

/// How one life of an actor ended.
enum LifeEnd {
    Stopped,
    Panicked(String),
    ArbiterGone,
}

/// Lives one after the other, until the role is stopped or panics too often. Runs on the main runtime.
pub(super) async fn guard<A, F>(
    cell: Arc<RoleCell<A>>,
    arbiter: ArbiterHandle,
    factory: Arc<F>,
    clock: Arc<dyn Clock>,
) where
    A: Actor<Context = Context<A>>,
    F: Fn() -> A + Send + Sync + 'static,
{
    let mut panics: VecDeque<Duration> = VecDeque::new();
    let end = loop {
        let last_panic = match live(&cell, &arbiter, &factory).await {
            LifeEnd::Stopped => break RoleEnd::Asked,
            LifeEnd::ArbiterGone => break RoleEnd::SystemGone,
            LifeEnd::Panicked(text) => text,
        };
        let now = clock.monotonic();
        panics.retain(|at| now.saturating_sub(*at) < cell.policy.restarts_window);
        panics.push_back(now);
        if panics.len() > cell.policy.restarts_max {
            break RoleEnd::Panicked(last_panic);
        }
        let pause = cell.policy.backoff(panics.len());
        tracing::error!(
            role = cell.name,
            panic = last_panic,
            ?pause,
            "actor panicked, it will be brought back"
        );
        cell.state.send_replace(RoleState::Restarting);
        if cell.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            break RoleEnd::Asked;
        }
        cell.restarts.fetch_add(1, Ordering::Relaxed);
    };
    match &end {
        RoleEnd::Asked => tracing::info!(role = cell.name, "role stopped"),
        end => tracing::error!(role = cell.name, ?end, "role stopped for good"),
    }
    cell.state.send_replace(RoleState::Stopped(end));
    arbiter.stop();
}

/// One life: creates the actor on its arbiter and waits for its end.
async fn live<A, F>(cell: &Arc<RoleCell<A>>, arbiter: &ArbiterHandle, factory: &Arc<F>) -> LifeEnd
where
    A: Actor<Context = Context<A>>,
    F: Fn() -> A + Send + Sync + 'static,
{
    let (started, address) = oneshot::channel::<Addr<A>>();
    let (ended, end) = oneshot::channel::<LifeEnd>();
    let finish = CancellationToken::new();
    let accepted = arbiter.spawn_fn({
        let (factory, finish, slots) = (factory.clone(), finish.clone(), cell.policy.slots);
        move || {
            actix::spawn(async move {
                let life = AssertUnwindSafe(run(factory, slots, started, finish)).catch_unwind();
                let end = match life.await {
                    Ok(()) => LifeEnd::Stopped,
                    Err(payload) => LifeEnd::Panicked(panic_text(&*payload)),
                };
                // The guardian is gone only when the whole runtime is going down.
                let _ = ended.send(end);
            });
        }
    });
    if !accepted {
        return LifeEnd::ArbiterGone;
    }
    let mut end = pin!(end.map(|end| end.unwrap_or(LifeEnd::ArbiterGone)));
    if let Ok(address) = address.await {
        *cell.current.write() = Some(address);
        cell.state.send_replace(RoleState::Running);
    }
    let early_end = tokio::select! {
        early_end = &mut end => Some(early_end),
        () = cell.stop.cancelled() => None,
    };
    // From here on nobody reaches this actor: its messages are answered `Busy` or `Stopped`.
    cell.current.write().take();
    if let Some(early_end) = early_end {
        return early_end;
    }
    let all_slots = u32::try_from(cell.policy.slots).unwrap_or(u32::MAX);
    let idle = cell.slots.acquire_many(all_slots);
    if tokio::time::timeout(cell.policy.stop_within, idle).await.is_err() {
        tracing::warn!(role = cell.name, within = ?cell.policy.stop_within, "messages in flight are dropped");
    }
    finish.cancel();
    match tokio::time::timeout(cell.policy.stop_within, end).await {
        Ok(LifeEnd::Panicked(text)) => {
            tracing::error!(role = cell.name, panic = text, "panic while stopping")
        }
        Ok(LifeEnd::Stopped | LifeEnd::ArbiterGone) => {}
        Err(_) => {
            tracing::warn!(role = cell.name, "the actor did not stop in time, its thread is left behind")
        }
    }
    LifeEnd::Stopped
}

/// The actor itself, on its arbiter, until it stops or `finish` asks it to.
async fn run<A, F>(
    factory: Arc<F>,
    slots: usize,
    started: oneshot::Sender<Addr<A>>,
    finish: CancellationToken,
) where
    A: Actor<Context = Context<A>>,
    F: Fn() -> A,
{
    let actor = factory();
    let mut context = Context::new();
    // One longer than there are slots, because a sender that fills the last place is parked, and a parked
    // sender's next message would wait without a waker.
    context.set_mailbox_capacity(slots + 1);
    let address = context.address();
    let mut life = context.into_future(actor);
    // The guardian may be gone already; then so is the process.
    let _ = started.send(address);
    let mut finished = pin!(finish.cancelled());
    let mut was_asked = false;
    std::future::poll_fn(|waker| {
        if !was_asked && finished.as_mut().poll(waker).is_ready() {
            was_asked = true;
            life.ctx().stop();
        }
        Pin::new(&mut life).poll(waker)
    })
    .await;
}
