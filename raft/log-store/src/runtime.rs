//! openraft's runtime: tokio, with random numbers that a simulation can seed.
//!
//! openraft draws when it waits for an election and when its clock first ticks, and asks its runtime for a generator
//! each time. Everything else is tokio's.
// The doorkeeper of openraft's own random numbers.
#![allow(clippy::disallowed_methods)]

use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

use openraft::{AsyncRuntime, OptionalSend, TokioRuntime};
use rand_openraft::rngs::StdRng;
use rand_openraft::{RngExt, SeedableRng};

thread_local! {
    static SEED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// From here on openraft's waiting times in this thread follow `seed`; `None` makes them unpredictable again. For a
/// simulation on one thread.
pub fn draw_timeouts_from(seed: Option<u64>) {
    SEED.set(seed);
}

/// tokio, as openraft sees it.
#[derive(Debug)]
pub struct Runtime(TokioRuntime);

type Tokio<T> = <TokioRuntime as AsyncRuntime>::JoinHandle<T>;

impl AsyncRuntime for Runtime {
    type JoinError = <TokioRuntime as AsyncRuntime>::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = Tokio<T>;
    type Sleep = <TokioRuntime as AsyncRuntime>::Sleep;
    type Instant = <TokioRuntime as AsyncRuntime>::Instant;
    type TimeoutError = <TokioRuntime as AsyncRuntime>::TimeoutError;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = <TokioRuntime as AsyncRuntime>::Timeout<R, T>;
    type ThreadLocalRng = StdRng;
    type Mpsc = <TokioRuntime as AsyncRuntime>::Mpsc;
    type Watch = <TokioRuntime as AsyncRuntime>::Watch;
    type Oneshot = <TokioRuntime as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        TokioRuntime::spawn(future)
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        TokioRuntime::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        TokioRuntime::sleep_until(deadline)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(
        duration: Duration,
        future: F,
    ) -> Self::Timeout<R, F> {
        TokioRuntime::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(
        deadline: Self::Instant,
        future: F,
    ) -> Self::Timeout<R, F> {
        TokioRuntime::timeout_at(deadline, future)
    }

    fn is_panic(join_error: &Self::JoinError) -> bool {
        TokioRuntime::is_panic(join_error)
    }

    fn thread_rng() -> StdRng {
        let seed = match SEED.get() {
            Some(seed) => {
                SEED.set(Some(seed.wrapping_add(1)));
                seed
            }
            None => rand_openraft::rng().random(),
        };
        StdRng::seed_from_u64(seed)
    }

    fn new(threads: usize) -> Self {
        Runtime(TokioRuntime::new(threads))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_draws_and_without_one_they_differ() {
        let draw = || (0..4).map(|_| Runtime::thread_rng().random::<u64>()).collect::<Vec<_>>();
        draw_timeouts_from(Some(7));
        let first = draw();
        draw_timeouts_from(Some(7));
        assert_eq!(draw(), first);
        draw_timeouts_from(None);
        assert_ne!(draw(), draw());
    }
}
