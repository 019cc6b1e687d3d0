//! One life: which operation comes next, what happened so far, and when to look at everything.

use crate::fault::Fault;
use crate::node::Node;
use crate::ops::iterators::Open;
use crate::plan::Plan;
use crate::shape::Shape;
use crate::twin::Twin;
use crate::{Step, broken, report};
use std::collections::VecDeque;
use vecraft_test_sim::rng::Rng;
use vecraft_types::Timestamp;

/// Operations remembered for a message.
const REMEMBERED: usize = 12;
/// Operations between two looks at everything.
const LOOK_EVERY: u64 = 25;
/// The part of the nearest rows that searches by index must find over a whole life.
pub const RECALL_MIN: f64 = 0.9;
/// Fewer wanted hits than this say nothing about recall.
const RECALL_FROM: usize = 100;

/// What a life came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lived {
    /// Operations.
    pub ops: u64,
    /// Starts after a stop or kill.
    pub restarts: u64,
    /// Of the nearest rows that searches by index should have found ...
    pub wanted: usize,
    /// ... those found.
    pub found: usize,
}

/// A server, its twin, and what is to come.
pub struct Life {
    pub(crate) seed: u64,
    pub(crate) rng: Rng,
    pub(crate) plan: Plan,
    pub(crate) node: Node,
    pub(crate) twin: Twin,
    /// The largest timestamp answered: what a client's session sends along.
    pub(crate) last: Timestamp,
    /// Requests that were given a name.
    pub(crate) sequence: u64,
    /// Iterators that have begun.
    pub(crate) iterators: Vec<Open>,
    /// What it came to so far.
    pub lived: Lived,
    fault: Option<Fault>,
    trail: VecDeque<String>,
}

impl Life {
    /// The life of a seed, with a server over an empty directory.
    ///
    /// # Errors
    /// When the server does not start.
    pub fn new(seed: u64, ops: Option<u64>, fault: Option<Fault>) -> Step<Life> {
        let mut rng = Rng::new(seed);
        let mut plan = Plan::draw(&mut rng);
        plan.ops = ops.unwrap_or(plan.ops);
        let node = Node::start(&plan)?;
        let twin = Twin::new(Shape::draw(&mut rng.clone()));
        let (last, sequence, lived) = (Timestamp::ZERO, 0, Lived::default());
        let (iterators, trail) = (Vec::new(), VecDeque::new());
        Ok(Life { seed, rng, plan, node, twin, last, sequence, iterators, lived, fault, trail })
    }

    /// Lives it.
    ///
    /// # Errors
    /// The first thing that was not as it must be.
    pub fn run(&mut self) -> Step {
        self.make_collection()?;
        for op in 1..=self.plan.ops {
            self.lived.ops = op;
            if op > self.plan.ops / 2 {
                self.twin.fault = self.twin.fault.or(self.fault.take());
            }
            self.step()?;
            if op % LOOK_EVERY == 0 {
                self.look_at_everything()?;
            }
            self.is_well()?;
        }
        self.look_at_everything()?;
        self.note("the last restart".to_owned());
        self.node.stop()?;
        self.node.start_again()?;
        self.look_at_everything()?;
        self.node.stop()?;
        self.is_well()?;
        let Lived { wanted, found, .. } = self.lived;
        if wanted >= RECALL_FROM && (found as f64) < RECALL_MIN * wanted as f64 {
            return broken(format!("searches by index found {found} of the {wanted} nearest rows"));
        }
        Ok(())
    }

    fn step(&mut self) -> Step {
        if self.rng.chance(self.plan.restarts) {
            return self.restart();
        }
        match self.rng.below(100) {
            0..29 => self.insert(),
            29..35 => self.delete_by_key(),
            35..40 => self.delete_by_filter(),
            40..46 => self.get(),
            46..56 => self.query(),
            56..60 => self.count(),
            60..74 => self.search(),
            74..78 => self.search_groups(),
            78..86 => self.iterate(),
            86..91 => self.flush(),
            91..94 => self.partition(),
            94..97 => self.index(),
            97 => self.bad_input(),
            98 if self.rng.chance(60) => self.make_again(),
            _ => self.wait_for_indexes(),
        }
    }

    /// Nothing gave up behind the answers.
    fn is_well(&self) -> Step {
        if let Some(reason) = self.node.failure() {
            return broken(format!("the server gave up: {reason}"));
        }
        match report::panics().first() {
            Some(panic) => broken(format!("a thread panicked: {panic}")),
            None => Ok(()),
        }
    }

    /// Remembers what is about to happen.
    pub(crate) fn note(&mut self, what: String) {
        if self.trail.len() == REMEMBERED {
            self.trail.pop_front();
        }
        self.trail.push_back(format!("{}: {what}", self.lived.ops));
    }

    /// The last operations, oldest first.
    pub fn trail(&self) -> Vec<String> {
        self.trail.iter().cloned().collect()
    }
}
