//! A life that ended with a broken rule, and how to bring it back; of one node and of a cluster alike.

use crate::invariants::Broken;
use std::fmt;

/// What was simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Simulated {
    /// One node.
    Node,
    /// A cluster.
    Cluster,
}

/// See the [module](self). `B` is the list of bugs that can be planted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure<B> {
    /// Which simulation.
    pub of: Simulated,
    /// Brings it back.
    pub seed: u64,
    /// Planted, if any.
    pub bug: Option<B>,
    /// What was broken.
    pub broken: Broken,
    /// What happened before, oldest first.
    pub events: Vec<String>,
}

impl<B: fmt::Display> fmt::Display for Failure<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { of, seed, bug, broken, events } = self;
        let (whose, option) = match of {
            Simulated::Node => ("", ""),
            Simulated::Cluster => (" of a cluster", "--cluster "),
        };
        writeln!(f, "seed {seed}{whose} broke {}: {}", broken.invariant, broken.what)?;
        writeln!(f, "  before that, oldest first:")?;
        events.iter().try_for_each(|event| writeln!(f, "    {event}"))?;
        write!(f, "  bring it back: cargo run -p vecraft-test-sim -- {option}--seed {seed}")?;
        bug.iter().try_for_each(|bug| write!(f, " --bug {bug}"))
    }
}
