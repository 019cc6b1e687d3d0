//! The guardian, the slots and the way to stop, against real actix actors.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix::{Actor, Context, Handler, Message};
use tokio::{runtime::Handle, sync::Semaphore};

use super::*;
use crate::clock::SystemClock;

const SOON: Duration = Duration::from_secs(10);

/// Counts, waits at a gate, or panics, as asked.
struct Role {
    lives: usize,
    main: Handle,
    gate: Arc<Semaphore>,
    started: Arc<AtomicUsize>,
    finished: Arc<AtomicUsize>,
}

impl Actor for Role {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "usize")]
struct WhichLife;

#[derive(Message)]
#[rtype(result = "()")]
struct Panic;

#[derive(Message)]
#[rtype(result = "()")]
struct Notice;

#[derive(Message)]
#[rtype(result = "()")]
struct PassGate {
    only_while_wanted: bool,
}

impl Handler<Asked<WhichLife>> for Role {
    type Result = Answer<usize>;
    fn handle(&mut self, asked: Asked<WhichLife>, _: &mut Context<Self>) -> Answer<usize> {
        asked.answer(|WhichLife| self.lives)
    }
}

impl Handler<Asked<Panic>> for Role {
    type Result = Answer<()>;
    fn handle(&mut self, asked: Asked<Panic>, _: &mut Context<Self>) -> Answer<()> {
        asked.answer(|Panic| panic!("segment 7 has no rows"))
    }
}

impl Handler<Asked<Notice>> for Role {
    type Result = Answer<()>;
    fn handle(&mut self, asked: Asked<Notice>, _: &mut Context<Self>) -> Answer<()> {
        asked.answer(|Notice| ())
    }
}

impl Handler<Asked<PassGate>> for Role {
    type Result = Answer<()>;
    fn handle(&mut self, asked: Asked<PassGate>, _: &mut Context<Self>) -> Answer<()> {
        let (gate, started, finished) = (self.gate.clone(), self.started.clone(), self.finished.clone());
        let work = async move {
            started.fetch_add(1, Ordering::SeqCst);
            gate.acquire().await.unwrap().forget();
            finished.fetch_add(1, Ordering::SeqCst);
        };
        if asked.message().only_while_wanted {
            asked.answer_while_wanted(&self.main, |_| work)
        } else {
            asked.answer_on(&self.main, |_| work)
        }
    }
}

struct Sandbox {
    _host: ActorHost,
    role: RoleAddr<Role>,
    gate: Arc<Semaphore>,
    started: Arc<AtomicUsize>,
    finished: Arc<AtomicUsize>,
}

async fn sandbox(policy: RolePolicy) -> Sandbox {
    let host = ActorHost::new(Handle::current(), SystemClock::shared()).await.unwrap();
    let gate = Arc::new(Semaphore::new(0));
    let (started, finished) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let lives = AtomicUsize::new(0);
    let factory = {
        let (main, gate) = (Handle::current(), gate.clone());
        let (started, finished) = (started.clone(), finished.clone());
        move || {
            let lives = lives.fetch_add(1, Ordering::SeqCst) + 1;
            Role {
                lives,
                main: main.clone(),
                gate: gate.clone(),
                started: started.clone(),
                finished: finished.clone(),
            }
        }
    };
    let role = host.start("role", policy, factory).await.unwrap();
    Sandbox { _host: host, role, gate, started, finished }
}

fn quick() -> RolePolicy {
    RolePolicy { backoff_first: Duration::from_millis(1), ..RolePolicy::default() }
}

