//! How long compactions take here, to say how long one will.
//!
//! From the entry in the log until readers see the output: its file, and its indexes, which are most of it. The time grows with the rows,
//! so the last ones' time for a row, times the rows, is what the next will take; how much is left is that less what it took so far.

use crate::group::DataGroup;
use std::collections::BTreeMap;
use std::time::Duration;
use vecraft_types::{SegmentId, ShardId};

/// Names an output.
pub(crate) type Output = (ShardId, SegmentId);

/// What was seen of a group's compactions.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When each that is under way was seen first, on the monotonic clock, and its rows.
    begun: BTreeMap<Output, (Duration, u32)>,
    /// Of those that ended, the newest counts for half.
    seconds_a_row: Option<f64>,
}

impl Pace {
    /// Looks at what is under way now. `is_read`: whether readers see an output; one that is neither went with its shard, or became a
    /// part of another, and says nothing.
    pub(crate) fn see(
        &mut self,
        now: Duration,
        under_way: &BTreeMap<Output, u32>,
        is_read: impl Fn(&Output) -> bool,
    ) {
        let ended: Vec<Output> =
            self.begun.keys().filter(|output| !under_way.contains_key(output)).copied().collect();
        for output in ended {
            let begun = self.begun.remove(&output);
            if let Some((since, rows)) = begun.filter(|_| is_read(&output)) {
                let took = now.saturating_sub(since).as_secs_f64() / f64::from(rows.max(1));
                self.seconds_a_row = Some(self.seconds_a_row.map_or(took, |before| (before + took) / 2.0));
            }
        }
        for (output, rows) in under_way {
            self.begun.entry(*output).or_insert((now, *rows));
        }
    }

    /// Seconds until readers see an output, about; none before one was made, or when it is not known. At least 1: it is not there yet.
    pub(crate) fn seconds_left(&self, now: Duration, output: &Output) -> Option<u64> {
        let (since, rows) = self.begun.get(output)?;
        let whole = self.seconds_a_row? * f64::from(*rows);
        Some((whole - now.saturating_sub(*since).as_secs_f64()).ceil().max(1.0) as u64)
    }

    /// The same until the last of those that are under way.
    pub(crate) fn seconds_left_of_all(&self, now: Duration) -> Option<u64> {
        self.begun.keys().filter_map(|output| self.seconds_left(now, output)).max()
    }
}

impl DataGroup {
    /// Seconds until readers see the last output that is under way, about.
    pub(crate) fn seconds_left(&self) -> Option<u64> {
        self.pace.lock().seconds_left_of_all(self.clock.monotonic())
    }

    /// Looks at what is being compacted.
    pub(crate) fn see_pace(&self) {
        // Nobody takes the second lock while holding the first but here.
        let (mut pace, machine) = (self.pace.lock(), self.machine.lock());
        let is_read = |output: &Output| machine.replica.reads(output);
        pace.see(self.clock.monotonic(), &machine.replica.under_way(), is_read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn output(segment: u64, rows: u32) -> (Output, u32) {
        ((ShardId::default(), SegmentId(segment)), rows)
    }

    #[test]
    fn what_one_took_says_what_the_next_will() {
        let mut pace = Pace::default();
        let (first, second) = (output(1, 1_000), output(2, 4_000));
        pace.see(10 * SECOND, &BTreeMap::from([first]), |_| true);
        assert_eq!(pace.seconds_left(12 * SECOND, &first.0), None, "nothing to go by");
        pace.see(20 * SECOND, &BTreeMap::from([first]), |_| true);
        pace.see(30 * SECOND, &BTreeMap::from([second]), |_| true);
        assert_eq!(pace.seconds_left(30 * SECOND, &first.0), None, "it is there");
        assert_eq!(pace.seconds_left(30 * SECOND, &second.0), Some(80));
        assert_eq!(pace.seconds_left_of_all(100 * SECOND), Some(10));
        assert_eq!(pace.seconds_left_of_all(500 * SECOND), Some(1), "late, and not there");
        // The newest counts for half.
        pace.see(70 * SECOND, &BTreeMap::from([first]), |_| true);
        assert_eq!(pace.seconds_left(70 * SECOND, &first.0), Some(15));
        pace.see(71 * SECOND, &BTreeMap::new(), |_| true);
        assert_eq!(pace.seconds_left_of_all(71 * SECOND), None);
        // What went with its shard says nothing.
        pace.see(80 * SECOND, &BTreeMap::from([second]), |_| true);
        let before = pace.seconds_left(80 * SECOND, &second.0);
        pace.see(81 * SECOND, &BTreeMap::new(), |_| false);
        pace.see(82 * SECOND, &BTreeMap::from([second]), |_| true);
        assert_eq!(pace.seconds_left(82 * SECOND, &second.0), before);
    }
}
