//! Running seeds, and saying what came of it.

use crate::bug::Bug;
use crate::failure::Simulated;
use crate::invariants::broken;
use crate::simulation::Simulation;
use crate::trace::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A life that went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lived {
    /// Stands for everything that happened.
    pub hash: Hash,
    /// Events.
    pub events: u64,
    /// Starts after a death.
    pub deaths: u64,
}

/// A life that ended with a broken rule.
pub type Failure = crate::failure::Failure<Bug>;

/// Lives one seed. A panic of the code under test is a finding like any other.
///
/// # Errors
/// The first rule that did not hold.
pub fn run(seed: u64, bug: Option<Bug>) -> Result<Lived, Box<Failure>> {
    let mut simulation = Simulation::new(seed, bug);
    let outcome = catch_unwind(AssertUnwindSafe(|| simulation.run())).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
        Err(broken("no panic", text))
    });
    match outcome {
        Ok(()) => Ok(Lived {
            hash: simulation.trace.hash(),
            events: simulation.trace.events(),
            deaths: simulation.deaths,
        }),
        Err(broken) => {
            Err(Box::new(Failure { of: Simulated::Node, seed, bug, broken, events: simulation.trace.tail() }))
        }
    }
}

/// Seeds that failed once, from `corpus.txt`: one a line, `#` begins a comment.
pub fn corpus() -> Vec<u64> {
    let lines = include_str!("../corpus.txt").lines();
    lines.filter_map(|line| line.split('#').next()?.trim().parse().ok()).collect()
}
