//! Running seeds, and saying what came of it.

use crate::fault::Fault;
use crate::life::{Life, Lived};
use crate::{Broken, Step};
use parking_lot::Mutex;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// A life that ended with something broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Brings it back, with `ops`.
    pub seed: u64,
    /// Operations asked for, if the seed's own number was not taken.
    pub ops: Option<u64>,
    /// Planted, if any.
    pub fault: Option<Fault>,
    /// The operation that showed it, counted from 1.
    pub op: u64,
    /// What is broken.
    pub broken: Broken,
    /// What happened before, oldest first, the operation itself last.
    pub trail: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { seed, ops, fault, op, broken, trail } = self;
        writeln!(f, "seed {seed}, operation {op}: {}", broken.0)?;
        writeln!(f, "  what was done, oldest first:")?;
        trail.iter().try_for_each(|event| writeln!(f, "    {event}"))?;
        write!(f, "  bring it back: cargo run -p vecraft-test-model -- --seed {seed}")?;
        ops.iter().try_for_each(|ops| write!(f, " --ops {ops}"))?;
        fault.iter().try_for_each(|fault| write!(f, " --fault {fault}"))
    }
}

/// Lives one seed, with so many operations or the seed's own number. A panic of any thread is a finding like any other.
///
/// # Errors
/// The first thing that was not as it must be.
pub fn run(seed: u64, ops: Option<u64>, fault: Option<Fault>) -> Result<Lived, Box<Failure>> {
    watch_panics();
    let failed = |op, broken, trail| Box::new(Failure { seed, ops, fault, op, broken, trail });
    let mut life = Life::new(seed, ops, fault).map_err(|broken| failed(0, broken, Vec::new()))?;
    let lived: Step = catch_unwind(AssertUnwindSafe(|| life.run()))
        .unwrap_or_else(|_| Err(Broken(format!("a panic: {}", panics().join("; ")))));
    match lived {
        Ok(()) => Ok(life.lived),
        Err(broken) => Err(failed(life.lived.ops, broken, life.trail())),
    }
}

/// Seeds that failed once, from `corpus.txt`: a seed and perhaps a number of operations; `#` begins a comment.
pub fn corpus() -> Vec<(u64, Option<u64>)> {
    let line = |line: &'static str| {
        let mut numbers = line.split('#').next()?.split_whitespace();
        Some((numbers.next()?.parse().ok()?, numbers.next().and_then(|ops| ops.parse().ok())))
    };
    include_str!("../corpus.txt").lines().filter_map(line).collect()
}

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What panicked since the program started, wherever it was.
pub fn panics() -> Vec<String> {
    PANICS.lock().clone()
}

fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.lock().push(panic.to_string());
            before(panic);
        }));
    });
}
