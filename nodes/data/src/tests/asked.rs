//! Compactions that somebody asked for: they end, leave nothing that may go, keep what moments show (I18), and survive anything.

use super::dice::Dice;
use super::rig::{PARTITION, Rig, SHARD};
use crate::compaction::CompactionPolicy;
use crate::maintenance::compact_once;
use std::collections::BTreeSet;
use vecraft_rpc::services::{PinReply, ReadBarrier, RowChange, ShardCompact, ShardPin, ShardWriter};
use vecraft_segment::exec::{self, Cancel};
use vecraft_types::api::{AskedInfo, SegmentStanding};
use vecraft_types::*;

/// Later than any clock of a machine that runs this.
const LATE: u64 = 1 << 43;

fn ask(bytes_max: u64) -> ShardCompact {
    ShardCompact { shard: SHARD, bytes_max, deadline_ms: 10_000 }
}

impl Rig {
    async fn asked(&self) -> Option<AskedInfo> {
        self.node.segments(SHARD).await.unwrap().asked
    }

    /// What maintenance does until the ask is done; answers how many compactions it took.
    async fn serve_ask(&self, policy: &CompactionPolicy) -> u32 {
        let mut compactions = 0;
        while self.asked().await.is_some_and(|asked| !asked.is_done) {
            if compact_once(&self.group(), policy).await {
                compactions += 1;
            }
            self.group().checkpoint().await.unwrap();
            assert!(compactions < 100, "it does not end");
        }
        compactions
    }

    /// Rows of each segment that searches read, deleted ones included, in log order.
    async fn rows(&self) -> Vec<u64> {
        let told = self.node.segments(SHARD).await.unwrap();
        told.segments.iter().filter(|one| one.is_searched).map(|one| one.rows).collect()
    }

    async fn remove(&mut self, keys: std::ops::Range<i64>) {
        let keys = keys.map(PrimaryKey::Int64).collect();
        self.write(RowChange::DeleteKeys { partition: None, keys }).await.unwrap();
    }

    fn shown(&self) -> BTreeSet<i64> {
        shown(&self.node.views.get(SHARD).unwrap())
    }

    async fn shown_at(&self, millis: u64) -> Result<BTreeSet<i64>> {
        let at = Timestamp::from_millis(millis);
        let position = self.node.pinned(SHARD, at, &[])?;
        Ok(shown(&self.node.views.get(SHARD).unwrap().at(position, at).unwrap()))
    }

    async fn pin_at(&self, millis: u64) {
        let timestamp = Timestamp::from_millis(millis);
        let pin = ShardPin { shard: SHARD, timestamp, newest_partition: PARTITION, deadline_ms: 10_000 };
        assert_eq!(self.node.pin(pin).await.unwrap(), PinReply::Pinned);
    }
}

