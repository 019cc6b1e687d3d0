//! Background tasks: the one table that says which kinds exist and what follows when one fails.
//!
//! A task is *background* when nobody awaits its result: its failure would otherwise be a line in a log at
//! best. Every such task is started through [`Tasks::spawn`] with its [`TaskKind`].

use std::{fmt, panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use tokio::{runtime::Handle, task::JoinHandle};

use crate::{panic_text, shutdown::Shutdown};

/// What follows when a task of a kind returns an error or panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// An error line; the work is done again by the next round.
    Log,
    /// The replica concerned leaves service, the others go on.
    StopReplica,
    /// The process drains and exits with an error: going on could break a promise or serves nobody.
    StopProcess,
}

macro_rules! task_kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $on_failure:ident;)*) => {
        /// The kinds of background tasks.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum TaskKind { $($(#[$doc])* $kind,)* }

        impl TaskKind {
            /// All kinds, for listings.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The name in logs and metrics.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// What follows when a task of this kind fails.
            pub fn on_failure(self) -> OnFailure {
                match self { $(Self::$kind => OnFailure::$on_failure,)* }
            }
        }
    };
}

task_kinds! {
    /// The writer of the node's log. After a failed fsync nothing may be written again (I7).
    LogWriter = "log-writer", StopProcess;
    /// Watches one replica's Raft core and applies its entries (I24: a panic in apply stops that replica).
    Replica = "replica", StopReplica;
    /// Writes a shard's files and its checkpoint (I3). A shard that cannot would pin the log for ever.
    Checkpoint = "checkpoint", StopReplica;
    /// Builds an index file; until it is there, searches scan.
    IndexBuild = "index-build", Log;
    /// Merges segments; until then, more segments are searched.
    Compaction = "compaction", Log;
    /// Removes files that no manifest names (I13).
    CleanUp = "clean-up", Log;
    /// One planning round of the coordinator; the next one repeats it.
    Plan = "plan", Log;
    /// Accepts connections. A server that listens no more should not look alive.
    Listener = "listener", StopProcess;
    /// Brings an actor back; without it a role would be silently gone.
    Guardian = "guardian", StopProcess;
    /// Measures memory, disk and queues for admission and metrics.
    Watch = "watch", Log;
}

/// A background task that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFailure {
    /// The kind, which decided what follows.
    pub kind: TaskKind,
    /// Which one of the kind: a shard, a group, a port.
    pub subject: String,
    /// The error, or the text of the panic.
    pub cause: String,
}

impl fmt::Display for TaskFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "task {} of {} failed: {}", self.kind.name(), self.subject, self.cause)
    }
}

/// Starts background tasks on the main runtime. Clones are the same.
#[derive(Clone)]
pub struct Tasks {
    runtime: Handle,
    process: Shutdown,
    stop_replica: Arc<dyn Fn(&TaskFailure) + Send + Sync>,
}

impl Tasks {
    /// `process` is triggered when a kind of [`OnFailure::StopProcess`] fails; `stop_replica` is called when
    /// one of [`OnFailure::StopReplica`] does, and must not block.
    pub fn new(
        runtime: Handle,
        process: Shutdown,
        stop_replica: impl Fn(&TaskFailure) + Send + Sync + 'static,
    ) -> Self {
        Self { runtime, process, stop_replica: Arc::new(stop_replica) }
    }

    /// Runs `task` in the background. It is expected to watch a [`Shutdown`] itself and to return `Ok` when
    /// it was asked to stop; an error or a panic is handled as the table says.
    pub fn spawn<E: fmt::Display>(
        &self,
        kind: TaskKind,
        subject: impl Into<String>,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> JoinHandle<()> {
        let (tasks, subject) = (self.clone(), subject.into());
        self.runtime.spawn(async move {
            let cause = match AssertUnwindSafe(task).catch_unwind().await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(payload) => format!("panic: {}", panic_text(&*payload)),
            };
            tasks.failed(TaskFailure { kind, subject, cause });
        })
    }

    fn failed(&self, failure: TaskFailure) {
        tracing::error!(
            task = failure.kind.name(),
            subject = failure.subject,
            cause = failure.cause,
            follows = ?failure.kind.on_failure(),
            "background task failed"
        );
        match failure.kind.on_failure() {
            OnFailure::Log => {}
            OnFailure::StopReplica => (self.stop_replica)(&failure),
            OnFailure::StopProcess => self.process.trigger(failure.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parking_lot::Mutex;

    async fn run(kind: TaskKind, task: impl Future<Output = Result<(), String>> + Send + 'static) -> Seen {
        let process = Shutdown::new();
        let stopped = Arc::new(Mutex::new(Vec::new()));
        let tasks = Tasks::new(Handle::current(), process.clone(), {
            let stopped = stopped.clone();
            move |failure| stopped.lock().push(failure.subject.clone())
        });
        tasks.spawn(kind, "it", task).await.unwrap();
        let replicas = stopped.lock().clone();
        Seen { replicas, process: process.reason() }
    }

    #[derive(Debug, PartialEq)]
    struct Seen {
        replicas: Vec<String>,
        process: Option<String>,
    }

    #[tokio::test]
    async fn a_failure_does_what_its_row_says() {
        let nothing = Seen { replicas: vec![], process: None };
        assert_eq!(run(TaskKind::LogWriter, async { Ok(()) }).await, nothing);
        assert_eq!(run(TaskKind::CleanUp, async { Err("busy".into()) }).await, nothing);
        let replica = run(TaskKind::Checkpoint, async { panic!("no space") }).await;
        assert_eq!(replica, Seen { replicas: vec!["it".into()], process: None });
        let process = run(TaskKind::LogWriter, async { Err("fsync failed".into()) }).await;
        let reason = "task log-writer of it failed: fsync failed".to_string();
        assert_eq!(process, Seen { replicas: vec![], process: Some(reason) });
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = TaskKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), TaskKind::ALL.len());
    }
}
