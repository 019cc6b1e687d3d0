//! The server under test: a real embedded one in a directory of its own, stopped, killed and started again.

use crate::plan::Plan;
use crate::{Step, broken};
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};
use vecraft_server::Server;
use vecraft_types::api::{Call, Database};

/// Longest wait for anything: nothing here takes a second unless it hangs, and this machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a killed server may hold its store: threads that are no tasks see the end a moment later.
const RELEASE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A directory and, most of the time, a server over it.
pub struct Node {
    plan: Plan,
    running: Option<Running>,
    directory: tempfile::TempDir,
}

/// Fields are dropped in this order: tasks first, so that nothing serves any more when the server's parts go.
struct Running {
    runtime: Option<Runtime>,
    server: Option<Server>,
}

impl Node {
    /// A server over an empty directory.
    pub fn start(plan: &Plan) -> Step<Node> {
        let directory = match tempfile::tempdir() {
            Ok(directory) => directory,
            Err(error) => return broken(format!("no directory: {error}")),
        };
        let mut node = Node { plan: plan.clone(), running: None, directory };
        node.start_again()?;
        Ok(node)
    }

    /// Starts a server over the directory as it is.
    pub fn start_again(&mut self) -> Step {
        let runtime = match Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return broken(format!("no runtime: {error}")),
        };
        let config = self.plan.config(self.directory.path());
        let started = runtime.block_on(async {
            if timeout(RELEASE, self.released()).await.is_err() {
                return broken(format!("the last server still has {:?} open", self.open_files()));
            }
            match timeout(PATIENCE, Server::start(&config, 1)).await {
                Ok(Ok(server)) => Ok(server),
                Ok(Err(error)) => broken(format!("the server does not start: {error}")),
                Err(_) => broken(format!("the server does not start within {PATIENCE:?}")),
            }
        });
        self.running = Some(Running { runtime: Some(runtime), server: Some(started?) });
        Ok(())
    }

    /// Returns once no thread of a killed server has a file open. (Its store's lock would not tell: the lock is the
    /// process's.)
    async fn released(&self) {
        while !self.open_files().is_empty() {
            sleep(LOOK_EVERY).await;
        }
    }

    /// Files below the directory that this process has open.
    // It looks at the process, not at data.
    #[allow(clippy::disallowed_methods)]
    fn open_files(&self) -> Vec<PathBuf> {
        let all = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
        let paths = all.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        paths.filter(|path| path.starts_with(self.directory.path())).collect()
    }

    /// Stops the server as an operator does.
    pub fn stop(&mut self) -> Step {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        let (Some(runtime), Some(server)) = (running.runtime.take(), running.server.take()) else {
            return Ok(());
        };
        let stopped = runtime.block_on(async { timeout(PATIENCE, server.stop("the model says so")).await });
        runtime.shutdown_timeout(PATIENCE);
        stopped.or_else(|_| broken(format!("the server does not stop within {PATIENCE:?}")))
    }

    /// Drops every task of the server where it stands. What was written stays, what was not yet is lost: as with
    /// `kill -9`, except that threads outside the runtime finish the one thing they are at.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            if let Some(runtime) = running.runtime.take() {
                runtime.shutdown_timeout(PATIENCE);
            }
            drop(running.server.take());
        }
    }

    /// Runs a call to its end.
    pub fn ask<T, F, Fut>(&self, what: &str, call: F) -> Step<T>
    where
        F: FnOnce(Arc<dyn Database>, Call) -> Fut,
        Fut: Future<Output = T>,
    {
        let (runtime, database) = self.parts()?;
        let answer = runtime.block_on(async { timeout(PATIENCE, call(database, Call::default())).await });
        answer.or_else(|_| broken(format!("{what} is not answered within {PATIENCE:?}")))
    }

    /// Runs a call and kills the server when so much time has passed, or when it has answered.
    pub fn ask_and_kill<T, F, Fut>(&mut self, call: F, after: Duration) -> Step<Option<T>>
    where
        T: Send + 'static,
        F: FnOnce(Arc<dyn Database>, Call) -> Fut,
        Fut: Future<Output = T> + Send + 'static,
    {
        let (runtime, database) = self.parts()?;
        let calling = runtime.spawn(call(database, Call::default()));
        let answer = runtime.block_on(async { timeout(after, calling).await });
        self.kill();
        Ok(answer.ok().and_then(Result::ok))
    }

    /// Waits until something holds.
    pub fn wait_until<F, Fut>(&self, what: &str, holds: F) -> Step
    where
        F: Fn(Arc<dyn Database>) -> Fut,
        Fut: Future<Output = Step<bool>>,
    {
        let (runtime, database) = self.parts()?;
        let waiting = async {
            while !holds(database.clone()).await? {
                sleep(LOOK_EVERY).await;
            }
            Ok(())
        };
        let done = runtime.block_on(async { timeout(PATIENCE, waiting).await });
        done.unwrap_or_else(|_| broken(format!("{what}: not within {PATIENCE:?}")))
    }

    /// Why the server gave up by itself, if it did.
    pub fn failure(&self) -> Option<String> {
        let server = self.running.as_ref()?.server.as_ref()?;
        match pin!(server.failed()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(reason) => Some(reason),
            Poll::Pending => None,
        }
    }

    fn parts(&self) -> Step<(&Runtime, Arc<dyn Database>)> {
        match self.running.as_ref().map(|running| (&running.runtime, &running.server)) {
            Some((Some(runtime), Some(server))) => Ok((runtime, server.database())),
            _ => broken("no server runs"),
        }
    }
}

/// The process may end next, and a thread that still closes a store must not meet the C++ library's own end.
impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        if let Ok(runtime) = Builder::new_current_thread().enable_time().build() {
            let _ = runtime.block_on(async { timeout(RELEASE, self.released()).await });
        }
    }
}
