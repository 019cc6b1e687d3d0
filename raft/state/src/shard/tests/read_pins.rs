//! I18: which position of the log a read timestamp means.

use super::*;
use crate::shard::{ReadPins, Unreadable};

const HOUR: u64 = 3_600_000;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

impl Rig {
    fn pin(&mut self, timestamp: Timestamp) -> Outcome {
        self.run(ShardCommand::PinRead { timestamp, newest_partition: PartitionId(9) })
    }

    /// An insert whose proposer's clock says so.
    fn insert_at(&mut self, millis: u64, key: i64) -> Applied {
        let request = self.request();
        self.at += 1;
        let entry = ShardEntry { shard: SHARD, suggested: at(millis), command: insert(request, &[key]) };
        self.group.apply(LogPosition(self.at), entry, &mut self.keys).reply.unwrap()
    }

    fn pins(&self) -> &ReadPins {
        &self.group.shards[&SHARD].read_pins
    }

    fn position(&self, moment: Timestamp) -> std::result::Result<LogPosition, Unreadable> {
        self.pins().position(moment, &[])
    }
}

#[test]
fn i18_a_moment_is_the_position_of_its_entry_and_no_other_entry_has_its_timestamp() {
    let mut rig = Rig::new(PkConflict::Replace);
    let before = rig.insert_at(1_000, 1);
    let pinned = rig.pin(at(2_000));
    assert_eq!(pinned.effects, [Effect::ReadPinned { shard: SHARD }]);
    let pinned = pinned.reply.unwrap();
    // I9: whatever a later leader's clock says.
    let after = rig.insert_at(10, 1);
    assert!(before.timestamp < at(2_000) && pinned.timestamp == at(2_000) && at(2_000) < after.timestamp);
    assert_eq!(rig.position(at(2_000)), Ok(pinned.position));
    assert!(before.position < pinned.position && pinned.position < after.position);
    assert_eq!(rig.position(at(1_999)), Err(Unreadable::NeverPinned));
    assert_eq!(rig.position(at(2_001)), Err(Unreadable::NeverPinned));
}

#[test]
fn i18_shards_of_one_group_have_the_same_moment() {
    let mut rig = Rig::new(PkConflict::Replace);
    let other = ShardId { index: 1, ..SHARD };
    let schema = rig.group.shards[&SHARD].schema.clone();
    let mut run = |command| {
        rig.at += 1;
        let entry = ShardEntry { shard: other, suggested: at(9_000), command };
        rig.group.apply(LogPosition(rig.at), entry, &mut Keys::default()).reply
    };
    run(ShardCommand::Create { schema }).unwrap();
    let theirs = run(ShardCommand::PinRead { timestamp: at(9_500), newest_partition: P }).unwrap().position;
    let ours = rig.pin(at(9_500)).reply.unwrap();
    assert!(ours.timestamp > at(9_500), "I9: no two entries have one timestamp");
    assert_eq!(rig.position(at(9_500)), Ok(ours.position));
    assert_eq!(rig.group.shards[&other].read_pins.position(at(9_500), &[]), Ok(theirs));
    assert!(rig.insert_at(0, 1).timestamp > at(9_500));
}

#[test]
fn i18_a_moment_that_time_has_reached_is_not_pinned_also_not_by_a_second_reader() {
    let mut rig = Rig::new(PkConflict::Replace);
    let last = rig.insert_at(5_000, 1).timestamp;
    let refused = rig.pin(last);
    assert!(refused.effects.is_empty());
    let Err(Refusal::TimePassed { last }) = refused.reply else { panic!("{refused:?}") };
    assert_eq!(rig.position(last), Err(Unreadable::NeverPinned));
    let first = rig.pin(last.next()).reply.unwrap();
    // What was written meanwhile would be missing from the second reader's moment.
    rig.insert(&[2]);
    assert!(matches!(rig.pin(last.next()).reply, Err(Refusal::TimePassed { .. })));
    assert_eq!(rig.position(last.next()), Ok(first.position));
}

#[test]
fn i18_a_moment_ends_an_hour_of_log_time_later_and_is_called_too_old_then() {
    let mut rig = Rig::new(PkConflict::Replace);
    rig.pin(at(1_000)).reply.unwrap();
    let second = rig.pin(at(2_000)).reply.unwrap().position;
    rig.insert_at(1_000 + HOUR - 1, 1);
    assert!(rig.position(at(1_000)).is_ok());
    rig.insert_at(1_000 + HOUR, 2);
    assert_eq!(rig.position(at(1_000)), Err(Unreadable::Ended));
    assert_eq!((rig.position(at(2_000)), rig.pins().oldest()), (Ok(second), Some(second)));
    assert_eq!(rig.position(at(999)), Err(Unreadable::Ended), "nobody knows any more");
    rig.insert_at(2_000 + HOUR, 3);
    assert!(rig.pins().is_empty() && rig.pins().oldest().is_none());
}

#[test]
fn i18_beyond_ten_thousand_the_oldest_end() {
    let mut rig = Rig::new(PkConflict::Replace);
    for moment in 0..10_002 {
        rig.pin(at(1_000 + moment)).reply.unwrap();
    }
    assert_eq!(rig.pins().len(), 10_000);
    assert_eq!(rig.position(at(1_001)), Err(Unreadable::Ended));
    assert!(rig.position(at(1_002)).is_ok());
}

#[test]
fn i18_a_read_that_would_miss_a_dropped_partition_is_refused_and_others_go_on() {
    let mut rig = Rig::new(PkConflict::Replace);
    rig.insert(&[1]).reply.unwrap();
    rig.pin(at(1_000)).reply.unwrap();
    rig.run(ShardCommand::DropPartition { partition: PartitionId(8) }).reply.unwrap();
    assert!(rig.position(at(1_000)).is_ok(), "it had no rows");
    rig.run(ShardCommand::DropPartition { partition: P }).reply.unwrap();
    rig.pin(at(2_000)).reply.unwrap();
    let dropped = Err(Unreadable::PartitionDropped(P));
    assert_eq!(rig.position(at(1_000)), dropped);
    assert_eq!(rig.pins().position(at(1_000), &[P]), dropped);
    assert!(rig.pins().position(at(1_000), &[PartitionId(9)]).is_ok());
    let newer = rig.pins().position(at(1_000), &[PartitionId(9), PartitionId(10)]);
    assert_eq!(
        newer,
        Err(Unreadable::PartitionNewer(PartitionId(10))),
        "it may have the name of one that went"
    );
    assert!(rig.position(at(2_000)).is_ok());
}

#[test]
fn i18_a_pin_for_a_shard_that_is_not_there_is_refused() {
    let mut rig = Rig::new(PkConflict::Replace);
    rig.run(ShardCommand::Drop).reply.unwrap();
    assert_eq!(rig.pin(at(1_000)).reply, Err(Refusal::UnknownShard));
}
