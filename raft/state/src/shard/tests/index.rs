//! I13: which build of an index is in force.

use super::*;

const SEGMENT: SegmentId = SegmentId(1);
const INDEX: IndexId = IndexId(4);

/// A build of a version, told from others by its number.
fn build(version: u32, number: u64) -> IndexBuild {
    IndexBuild {
        index: INDEX,
        field: FieldId(101),
        version,
        build: BuildId(u128::from(number)),
        checksum: number * 100,
        file_bytes: 4_096,
        over: 77,
    }
}

fn ready(build: IndexBuild) -> ShardCommand {
    ShardCommand::IndexReady { segment: SEGMENT, build }
}

fn sealed() -> Rig {
    let mut rig = Rig::new(PkConflict::Replace);
    rig.insert(&[1, 2]);
    rig.run(ShardCommand::Seal { segment: SEGMENT });
    rig
}

impl Rig {
    fn builds(&self) -> Vec<(SegmentId, IndexBuild)> {
        let shard = self.group.shards.get(&SHARD);
        shard.map(|shard| shard.builds().map(|(id, build)| (id, *build)).collect()).unwrap_or_default()
    }

    /// Runs the command and expects no trace of it but the position.
    #[track_caller]
    fn changes_nothing(&mut self, command: ShardCommand) -> ShardReply {
        let before = self.builds();
        let outcome = self.run(command);
        assert!(outcome.effects.is_empty(), "{:?}", outcome.effects);
        assert_eq!(self.builds(), before);
        outcome.reply
    }
}

#[test]
fn i13_the_first_build_of_a_version_wins_and_later_ones_hear_of_it() {
    let mut rig = sealed();
    let first = rig.run(ready(build(1, 1)));
    assert!(first.reply.is_ok());
    assert_eq!(first.effects, [Effect::BuildsChanged { shard: SHARD }]);
    assert_eq!(rig.builds(), [(SEGMENT, build(1, 1))]);

    assert!(rig.changes_nothing(ready(build(1, 1))).is_ok(), "a retry is no rival of itself");
    let in_force = Err(Refusal::IndexInForce(Box::new(build(1, 1))));
    assert_eq!(rig.changes_nothing(ready(build(1, 2))), in_force);
    assert_eq!(rig.changes_nothing(ready(build(0, 3))), in_force);
}

#[test]
fn i13_a_higher_version_takes_the_place_of_a_lower_one_for_good() {
    let mut rig = sealed();
    rig.run(ready(build(1, 1)));
    assert_eq!(rig.run(ready(build(3, 2))).effects, [Effect::BuildsChanged { shard: SHARD }]);
    assert_eq!(rig.builds(), [(SEGMENT, build(3, 2))]);
    let late = rig.changes_nothing(ready(build(2, 9)));
    assert_eq!(late, Err(Refusal::IndexInForce(Box::new(build(3, 2)))));
    let old = rig.changes_nothing(ready(build(1, 1)));
    assert_eq!(old, Err(Refusal::IndexInForce(Box::new(build(3, 2)))), "replaced is not in force again");
}

#[test]
fn i13_a_build_for_a_segment_that_vanished_or_grows_is_no_build() {
    let mut rig = Rig::new(PkConflict::Replace);
    assert_eq!(rig.changes_nothing(ready(build(1, 1))), Err(Refusal::NotSealed), "never existed");
    rig.insert(&[1]);
    assert_eq!(rig.changes_nothing(ready(build(1, 1))), Err(Refusal::NotSealed), "still grows");
    rig.run(ShardCommand::Seal { segment: SEGMENT });
    rig.run(ready(build(1, 1))).reply.unwrap();
    rig.run(ShardCommand::DropPartition { partition: P });
    assert!(rig.builds().is_empty(), "builds go with their segment");
    assert_eq!(rig.changes_nothing(ready(build(2, 1))), Err(Refusal::NotSealed), "vanished");
    rig.run(ShardCommand::Drop);
    assert_eq!(rig.changes_nothing(ready(build(1, 1))), Err(Refusal::UnknownShard));
}

#[test]
fn i13_a_dropped_index_is_forgotten_in_all_segments_and_no_other_is() {
    let mut rig = sealed();
    rig.insert(&[3]);
    rig.run(ShardCommand::Seal { segment: SegmentId(2) });
    let before = rig.group.shards[&SHARD].segments.clone();
    let other = IndexBuild { index: IndexId(5), ..build(1, 8) };
    rig.run(ready(build(1, 1))).reply.unwrap();
    rig.run(ready(other)).reply.unwrap();
    rig.run(ShardCommand::IndexReady { segment: SegmentId(2), build: build(1, 2) }).reply.unwrap();

    let dropped = rig.run(ShardCommand::IndexDropped { index: INDEX });
    assert_eq!(dropped.effects, [Effect::BuildsChanged { shard: SHARD }]);
    assert_eq!(rig.builds(), [(SEGMENT, other)]);
    assert!(rig.changes_nothing(ShardCommand::IndexDropped { index: INDEX }).is_ok());

    rig.run(ShardCommand::IndexDropped { index: other.index }).reply.unwrap();
    assert_eq!(rig.group.shards[&SHARD].segments, before, "sealed as before it was indexed");
}

#[test]
fn i12_a_replay_names_the_same_builds() {
    let commands = [
        ShardCommand::Seal { segment: SEGMENT },
        ready(build(1, 1)),
        ready(build(1, 2)),
        ready(build(2, 3)),
        ready(IndexBuild { index: IndexId(9), ..build(1, 4) }),
        ShardCommand::IndexDropped { index: IndexId(9) },
        ShardCommand::IndexReady { segment: SegmentId(2), build: build(1, 5) },
    ];
    let live = || {
        let mut rig = Rig::new(PkConflict::Replace);
        rig.insert(&[1]);
        let answers: Vec<Outcome> = commands.iter().map(|command| rig.run(command.clone())).collect();
        (rig.group, answers)
    };
    assert_eq!(live(), live());
}
