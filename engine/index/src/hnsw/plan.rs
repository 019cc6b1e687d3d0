//! Which way a filtered search goes, by estimated cost in distances.
//!
//! Measured (60,000 x 784, M 16, random filters, recall 0.96 and more everywhere): comparing all matches wins up
//! to about 3 % of the rows, the two-hop walk from there to 40 %, the plain walk above (at half of the rows, 323 distances
//! for 0.964 and 425 for 0.986 against 454 for 0.978). Comparing streams through memory, a walk jumps, so one compared row
//! counts 0.6 of a visited one.
//!
//! A share says nothing of where the matches are. The plain walk notices when they are not around the query, and a two-hop walk
//! takes over (`search`): a filter that the half of these rows away from the queries passes took 2,821 distances by the plain walk
//! alone.

/// The way chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Plan {
    /// Compare every match.
    Exact,
    /// Two-hop walk with this breadth.
    TwoHop {
        /// Candidates kept.
        ef: usize,
    },
    /// Plain walk, as long as rows around the query match.
    Inline,
}

/// Matches that are compared without thinking.
const FEW: usize = 1_000;
/// Below this share of matches a two-hop walk is thin and needs a wider pool in proportion.
const THIN: f64 = 0.08;

/// From this share of matches on the plain walk is tried first.
const PLAIN: f64 = 0.45;

/// Distances of an unfiltered walk: a part for getting there and a part per candidate (measured 223 at ef 10,
/// 625 at 64, 1,496 at 256; a little more is assumed, for larger M).
fn walk_cost(ef: usize) -> f64 {
    150.0 + 8.0 * ef as f64
}

/// Chooses for `matches` of `rows` matching, `k` wanted, breadth `ef`.
pub(crate) fn choose(rows: usize, matches: usize, k: usize, ef: usize) -> Plan {
    if matches <= FEW || matches <= 2 * k {
        return Plan::Exact;
    }
    let share = matches as f64 / rows as f64;
    let exact = matches as f64 * 0.6;
    if share >= PLAIN {
        return if exact <= walk_cost(ef) / share { Plan::Exact } else { Plan::Inline };
    }
    let wide = (ef as f64 * (THIN / share).max(1.0)) as usize;
    if exact <= walk_cost(wide) * 1.2 { Plan::Exact } else { Plan::TwoHop { ef: wide } }
}
