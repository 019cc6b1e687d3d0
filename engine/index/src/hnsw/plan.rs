//! Which way a filtered search goes, by estimated cost in distances.
//!
//! Prices are in distances of a walk. Measured (60,000 x 784, M 16, random filters, recall 0.96 and more everywhere): comparing all matches wins up
//! to about 3 % of the rows, the two-hop walk from there to 40 %, the plain walk above (at half of the rows, 323 distances
//! for 0.964 and 425 for 0.986 against 454 for 0.978). Comparing streams through memory, a walk jumps, so one compared row
//! counts 0.6 of a visited one.
//!
//! A share says nothing of where the matches are. So the links of the row that the descent ends at are looked at first, which costs
//! nothing: where the query lies among matches, a plain walk costs what it would without a filter, however few match elsewhere.
//! The plain walk in turn notices when they are not around the query, and a two-hop walk
//! takes over (`search`): a filter that the half of these rows away from the queries passes took 2,821 distances by the plain walk
//! alone.
//!
//! No walk may cost more than comparing all matches would, so the worst case is twice that. A two-hop walk that is going to cost more
//! is given up early, by what its first part cost. Walking where comparing may be cheaper, up to that limit, is what keeps the price
//! below twice that of the better way whatever the filter (`tests_plan`); comparing outright in all doubt was up to 4.3 times dearer, in
//! clusters at ef 10. The price of that promise: random filters at the border cost a third more than comparing outright would (median).

/// The way chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Plan {
    /// Compare every match.
    Exact,
    /// Compare every match, unless the query lies among matches: then the plain walk is cheaper.
    ExactUnlessAmong,
    /// Two-hop walk with this breadth; the plain one if the query lies among matches.
    TwoHop(Breadth),
    /// Plain walk, as long as rows around the query match.
    Inline,
}

/// How far a two-hop walk goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Breadth {
    /// Candidates kept.
    pub(crate) ef: usize,
    /// It is given up when the first part of it says that all of it would cost so many times what comparing does.
    pub(crate) patience: f64,
}

/// Price of a compared row, in distances of a walk that goes by rows.
pub(crate) const COMPARED: f64 = 0.6;
/// The same of a walk that goes by codes: a row has four and more times the bytes of its code. With 0.6 a region of a tenth of
/// 40,000 x 384 was given up and compared, 0.34 ms at ef 64, which the walk finishes with 1,893 distances in 0.13 ms.
pub(crate) const COMPARED_BESIDE_CODES: f64 = 1.0;

/// Below this share of matches a two-hop walk is thin and needs a wider pool in proportion.
const THIN: f64 = 0.08;

/// From this share of matches on the plain walk is tried first.
pub(crate) const PLAIN: f64 = 0.45;

/// Distances of an unfiltered walk: a part for getting there and a part per candidate (measured 223 at ef 10,
/// 625 at 64, 1,496 at 256; a little more is assumed, for larger M).
fn walk_cost(ef: usize) -> f64 {
    150.0 + 8.0 * ef as f64
}

/// Patience with a two-hop walk that costs more than comparing, under most filters: only one that is clearly cheap goes on.
const DOUBTFUL: f64 = 1.25;

/// Patience with the others. The first expansions see more new rows than the later ones: a walk that would cost so much at the price
/// of its first part costs hardly less than comparing in the end.
pub(crate) const LIKELY: f64 = 1.7;

/// Twice what the cheapest walk costs that was seen with this breadth, its descent included: 150 at ef 10, 260 at 32, 350 at 64, 470 at
/// 128, in clusters and with all around the query matching. What costs less to compare needs no look at the query.
fn sure(ef: usize) -> f64 {
    300.0 + 5.0 * ef as f64
}

/// What comparing all of so many matches costs, in distances of a walk, of which one row costs `compared`.
pub(crate) fn price_of_all(matches: usize, compared: f64) -> f64 {
    matches as f64 * compared
}

/// Chooses for `matches` of `rows` matching, `k` wanted, breadth `ef`, where a compared row costs `compared`.
pub(crate) fn choose(rows: usize, matches: usize, k: usize, ef: usize, compared: f64) -> Plan {
    let exact = price_of_all(matches, compared);
    if matches <= 2 * k || exact <= sure(ef) {
        return Plan::Exact;
    }
    let share = matches as f64 / rows as f64;
    if share >= PLAIN {
        return if exact <= walk_cost(ef) / share { Plan::ExactUnlessAmong } else { Plan::Inline };
    }
    let wide = (ef as f64 * (THIN / share).max(1.0)) as usize;
    let patience = if exact <= walk_cost(wide) * 1.2 { DOUBTFUL } else { LIKELY };
    Plan::TwoHop(Breadth { ef: wide, patience })
}

/// Whether a query lies among matches, told by how many of the links of a row near it match, when so many of `rows` do. Twice the share of
/// all is no chance any more, and from two of five on the plain walk is the cheaper one.
pub(crate) fn is_among(links: usize, matching: usize, rows: usize, matches: usize) -> bool {
    let share = matches as f64 / rows as f64;
    links >= FEWEST_LINKS && matching as f64 >= links as f64 * (2.0 * share).clamp(0.4, 0.9)
}

/// Fewer say nothing.
const FEWEST_LINKS: usize = 5;