/// Waits for a condition, with a deadline instead of a sleep.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(SOON, wait).await.is_ok(), "waited in vain for: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_handler_is_brought_back_by_the_guardian() {
    let sandbox = sandbox(quick()).await;
    assert_eq!(sandbox.role.ask(WhichLife, SOON).await, Ok(1));
    assert_eq!(sandbox.role.ask(Panic, SOON).await, Err(AskError::Lost { role: "role" }));
    until("the second life", || sandbox.role.restarts() == 1 && sandbox.role.state() == RoleState::Running)
        .await;
    assert_eq!(sandbox.role.ask(WhichLife, SOON).await, Ok(2));
    assert_eq!(sandbox.role.in_flight(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_panics_too_often_is_stopped_and_says_why() {
    let sandbox = sandbox(RolePolicy { restarts_max: 2, ..quick() }).await;
    for restarts in 0..3 {
        until("a life", || sandbox.role.restarts() == restarts && sandbox.role.state() == RoleState::Running)
            .await;
        assert_eq!(sandbox.role.ask(Panic, SOON).await, Err(AskError::Lost { role: "role" }));
    }
    let end = tokio::time::timeout(SOON, sandbox.role.ended()).await.unwrap();
    assert_eq!(end, RoleEnd::Panicked("segment 7 has no rows".to_string()));
    assert_eq!(sandbox.role.ask(WhichLife, SOON).await, Err(AskError::Stopped { role: "role" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_factory_that_always_panics_ends_the_role() {
    let host = ActorHost::new(Handle::current(), SystemClock::shared()).await.unwrap();
    let factory = || -> Role { panic!("no data directory") };
    let policy = RolePolicy { restarts_max: 1, ..quick() };
    let role = host.start("role", policy, factory).await.unwrap();
    let end = tokio::time::timeout(SOON, role.ended()).await.unwrap();
    assert_eq!(end, RoleEnd::Panicked("no data directory".to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_role_answers_busy_and_does_nothing() {
    let sandbox = sandbox(RolePolicy { slots: 2, ..quick() }).await;
    let asks: Vec<_> = (0..2)
        .map(|_| {
            let role = sandbox.role.clone();
            tokio::spawn(async move { role.ask(PassGate { only_while_wanted: false }, SOON).await })
        })
        .collect();
    until("both slots taken", || sandbox.role.in_flight() == 2).await;
    let busy = AskError::Busy { role: "role", retry_after_ms: 50 };
    assert_eq!(sandbox.role.ask(WhichLife, SOON).await, Err(busy.clone()));
    assert_eq!(sandbox.role.tell(Notice, SOON), Err(busy));
    sandbox.gate.add_permits(2);
    for ask in asks {
        assert_eq!(ask.await.unwrap(), Ok(()));
    }
    assert_eq!(sandbox.role.ask(WhichLife, SOON).await, Ok(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_more_askers_than_slots_all_get_an_answer() {
    // Guards against actix's waiting send: without the spare place in the mailbox some would hang.
    let sandbox = sandbox(RolePolicy { slots: 8, ..quick() }).await;
    let asks = (0..2_000).map(|_| {
        let role = sandbox.role.clone();
        tokio::spawn(async move {
            loop {
                match role.ask(WhichLife, SOON).await {
                    Err(AskError::Busy { .. }) => tokio::task::yield_now().await,
                    answer => return answer,
                }
            }
        })
    });
    for ask in futures::future::join_all(asks).await {
        assert_eq!(ask.unwrap(), Ok(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_takes_too_long_is_a_deadline_error() {
    let sandbox = sandbox(quick()).await;
    let late = sandbox.role.ask(PassGate { only_while_wanted: true }, Duration::from_millis(5)).await;
    assert_eq!(late, Err(AskError::Deadline { role: "role", waited_ms: 5 }));
    until("the slot is given back", || sandbox.role.in_flight() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_caller_leaves_a_write_goes_on_and_a_read_is_dropped() {
    let sandbox = sandbox(quick()).await;
    for only_while_wanted in [true, false] {
        let role = sandbox.role.clone();
        let caller = tokio::spawn(async move { role.ask(PassGate { only_while_wanted }, SOON).await });
        let already = usize::from(!only_while_wanted);
        until("the work began", || sandbox.started.load(Ordering::SeqCst) == already + 1).await;
        caller.abort();
        assert!(caller.await.is_err());
        if only_while_wanted {
            until("the read gave its slot back", || sandbox.role.in_flight() == 0).await;
        }
    }
    assert_eq!(sandbox.role.in_flight(), 1);
    sandbox.gate.add_permits(2);
    until("the write finished", || sandbox.role.in_flight() == 0).await;
    assert_eq!(sandbox.finished.load(Ordering::SeqCst), 1);
    assert_eq!(sandbox.gate.available_permits(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_lets_what_is_in_flight_finish_and_refuses_the_rest() {
    let sandbox = sandbox(quick()).await;
    let role = sandbox.role.clone();
    let in_flight = tokio::spawn(async move { role.ask(PassGate { only_while_wanted: false }, SOON).await });
    until("one in flight", || sandbox.role.in_flight() == 1).await;
    let role = sandbox.role.clone();
    let stopping = tokio::spawn(async move { role.stop().await });
    until("refusal", || sandbox.role.tell(Notice, SOON) == Err(AskError::Stopped { role: "role" })).await;
    assert!(!stopping.is_finished());
    sandbox.gate.add_permits(1);
    assert_eq!(in_flight.await.unwrap(), Ok(()));
    assert_eq!(tokio::time::timeout(SOON, stopping).await.unwrap().unwrap(), RoleEnd::Asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_gives_up_on_work_that_never_ends() {
    let sandbox = sandbox(RolePolicy { stop_within: Duration::from_millis(20), ..quick() }).await;
    let role = sandbox.role.clone();
    let stuck = tokio::spawn(async move { role.ask(PassGate { only_while_wanted: false }, SOON).await });
    until("one in flight", || sandbox.role.in_flight() == 1).await;
    assert_eq!(tokio::time::timeout(SOON, sandbox.role.stop()).await.unwrap(), RoleEnd::Asked);
    stuck.abort();
}
