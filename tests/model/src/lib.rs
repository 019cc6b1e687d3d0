//! Random operations on a real server, beside a naive twin.
//!
//! This crate answers: *does the database do what a list of rows in memory would do?* One seed is one life: a schema,
//! thresholds so small that sealing, checkpoints and index files happen within minutes of use, and operations as a
//! user sends them, restarts and kills included. After each of them the answer must be the twin's.
//!
//! | part | what it is |
//! |---|---|
//! | [`plan`], [`shape`] | what a seed draws: sizes and thresholds; the collection |
//! | [`cell`], [`make`] | values, and how random ones are made |
//! | [`filter`] | random filters: as text for the server, as a tree for the twin |
//! | [`node`] | the server under test: start, stop, kill |
//! | [`twin`], [`nearest`] | what must be true: rows in a map, scores in f64, one after another |
//! | [`check`] | comparing an answer with the twin's |
//! | [`life`], [`ops`] | the life: which operation comes next; one family of operations a file |
//! | [`fault`] | mistakes planted in the twin, each of which must be reported |
//! | [`report`] | running a seed and saying how to bring it back |
//!
//! The twin shares no code with what it checks: it names `common/types` only. What an answer may be: queries, gets and
//! counts exactly the twin's; pages of an iterator exactly the rows
//! that there were when it began; searches without a graph or lists exactly the nearest (equal scores in any order); searches
//! with one exactly `min(k, matches)` hits with right scores (P5), and a good part of the nearest over a whole life.
//!
//! It does *not* send two operations at once, cut power or replicate: those are tests/chaos and tests/sim. The same seed
//! sends the same operations, but the server has threads, so a failure that hangs on their order may need several tries.

pub mod cell;
pub mod check;
pub mod fault;
pub mod filter;
pub mod life;
pub mod make;
pub mod nearest;
pub mod node;
pub mod ops;
pub mod plan;
pub mod report;
pub mod shape;
pub mod twin;

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub String);

/// The outcome of an operation and its checks.
pub type Step<T = ()> = Result<T, Broken>;

/// A broken expectation.
pub fn broken<T>(what: impl Into<String>) -> Step<T> {
    Err(Broken(what.into()))
}
