//! Running seeds of a cluster, and saying what came of it.

use super::book::{Book, Figures};
use super::bug::Bug;
use super::life::Life;
use crate::failure::Simulated;
use crate::invariants::broken;
use crate::trace::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::runtime::{Builder, RngSeed};
use vecraft_log_store::draw_timeouts_from;

/// A life that went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lived {
    /// Stands for everything that happened.
    pub hash: Hash,
    /// Events.
    pub events: u64,
    /// Simulated milliseconds.
    pub ms: u64,
    /// How much happened.
    pub figures: Figures,
}

/// A life that ended with a broken rule.
pub type Failure = crate::failure::Failure<Bug>;

/// Lives one seed. A panic of the code under test is a finding like any other.
///
/// # Errors
/// The first rule that did not hold.
///
/// # Panics
/// When the operating system gives no runtime.
pub fn run(seed: u64, bug: Option<Bug>) -> Result<Lived, Box<Failure>> {
    draw_timeouts_from(Some(seed));
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .rng_seed(RngSeed::from_bytes(&seed.to_le_bytes()))
        .build();
    #[allow(clippy::expect_used)]
    let runtime = runtime.expect("a runtime needs a thread and a timer");
    let book = {
        let _in_its_time = runtime.enter();
        Book::new()
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async { Life::new(seed, bug, book.clone()).run().await })
    }));
    let outcome = outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
        Err(broken("no panic", text))
    });
    let lived = {
        let _in_its_time = runtime.enter();
        book.with(|pages| Lived {
            hash: pages.trace.hash(),
            events: pages.trace.events(),
            ms: pages.began.elapsed().as_millis() as u64,
            figures: pages.figures,
        })
    };
    drop(runtime);
    draw_timeouts_from(None);
    match outcome {
        Ok(()) => Ok(lived),
        Err(broken) => Err(Box::new(Failure {
            of: Simulated::Cluster,
            seed,
            bug,
            broken,
            events: book.with(|pages| pages.trace.tail()),
        })),
    }
}

/// Seeds that failed once, from `corpus-cluster.txt`: one a line, `#` begins a comment.
pub fn corpus() -> Vec<u64> {
    let lines = include_str!("../../corpus-cluster.txt").lines();
    lines.filter_map(|line| line.split('#').next()?.trim().parse().ok()).collect()
}