fn shown(view: &vecraft_segment::ShardView) -> BTreeSet<i64> {
    let number = |key| match key {
        PrimaryKey::Int64(key) => key,
        PrimaryKey::VarChar(_) => unreachable!(),
    };
    let found = exec::keys(view, None, None, Cancel::never()).unwrap();
    found.into_iter().map(|(key, _)| number(key)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ask_means_everything_before_it_whether_it_was_flushed_or_not() {
    let mut rig = Rig::new().await;
    let policy = CompactionPolicy::default();
    assert_eq!(rig.asked().await, None);
    rig.insert(0..100).await;
    rig.flush().await;
    rig.insert(100..150).await;
    rig.remove(0..5).await;
    rig.remove(120..122).await;
    assert!(!compact_once(&rig.group(), &policy).await, "too little for the leader's own policy");
    rig.node.compact(ask(0)).await.unwrap();
    let open = AskedInfo { is_done: false, finished: 0, under_way: 0 };
    assert_eq!(rig.asked().await, Some(open));
    // Of later rows nothing was said.
    rig.insert(150..160).await;
    rig.remove(10..11).await;
    // What was sealed by the ask is in no file yet.
    assert!(!compact_once(&rig.group(), &policy).await);
    assert_eq!(rig.asked().await, Some(open));
    rig.group().checkpoint().await.unwrap();
    assert!(compact_once(&rig.group(), &policy).await);
    let told = rig.node.segments(SHARD).await.unwrap();
    let standings: Vec<_> =
        told.segments.iter().map(|one| (one.id.0, one.standing, one.is_searched)).collect();
    use SegmentStanding::*;
    assert_eq!(standings, [(1, Replaced, true), (2, Replaced, true), (3, Growing, true), (4, Sealed, false)]);
    assert_eq!(told.merges.len(), 1);
    assert_eq!(
        (&told.merges[0].inputs[..], told.merges[0].output),
        (&[1, 2].map(SegmentId)[..], SegmentId(4))
    );
    assert_eq!(told.asked, Some(AskedInfo { under_way: 1, ..open }));
    assert_eq!(rig.serve_ask(&policy).await, 0);
    assert_eq!(rig.asked().await, Some(AskedInfo { is_done: true, finished: 1, under_way: 0 }));
    // The floor was later than the ask: one delete more went than was asked for.
    assert_eq!(rig.rows().await, [10, 142]);
    assert_eq!(rig.shown(), (5..160).filter(|key| ![10, 120, 121].contains(key)).collect());
    assert!(rig.node.segments(SHARD).await.unwrap().segments.iter().any(|one| one.standing == Flushed));
    // Asked once more: the growing rows join, and then there is nothing to do at all.
    rig.node.compact(ask(0)).await.unwrap();
    assert_eq!(rig.serve_ask(&policy).await, 1);
    assert_eq!(rig.rows().await, [152]);
    rig.node.compact(ask(0)).await.unwrap();
    assert_eq!(rig.serve_ask(&policy).await, 0);
    assert_eq!(rig.asked().await, Some(AskedInfo { is_done: true, finished: 0, under_way: 0 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outputs_are_as_large_as_asked_and_no_larger_than_the_leader_makes_them() {
    for (asked, most, segments) in [(0, 1 << 30, 3), (1 << 40, 1 << 30, 1), (1 << 40, 1, 6), (1, 1 << 30, 6)]
    {
        let mut rig = Rig::new().await;
        for part in 0..6 {
            rig.insert(part * 10..part * 10 + 10).await;
            rig.flush().await;
        }
        let bytes = rig.group().machine.lock().replica.state.shards[&SHARD].segments[&SegmentId(1)].bytes;
        let policy =
            CompactionPolicy { bytes_max: bytes * 2, asked_bytes_max: most, ..CompactionPolicy::default() };
        rig.node.compact(ask(asked)).await.unwrap();
        rig.serve_ask(&policy).await;
        assert_eq!(rig.rows().await.len(), segments, "{asked} bytes asked for, at most {most}");
    }
    // Who turned the leader's own compactions off is asked all the same.
    let mut rig = Rig::new().await;
    rig.insert(0..10).await;
    rig.remove(0..3).await;
    rig.node.compact(ask(0)).await.unwrap();
    rig.serve_ask(&CompactionPolicy { bytes_max: 0, ..CompactionPolicy::default() }).await;
    assert_eq!(rig.rows().await, [7]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i18_what_a_moment_shows_stays_and_is_no_reason_to_wait() {
    let mut rig = Rig::new().await;
    let policy = CompactionPolicy::default();
    rig.insert(0..50).await;
    rig.remove(0..10).await;
    rig.pin_at(LATE).await;
    rig.remove(10..30).await;
    rig.flush().await;
    rig.node.compact(ask(0)).await.unwrap();
    assert_eq!(rig.serve_ask(&policy).await, 1);
    // What was deleted before the moment began went, what it shows did not.
    assert_eq!(rig.rows().await, [40]);
    assert_eq!(rig.shown_at(LATE).await.unwrap(), (10..50).collect());
    assert_eq!(rig.shown(), (30..50).collect());
    rig.crash().await;
    assert_eq!(rig.shown_at(LATE).await.unwrap(), (10..50).collect());
    rig.node.compact(ask(0)).await.unwrap();
    assert_eq!(rig.serve_ask(&policy).await, 0, "nothing may go yet");
    // It ends an hour later, and the next ask has its rows.
    rig.pin_at(LATE + 3_600_001).await;
    rig.shown_at(LATE).await.unwrap_err();
    rig.node.compact(ask(0)).await.unwrap();
    assert_eq!(rig.serve_ask(&policy).await, 1);
    assert_eq!(rig.rows().await, [20]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_an_ask_is_remembered_through_checkpoints_and_crashes_until_it_is_done() {
    let mut rig = Rig::new().await;
    let policy = CompactionPolicy::default();
    rig.insert(0..30).await;
    rig.remove(0..3).await;
    rig.node.compact(ask(0)).await.unwrap();
    rig.crash().await;
    let open = Some(AskedInfo::default());
    assert_eq!(rig.asked().await, open, "from the log");
    rig.group().checkpoint().await.unwrap();
    rig.crash().await;
    assert_eq!(rig.asked().await, open, "from the checkpoint");
    assert!(compact_once(&rig.group(), &policy).await);
    // Between the decision and the file.
    rig.crash().await;
    assert_eq!(rig.serve_ask(&policy).await, 0);
    let done = Some(AskedInfo { is_done: true, finished: 1, under_way: 0 });
    assert_eq!((rig.asked().await, rig.rows().await), (done, vec![27]));
    rig.group().checkpoint().await.unwrap();
    rig.crash().await;
    assert_eq!(rig.asked().await, done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i22_whatever_happens_an_ask_ends_and_leaves_no_row_that_was_deleted_before_it() {
    for seed in 0..8 {
        let (mut rig, mut dice) = (Rig::new().await, Dice(seed));
        let mut expected = BTreeSet::new();
        for step in 0..40 {
            match dice.roll(8) {
                0..3 => {
                    let first = dice.roll(80) as i64;
                    rig.insert(first..first + 12).await;
                    expected.extend(first..first + 12);
                }
                3 | 4 => {
                    let first = dice.roll(90) as i64;
                    rig.remove(first..first + 7).await;
                    expected.retain(|key| !(first..first + 7).contains(key));
                }
                5 => rig.flush().await,
                6 => rig.crash().await,
                _ => {
                    rig.node.compact(ask(0)).await.unwrap();
                    if dice.roll(2) == 0 {
                        rig.crash().await;
                    }
                    let bytes_max = 200 + dice.roll(4_000);
                    let policy = CompactionPolicy { bytes_max, ..CompactionPolicy::default() };
                    let segments = rig.rows().await.len() as u32;
                    let compactions = rig.serve_ask(&policy).await;
                    assert!(compactions <= segments, "seed {seed}, step {step}: {compactions} of {segments}");
                    assert_eq!(
                        rig.rows().await.iter().sum::<u64>(),
                        expected.len() as u64,
                        "seed {seed}, step {step}"
                    );
                }
            }
            assert_eq!(rig.shown(), expected, "seed {seed}, step {step}");
        }
    }
}
