//! Threads for work that must not run where requests are awaited.
//!
//! [`CpuPool`] is for work that computes (search, index build); its threads are ours and as many as the
//! cores given. [`IoPool`] is for calls that block on a disk; its threads are the runtime's blocking
//! threads, at most `limit` of them at once. Arbiters and the tokio workers do neither.
//!
//! Absent on purpose: admission. Both pools queue without a limit of their own, [`CpuPool::pending`] tells
//! how much is waiting, and the role that accepts a request decides whether there is room for it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    runtime::Handle,
    sync::{Semaphore, oneshot},
};

use crate::panic_text;

/// Why a job has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cancelled {
    /// The job panicked; the pool's thread lives on.
    #[error("job in pool {pool} panicked: {text}")]
    Panicked {
        /// The pool's name.
        pool: &'static str,
        /// What the panic said.
        text: String,
    },
    /// The pool was closed before the job ran.
    #[error("pool {pool} is closed")]
    Closed {
        /// The pool's name.
        pool: &'static str,
    },
}

/// The pool could not be created.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {threads} threads of pool {pool}: {cause}")]
pub struct PoolStartError {
    pool: &'static str,
    threads: usize,
    cause: String,
}

/// Threads that compute. Clones share the threads, which end when the last clone is dropped.
#[derive(Clone)]
pub struct CpuPool {
    name: &'static str,
    threads: Arc<rayon::ThreadPool>,
    pending: Arc<AtomicUsize>,
}

impl CpuPool {
    /// Starts `threads` threads called `name-0`, `name-1`, ...; 0 means one per core.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub fn new(name: &'static str, threads: usize) -> Result<Self, PoolStartError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(move |nth| format!("{name}-{nth}"))
            .build()
            .map_err(|cause| PoolStartError { pool: name, threads, cause: cause.to_string() })?;
        Ok(Self { name, threads: Arc::new(pool), pending: Arc::default() })
    }

    /// Runs `job` on one of the threads, first come, first served. Parallel iterators inside the job stay in
    /// this pool. When the returned future is dropped before the job began, the job is skipped.
    ///
    /// # Errors
    /// [`Cancelled::Panicked`] when the job panicked.
    pub async fn run<T, F>(&self, job: F) -> Result<T, Cancelled>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let pending = PendingJob::new(&self.pending);
        let span = tracing::Span::current();
        self.threads.spawn_fifo(move || {
            if reply.is_closed() {
                return;
            }
            let result = span.in_scope(|| catch_unwind(AssertUnwindSafe(job)));
            // Before the answer: who has it does not count itself as waiting.
            drop(pending);
            // The receiver may have left meanwhile; then nobody misses the result.
            let _ = reply.send(result);
        });
        match answer.await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(payload)) => Err(Cancelled::Panicked { pool: self.name, text: panic_text(&*payload) }),
            Err(_) => Err(Cancelled::Closed { pool: self.name }),
        }
    }

    /// Runs `job` inside the pool and waits for it on this thread. For threads of our own only: on a tokio
    /// worker or an arbiter it would stop the neighbours. A panic of the job comes through.
    pub fn run_here<T: Send>(&self, job: impl FnOnce() -> T + Send) -> T {
        self.threads.install(job)
    }

    /// Jobs that wait or run, for admission and metrics.
    pub fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    /// How many threads compute.
    pub fn threads(&self) -> usize {
        self.threads.current_num_threads()
    }
}

/// Counts a job from the moment it is queued until it ended or was skipped.
struct PendingJob(Arc<AtomicUsize>);

impl PendingJob {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for PendingJob {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Threads that wait for disks. Clones share the limit.
#[derive(Clone)]
pub struct IoPool {
    name: &'static str,
    /// `None`: no threads, the caller waits.
    threads: Option<Handle>,
    slots: Arc<Semaphore>,
}

impl IoPool {
    /// A pool on the blocking threads of `runtime`, at most `limit` (at least 1) calls at once.
    pub fn new(name: &'static str, runtime: Handle, limit: usize) -> Self {
        Self { name, threads: Some(runtime), slots: Arc::new(Semaphore::new(limit.max(1))) }
    }

    /// A pool without threads: a job runs inside the call, in one poll. For the simulation, where the same seed must do
    /// the same thing and a thread would be a second source of order.
    pub fn inline(name: &'static str) -> Self {
        Self { name, threads: None, slots: Arc::new(Semaphore::new(1)) }
    }

    /// Runs `job` on a blocking thread. A job that has begun runs to its end even when the returned future is
    /// dropped, so a half-written file is never left by a caller that went away.
    ///
    /// # Errors
    /// [`Cancelled::Panicked`] when the job panicked, [`Cancelled::Closed`] when the runtime is going down.
    pub async fn run<T, F>(&self, job: F) -> Result<T, Cancelled>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let closed = Cancelled::Closed { pool: self.name };
        let Some(threads) = &self.threads else {
            return catch_unwind(AssertUnwindSafe(job))
                .map_err(|payload| Cancelled::Panicked { pool: self.name, text: panic_text(&*payload) });
        };
        let Ok(slot) = self.slots.clone().acquire_owned().await else {
            return Err(closed);
        };
        let span = tracing::Span::current();
        let running = threads.spawn_blocking(move || {
            let _slot = slot;
            span.in_scope(job)
        });
        running.await.map_err(|error| match error.try_into_panic() {
            Ok(payload) => Cancelled::Panicked { pool: self.name, text: panic_text(&*payload) },
            Err(_) => closed,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error_and_the_thread_lives_on() {
        let pool = CpuPool::new("test-cpu", 1).unwrap();
        let failed = pool.run(|| -> u32 { panic!("bad dimension") }).await;
        assert_eq!(failed, Err(Cancelled::Panicked { pool: "test-cpu", text: "bad dimension".into() }));
        assert_eq!(pool.run(|| 6 * 7).await, Ok(42));
        assert_eq!((pool.pending(), pool.threads()), (0, 1));
    }

    #[tokio::test]
    async fn a_job_nobody_waits_for_is_skipped() {
        let pool = CpuPool::new("test-cpu", 1).unwrap();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let busy = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move || wait.recv()).await }
        });
        while pool.pending() == 0 {
            tokio::task::yield_now().await;
        }
        let ran = Arc::new(AtomicUsize::new(0));
        {
            let ran = ran.clone();
            let dropped = pool.run(move || ran.fetch_add(1, Ordering::SeqCst));
            futures::pin_mut!(dropped);
            assert!(futures::poll!(&mut dropped).is_pending());
        }
        assert_eq!(pool.pending(), 2);
        go.send(()).unwrap();
        busy.await.unwrap().unwrap().unwrap();
        pool.run(|| ()).await.unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn the_io_pool_keeps_its_limit_and_reports_panics() {
        let pool = IoPool::new("test-io", Handle::current(), 2);
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let jobs = (0..16).map(|_| {
            let (now, most) = (now.clone(), most.clone());
            pool.run(move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                now.fetch_sub(1, Ordering::SeqCst);
            })
        });
        assert!(futures::future::join_all(jobs).await.iter().all(Result::is_ok));
        assert!(most.load(Ordering::SeqCst) <= 2);
        let failed = pool.run(|| -> () { panic!("bad sector") }).await;
        let inline = IoPool::inline("test-io");
        assert_eq!(inline.run(|| std::thread::current().id()).await, Ok(std::thread::current().id()));
        assert_eq!(inline.run(|| -> () { panic!("bad sector") }).await, failed);
        assert_eq!(failed, Err(Cancelled::Panicked { pool: "test-io", text: "bad sector".into() }));
    }
}
