//! The curve: what share of the true neighbours which effort finds.

use super::effort::Effort;
use crate::{Error, Result};

/// Steps of a ladder at most, ladders of a curve at most: more are not measured, so not read.
const STEPS_MAX: usize = 64;
const LADDERS_MAX: usize = 32;

/// One measured breadth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) breadth: usize,
    /// Distances computed, in the mean.
    pub(super) cost: f32,
    /// Mean over the queries.
    pub(super) recall: f32,
    /// The mean less its standard error: what is promised.
    pub(super) sure: f32,
}

/// Growing breadths, measured for one number of wanted neighbours and one number of candidates to refine.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ladder {
    pub(super) k: usize,
    /// See [`Effort::refine`].
    pub(super) refine: usize,
    /// Neither breadth nor recall goes down; at least one.
    pub(super) steps: Vec<Step>,
}

/// Recall against effort of one index, for some numbers of neighbours.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RecallCurve {
    /// By rising `k`, of one `k` by rising `refine`.
    ladders: Vec<Ladder>,
}

impl Ladder {
    /// The least breadth that finds `recall`, and its cost. Between two steps recall is taken to rise evenly; it rises
    /// faster at first, so that is on the safe side.
    fn least(&self, recall: f32) -> Option<(f64, f64)> {
        let at = self.steps.iter().position(|step| step.sure >= recall)?;
        let step = self.steps[at];
        let before = at.checked_sub(1).map_or(step, |before| self.steps[before]);
        let rise = step.sure - before.sure;
        let share = if rise > 0.0 { f64::from(((recall - before.sure) / rise).clamp(0.0, 1.0)) } else { 1.0 };
        let between = |low: f64, high: f64| low + (high - low) * share;
        let breadth = between(before.breadth as f64, step.breadth as f64);
        Some((breadth, between(f64::from(before.cost), f64::from(step.cost))))
    }

    /// The mean recall of a breadth.
    fn recall(&self, breadth: f64) -> f32 {
        let above = self.steps.partition_point(|step| step.breadth as f64 <= breadth);
        match (above.checked_sub(1).map(|low| self.steps[low]), self.steps.get(above)) {
            (Some(low), Some(high)) => {
                let share = (breadth - low.breadth as f64) / (high.breadth - low.breadth) as f64;
                low.recall + (high.recall - low.recall) * share as f32
            }
            (Some(last), None) => last.recall,
            // Less than was ever measured: in proportion, at most.
            (None, Some(first)) => first.recall * (breadth / first.breadth as f64) as f32,
            (None, None) => 0.0,
        }
    }
}

impl RecallCurve {
    pub(super) fn new(ladders: Vec<Ladder>) -> RecallCurve {
        RecallCurve { ladders }
    }

    /// The ladders for `k` neighbours, for how many they were measured, and how many times more breadth `k` takes than what they were measured with. The
    /// nearest are found most easily, so a ladder serves all smaller `k` too.
    fn ladders(&self, k: usize) -> Option<(impl Iterator<Item = &Ladder>, usize, f64)> {
        let measured = self.ladders.iter().find(|ladder| ladder.k >= k).or(self.ladders.last())?.k;
        let times = (k as f64 / measured as f64).max(1.0);
        Some((self.ladders.iter().filter(move |ladder| ladder.k == measured), measured, times))
    }

    /// The cheapest effort that finds `recall` of the `k` nearest; `None` when no measured one did.
    pub(crate) fn effort(&self, k: usize, recall: f32) -> Option<Effort> {
        let (ladders, measured, times) = self.ladders(k)?;
        let ways = ladders.filter_map(|ladder| Some((ladder.refine, ladder.least(recall)?)));
        let (refine, (breadth, _)) = ways.min_by(|(_, (_, a)), (_, (_, b))| a.total_cmp(b))?;
        // Not one more for what is lost in a division.
        let breadth = (breadth * times - 1e-3).ceil() as usize;
        Some(Effort { breadth, refine, refine_for: measured })
    }

    /// The recall to expect of the `k` nearest with an effort.
    pub(crate) fn recall(&self, k: usize, effort: Effort) -> Option<f32> {
        let (ladders, _, times) = self.ladders(k)?;
        let ladder = ladders.filter(|ladder| ladder.refine <= effort.refine).last()?;
        Some(ladder.recall(effort.breadth as f64 / times))
    }

    /// As bytes, little-endian: number of ladders; of each `k`, `refine` and number of steps, and of each step breadth (u32),
    /// cost, recall and sure (f32).
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut words = vec![self.ladders.len() as u32];
        for ladder in &self.ladders {
            words.extend([ladder.k as u32, ladder.refine as u32, ladder.steps.len() as u32]);
            for step in &ladder.steps {
                words.push(step.breadth as u32);
                words.extend([step.cost, step.recall, step.sure].map(f32::to_bits));
            }
        }
        words.into_iter().flat_map(u32::to_le_bytes).collect()
    }

    /// Reads what [`RecallCurve::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::Corrupt`]: other bytes than that writes.
    pub(super) fn read(bytes: &[u8]) -> Result<RecallCurve> {
        let (words, rest) = bytes.as_chunks::<4>();
        let mut words = words.iter().map(|word| u32::from_le_bytes(*word));
        let mut number = || words.next().ok_or_else(|| Error::corrupt("the recall curve ends early"));
        let within = |count: u32, most: usize| match count as usize {
            count if (1..=most).contains(&count) => Ok(count),
            count => Err(Error::corrupt(format!("{count} parts of a recall curve"))),
        };
        let mut ladders: Vec<Ladder> = Vec::new();
        for _ in 0..within(number()?, LADDERS_MAX)? {
            let (k, refine) = (within(number()?, usize::MAX)?, number()? as usize);
            let mut steps: Vec<Step> = Vec::new();
            for _ in 0..within(number()?, STEPS_MAX)? {
                let breadth = within(number()?, usize::MAX)?;
                let mut share = || Ok::<f32, Error>(f32::from_bits(number()?));
                let (cost, recall, sure) = (share()?, share()?, share()?);
                // What is sure of a recall near 0 may lie below it.
                let are_shares = (0.0..=1.0).contains(&recall) && (-1.0..=1.0).contains(&sure);
                let rises = |before: &Step| {
                    before.breadth < breadth && before.recall <= recall && before.sure <= sure
                };
                let is_cost = (0.0..f32::INFINITY).contains(&cost);
                if !is_cost || !are_shares || !steps.last().is_none_or(rises) {
                    return Err(Error::corrupt("steps of a recall curve that do not rise"));
                }
                steps.push(Step { breadth, cost, recall, sure });
            }
            if ladders.last().is_some_and(|before| (before.k, before.refine) >= (k, refine)) {
                return Err(Error::corrupt("ladders of a recall curve that do not rise"));
            }
            ladders.push(Ladder { k, refine, steps });
        }
        if words.next().is_some() || !rest.is_empty() {
            return Err(Error::corrupt("more bytes than a recall curve has"));
        }
        Ok(RecallCurve { ladders })
    }
}
