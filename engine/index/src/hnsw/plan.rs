//! Which way a filtered search goes, by estimated cost in distances.
//!
//! Measured (60,000 x 784, M 16, random filters, recall 0.96 and more everywhere): comparing all matches wins up
//! to about 3 % of the rows, the two-hop walk from there to 50 %, the plain walk above. Comparing streams through
//! memory, a walk jumps, so one compared row counts 0.6 of a visited one.

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
    /// Plain walk.
    Inline,
}

/// Matches that are compared without thinking.
const FEW: usize = 1_000;
/// Below this share of matches a two-hop walk is thin and needs a wider pool in proportion.
const THIN: f64 = 0.08;

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
    if share >= 0.5 {
        return if exact <= walk_cost(ef) / share { Plan::Exact } else { Plan::Inline };
    }
    let wide = (ef as f64 * (THIN / share).max(1.0)) as usize;
    if exact <= walk_cost(wide) * 1.2 { Plan::Exact } else { Plan::TwoHop { ef: wide } }
}
