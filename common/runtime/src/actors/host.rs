//! The actor system of a process or of an embedded node.

use std::{
    sync::{Arc, atomic::AtomicU64},
    thread,
};

use actix::{Actor, Arbiter, Context, System};
use parking_lot::RwLock;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, oneshot, watch},
};
use tokio_util::sync::CancellationToken;

use super::{
    RoleAddr, RolePolicy,
    address::{RoleCell, RoleState},
    guardian::guard,
};
use crate::clock::Clock;

/// A role or the actor system could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ActorHostError {
    /// The operating system refuses a thread.
    #[error("cannot start a thread for {name}: {cause}")]
    Thread {
        /// The role, or `actors` for the system itself.
        name: &'static str,
        /// What the operating system says.
        cause: String,
    },
    /// The actor system has ended.
    #[error("the actor system has ended, {name} cannot start")]
    Gone {
        /// The role.
        name: &'static str,
    },
}

/// Owns the actix system, on a thread of its own beside the main runtime. Dropping it ends all its roles at once;
/// call [`RoleAddr::stop`] on them first.
pub struct ActorHost {
    system: System,
    thread: Option<thread::JoinHandle<()>>,
    runtime: Handle,
    clock: Arc<dyn Clock>,
}

impl ActorHost {
    /// Starts the system. Guardians and timers run on `runtime`.
    ///
    /// # Errors
    /// When its thread cannot be started.
    pub async fn new(runtime: Handle, clock: Arc<dyn Clock>) -> Result<Self, ActorHostError> {
        let refused = |cause: String| ActorHostError::Thread { name: "actors", cause };
        let (started, system) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("vecraft-actors".to_string())
            .spawn(move || {
                let runner = System::new();
                if started.send(System::current()).is_err() {
                    return;
                }
                if let Err(error) = runner.run() {
                    tracing::error!(%error, "the actor system ended with an error");
                }
            })
            .map_err(|error| refused(error.to_string()))?;
        let system = system.await.map_err(|_| refused("it ended while starting".to_string()))?;
        Ok(Self { system, thread: Some(thread), runtime, clock })
    }

    /// The main runtime, on which answers that take time are computed.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Starts an actor made by `factory` on an arbiter (thread) of its own, under a guardian that calls
    /// `factory` again, on the same arbiter, after a panic. `factory` must not block.
    ///
    /// # Errors
    /// When the arbiter cannot be started. A factory that panics is not an error here but a panic of the
    /// actor: it is tried again, and after too many panics [`RoleAddr::ended`] tells.
    pub async fn start<A, F>(
        &self,
        name: &'static str,
        policy: RolePolicy,
        factory: F,
    ) -> Result<RoleAddr<A>, ActorHostError>
    where
        A: Actor<Context = Context<A>>,
        F: Fn() -> A + Send + Sync + 'static,
    {
        let (created, arbiter) = oneshot::channel();
        // An arbiter can only be made on a thread that belongs to the system.
        self.system.arbiter().spawn_fn(move || {
            let _ = created.send(Arbiter::try_new().map(|arbiter| arbiter.handle()));
        });
        let arbiter = arbiter
            .await
            .map_err(|_| ActorHostError::Gone { name })?
            .map_err(|error| ActorHostError::Thread { name, cause: error.to_string() })?;
        let cell = Arc::new(RoleCell {
            name,
            slots: Arc::new(Semaphore::new(policy.slots)),
            policy,
            current: RwLock::new(None),
            state: watch::Sender::new(RoleState::Restarting),
            restarts: AtomicU64::new(0),
            stop: CancellationToken::new(),
        });
        let mut first_state = cell.state.subscribe();
        self.runtime.spawn(guard(cell.clone(), arbiter, Arc::new(factory), self.clock.clone()));
        // Callers that hold the address find the role running, or know from its state that it failed.
        let _ = first_state.changed().await;
        Ok(RoleAddr { cell })
    }
}

impl Drop for ActorHost {
    fn drop(&mut self) {
        self.system.stop();
        // Joining would block a tokio worker; the thread ends by itself once the system stopped.
        drop(self.thread.take());
    }
}
