//! I13, I22: segments become one while rows are written, deleted and read, and through crashes.

use super::dice::Dice;
use super::rig::{PARTITION, Rig, SHARD};
use crate::compaction::{CompactionPolicy, choose};
use crate::maintenance::{Sight, Step};
use std::collections::BTreeSet;
use std::time::Duration;
use vecraft_rpc::services::RowChange;
use vecraft_segment::exec;
use vecraft_segment::{Input, ShardView};
use vecraft_state::shard::{Refusal, ShardCommand};
use vecraft_types::*;

const WAIT: Duration = Duration::from_secs(30);

impl Rig {
    fn view(&self) -> std::sync::Arc<ShardView> {
        self.node.views.get(SHARD).unwrap()
    }

    fn keys(&self) -> BTreeSet<i64> {
        let found = exec::keys(&self.view(), None, None, exec::Cancel::never()).unwrap();
        let all = found.len();
        let keys: BTreeSet<i64> = found
            .into_iter()
            .map(|(key, _)| match key {
                PrimaryKey::Int64(key) => key,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(keys.len(), all, "a row is shown twice");
        keys
    }

    fn sealed(&self) -> Vec<SegmentId> {
        self.group().machine.lock().replica.state.shards[&SHARD].sealed_of(PARTITION)
    }

    /// Has these segments compacted, with the entries up to now as floor; false when the log refused.
    async fn compact(&self, inputs: &[SegmentId]) -> bool {
        let (floor, rows) = {
            let group = self.group();
            let machine = group.machine.lock();
            let shard = &machine.replica.shards[&SHARD];
            let floor = machine.replica.applied();
            let rows = |id: &SegmentId| match (shard.segments.get(id), shard.compacting.get(id)) {
                (Some(held), _) => Input::Segment(held.segment.clone()).kept(floor).len(),
                (None, Some(one)) => Input::Compaction(one.compaction.clone()).kept(floor).len(),
                (None, None) => 0,
            };
            (floor, inputs.iter().map(rows).sum())
        };
        let command = ShardCommand::Compact { inputs: inputs.to_vec(), floor, rows, bytes: 1 };
        match self.group().ask(SHARD, command, WAIT).await.unwrap().1 {
            Ok(_) => true,
            Err(Refusal::NotCompactable) => false,
            Err(other) => panic!("{other:?}"),
        }
    }

    async fn delete(&mut self, keys: impl IntoIterator<Item = i64>) -> u64 {
        let keys = keys.into_iter().map(PrimaryKey::Int64).collect();
        self.write(RowChange::DeleteKeys { partition: None, keys }).await.unwrap().deleted
    }

    async fn delete_where(&mut self, filter: String) -> u64 {
        self.write(RowChange::DeleteWhere { partitions: vec![], filter }).await.unwrap().deleted
    }

    fn bytes_on_disk(&self) -> u64 {
        self.group().machine.lock().replica.file_bytes()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_readers_see_the_inputs_until_the_output_is_durable_and_writes_hit_both() {
    let mut rig = Rig::new().await;
    for part in 0..3 {
        rig.insert(part * 100..part * 100 + 100).await;
        rig.flush().await;
    }
    assert_eq!(rig.delete(0..50).await, 50);
    rig.group().checkpoint().await.unwrap();
    let before = rig.bytes_on_disk();
    let inputs = rig.sealed();
    assert!(rig.compact(&inputs).await);
    let shown = |rig: &Rig| rig.view().segments.iter().map(|one| one.segment.id().0).collect::<Vec<_>>();
    assert_eq!(shown(&rig), [1, 2, 3]);
    assert_eq!(rig.keys(), (50..300).collect());
    let old = rig.view();
    // Deletes by key and by filter, upserts: the log names rows of the output, readers see the inputs.
    assert_eq!(rig.delete([60, 160, 260]).await, 3);
    assert_eq!(rig.delete_where("n >= 100 and n < 110".into()).await, 10);
    rig.insert(290..310).await;
    let expected: BTreeSet<i64> =
        (50..310).filter(|key| ![60, 160, 260].contains(key) && !(100..110).contains(key)).collect();
    assert_eq!(rig.keys(), expected);
    rig.group().checkpoint().await.unwrap();
    assert_eq!(shown(&rig), [4, 5], "the output and what was inserted since");
    assert_eq!(rig.keys(), expected);
    assert_eq!(rig.files().len(), 2, "the inputs' files went: {:?}", rig.files());
    assert!(
        rig.bytes_on_disk() < before,
        "{} after {before}: a third of the rows were deleted",
        rig.bytes_on_disk()
    );
    // An old view answers the same for ever.
    let found = exec::count(&old, None, None, exec::Cancel::never()).unwrap();
    assert_eq!(found, 250);
    rig.crash().await;
    assert_eq!(rig.keys(), expected);
    assert_eq!(rig.delete_where("n < 1000".into()).await, expected.len() as u64);
    assert!(rig.keys().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_without_living_rows_leaves_no_output() {
    let mut rig = Rig::new().await;
    rig.insert(0..100).await;
    rig.flush().await;
    assert_eq!(rig.delete(0..100).await, 100);
    assert!(rig.compact(&[SegmentId(1)]).await);
    assert!(rig.sealed().is_empty() && rig.view().segments.is_empty());
    rig.group().checkpoint().await.unwrap();
    assert!(rig.files().is_empty(), "{:?}", rig.files());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_partition_takes_an_output_along_that_nobody_reads_yet() {
    use vecraft_rpc::services::ShardAdmin;
    let mut rig = Rig::new().await;
    for part in 0..2 {
        rig.insert(part * 10..part * 10 + 10).await;
        rig.flush().await;
    }
    assert!(rig.compact(&rig.sealed()).await);
    rig.node.drop_partition(super::rig::GROUP, SHARD, PARTITION).await.unwrap();
    assert!(rig.keys().is_empty() && rig.view().segments.is_empty());
    rig.group().checkpoint().await.unwrap();
    assert!(rig.files().is_empty(), "{:?}", rig.files());
    rig.crash().await;
    assert!(rig.keys().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i22_rows_stay_what_they_are_whatever_is_compacted_when_and_whenever_it_crashes() {
    for seed in 0..12 {
        let (mut rig, mut dice) = (Rig::new().await, Dice(seed));
        let mut expected = BTreeSet::new();
        for step in 0..60 {
            match dice.roll(10) {
                0..3 => {
                    let first = dice.roll(80) as i64;
                    rig.insert(first..first + 12).await;
                    expected.extend(first..first + 12);
                }
                3 => {
                    let first = dice.roll(90) as i64;
                    rig.delete(first..first + 7).await;
                    expected.retain(|key| !(first..first + 7).contains(key));
                }
                4 => {
                    let below = dice.roll(40) as i64;
                    rig.delete_where(format!("n % 3 == 1 and n < {below}")).await;
                    expected.retain(|key| !(key % 3 == 1 && *key < below));
                }
                5 => rig.flush().await,
                6..8 => {
                    let sealed = rig.sealed();
                    if !sealed.is_empty() {
                        let from = dice.roll(sealed.len() as u64) as usize;
                        let to = from + 1 + dice.roll((sealed.len() - from) as u64) as usize;
                        assert!(rig.compact(&sealed[from..to]).await);
                    }
                }
                8 => rig.group().checkpoint().await.unwrap(),
                _ => rig.crash().await,
            }
            assert_eq!(rig.keys(), expected, "seed {seed}, step {step}");
        }
        // The key index agrees with what is shown.
        let live = expected.len() as u64;
        assert_eq!(rig.delete(0..200).await, live, "seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_worth_a_compaction_is_found_in_what_a_shard_holds() {
    let mut rig = Rig::new().await;
    for part in 0..4 {
        rig.insert(part * 10..part * 10 + 10).await;
        rig.flush().await;
    }
    let figures = |rig: &Rig| {
        let group = rig.group();
        let machine = group.machine.lock();
        machine.replica.sights(false)[0].figures().unwrap()
    };
    let policy = CompactionPolicy::default();
    assert_eq!(choose(&figures(&rig), &policy), Some(0..4));
    assert_eq!(choose(&figures(&rig)[..3], &policy), None);
    rig.delete([12, 13]).await;
    assert_eq!(choose(&figures(&rig), &policy), Some(1..2));
}

/// The rows of an output and its room are counted off the lock, while deletes go on: they are above the floor, and their rows go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_a_delete_between_looking_and_choosing_changes_nothing_of_what_is_chosen() {
    let mut rig = Rig::new().await;
    for part in 0..4 {
        rig.insert(part * 10..part * 10 + 10).await;
        rig.flush().await;
    }
    rig.delete([0]).await;
    let look = |rig: &Rig| rig.group().machine.lock().replica.sights(false).remove(0);
    let live = |sight: &Sight| sight.figures().unwrap().iter().map(|one| one.live).collect::<Vec<_>>();
    let bytes = |sight: &Sight| match sight.step(&CompactionPolicy::default()) {
        Some(Step::Compact(proposal)) => proposal.bytes,
        _ => panic!("nothing is chosen"),
    };
    let sight = look(&rig);
    let before = bytes(&sight);
    assert_eq!(rig.delete([1, 10, 11]).await, 3);
    assert_eq!(live(&sight), [9, 10, 10, 10], "at the floor {:?}", sight.floor);
    assert_eq!(bytes(&sight), before);
    let sight = look(&rig);
    assert_eq!(live(&sight), [8, 8, 10, 10]);
}
