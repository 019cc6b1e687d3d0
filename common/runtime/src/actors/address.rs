//! How a role is reached.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix::{Actor, Addr, Context, Handler, MailboxError, Message};
use parking_lot::RwLock;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{Asked, RolePolicy};

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// All slots are taken, or the actor is being brought back. Nothing was done.
    #[error("{role} is busy, retry after {retry_after_ms} ms")]
    Busy {
        /// The role's name.
        role: &'static str,
        /// A hint, in milliseconds.
        retry_after_ms: u64,
    },
    /// The role was stopped and will not come back in this process. Nothing was done.
    #[error("{role} is stopped")]
    Stopped {
        /// The role's name.
        role: &'static str,
    },
    /// The actor or its work died with the message: whether it took effect is unknown.
    #[error("{role} failed while it worked on this; the outcome is unknown")]
    Lost {
        /// The role's name.
        role: &'static str,
    },
    /// No answer in time: whether the message took effect is unknown.
    #[error("no answer from {role} within {waited_ms} ms")]
    Deadline {
        /// The role's name.
        role: &'static str,
        /// The timeout that was given, in milliseconds.
        waited_ms: u64,
    },
}

/// The phases of a role.
///
/// ```text
///   Running <--> Restarting        Running --> Stopped        Restarting --> Stopped
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleState {
    /// The actor takes messages.
    Running,
    /// The actor panicked (or is on its first start) and is about to be (re-)created.
    Restarting,
    /// The end.
    Stopped(RoleEnd),
}

/// Why a role ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleEnd {
    /// [`RoleAddr::stop`] was called, or the actor stopped itself.
    Asked,
    /// It panicked too often; the text is that of the last panic.
    Panicked(String),
    /// The actor system went away under it.
    SystemGone,
}

/// The address of a role, which stays valid when the actor behind it is replaced. Clones are the same.
pub struct RoleAddr<A: Actor<Context = Context<A>>> {
    pub(super) cell: Arc<RoleCell<A>>,
}

/// What the address and the guardian share.
pub(super) struct RoleCell<A: Actor<Context = Context<A>>> {
    pub name: &'static str,
    pub policy: RolePolicy,
    pub slots: Arc<Semaphore>,
    pub current: RwLock<Option<Addr<A>>>,
    pub state: watch::Sender<RoleState>,
    pub restarts: AtomicU64,
    pub stop: CancellationToken,
}

impl<A: Actor<Context = Context<A>>> Clone for RoleAddr<A> {
    fn clone(&self) -> Self {
        Self { cell: self.cell.clone() }
    }
}

impl<A: Actor<Context = Context<A>>> RoleAddr<A> {
    /// Sends `message` and waits for its answer, at most `timeout`. Never waits for a slot.
    ///
    /// # Errors
    /// See [`AskError`]; only `Busy` and `Stopped` say that nothing was done.
    pub async fn ask<M>(&self, message: M, timeout: Duration) -> Result<M::Result, AskError>
    where
        A: Handler<Asked<M>>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let role = self.cell.name;
        let slot = self.take_slot()?;
        let deadline = Instant::now() + timeout;
        let request = {
            let current = self.cell.current.read();
            let Some(addr) = current.as_ref().filter(|addr| addr.connected()) else {
                return Err(self.unavailable());
            };
            // Never blocks: the mailbox is one longer than there are slots (see the guardian).
            addr.send(Asked::new(message, deadline, slot))
        };
        match timeout_at(deadline, request).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(MailboxError::Closed | MailboxError::Timeout)) => Err(AskError::Lost { role }),
            Err(_) => {
                let waited_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
                Err(AskError::Deadline { role, waited_ms })
            }
        }
    }

    /// Sends a notice that has no answer. `Ok` means it is in the mailbox, no more.
    ///
    /// # Errors
    /// [`AskError::Busy`] or [`AskError::Stopped`]; nothing was done then.
    pub fn tell<M>(&self, message: M, useful_for: Duration) -> Result<(), AskError>
    where
        A: Handler<Asked<M>>,
        M: Message<Result = ()> + Send + 'static,
    {
        let slot = self.take_slot()?;
        let asked = Asked::new(message, Instant::now() + useful_for, slot);
        let current = self.cell.current.read();
        match current.as_ref().map(|addr| addr.try_send(asked)) {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(self.unavailable()),
        }
    }

    /// The phase the role is in.
    pub fn state(&self) -> RoleState {
        self.cell.state.borrow().clone()
    }

    /// How often the guardian brought the actor back.
    pub fn restarts(&self) -> u64 {
        self.cell.restarts.load(Ordering::Relaxed)
    }

    /// Messages waiting or being worked on, for metrics.
    pub fn in_flight(&self) -> usize {
        self.cell.policy.slots.saturating_sub(self.cell.slots.available_permits())
    }

    /// Waits until the role ended and says why.
    pub async fn ended(&self) -> RoleEnd {
        let mut states = self.cell.state.subscribe();
        loop {
            if let RoleState::Stopped(end) = &*states.borrow_and_update() {
                return end.clone();
            }
            if states.changed().await.is_err() {
                return RoleEnd::SystemGone;
            }
        }
    }

    /// Refuses new messages, lets those in flight finish within the policy's `stop_within`, then ends the
    /// actor. Returns when it ended.
    pub async fn stop(&self) -> RoleEnd {
        self.cell.stop.cancel();
        self.ended().await
    }

    fn take_slot(&self) -> Result<OwnedSemaphorePermit, AskError> {
        if self.cell.stop.is_cancelled() || matches!(*self.cell.state.borrow(), RoleState::Stopped(_)) {
            return Err(AskError::Stopped { role: self.cell.name });
        }
        self.cell.slots.clone().try_acquire_owned().map_err(|_| self.busy())
    }

    fn unavailable(&self) -> AskError {
        match *self.cell.state.borrow() {
            RoleState::Stopped(_) => AskError::Stopped { role: self.cell.name },
            RoleState::Running | RoleState::Restarting => self.busy(),
        }
    }

    fn busy(&self) -> AskError {
        let retry_after_ms = u64::try_from(self.cell.policy.retry_after.as_millis()).unwrap_or(u64::MAX);
        AskError::Busy { role: self.cell.name, retry_after_ms }
    }
}
