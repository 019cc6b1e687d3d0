//! I13: which segments may become one, and what is left of them.

use super::*;

const OTHER: PartitionId = PartitionId(2);

fn compact(inputs: &[u64], floor: u64, rows: u32) -> ShardCommand {
    let inputs = inputs.iter().copied().map(SegmentId).collect();
    ShardCommand::Compact { inputs, floor: LogPosition(floor), rows, bytes: 10 }
}

/// Segments 1, 2 and 4 of a partition and 3 of another are sealed, in that order; 5 grows. Two rows each.
fn rig() -> Rig {
    let mut rig = Rig::new(PkConflict::Replace);
    let insert = |rig: &mut Rig, partition: PartitionId, keys: &[i64]| {
        rig.insert_into(partition, keys).reply.unwrap();
    };
    for (partition, keys) in [(P, [1, 2]), (P, [3, 4]), (OTHER, [5, 6]), (P, [7, 8])] {
        insert(&mut rig, partition, &keys);
        let last = SegmentId(rig.shard().next_segment.0 - 1);
        rig.run(ShardCommand::Seal { segment: last });
    }
    insert(&mut rig, P, &[9, 10]);
    rig
}

impl Rig {
    fn shard(&self) -> &ShardState {
        &self.group.shards[&SHARD]
    }

    fn refuses(&mut self, command: ShardCommand) {
        let before = self.shard().segments.clone();
        let outcome = self.run(command);
        assert!(outcome.effects.is_empty());
        assert_eq!(self.shard().segments, before);
        assert_eq!(outcome.reply, Err(Refusal::NotCompactable));
    }
}

#[test]
fn i13_neighbours_become_one_segment_in_their_place() {
    let mut rig = rig();
    assert_eq!(rig.shard().sealed_of(P), [1, 2, 4].map(SegmentId));
    let floor = rig.at;
    let outcome = rig.run(compact(&[1, 2], floor, 3));
    outcome.reply.unwrap();
    let inputs = vec![SegmentId(1), SegmentId(2)];
    let (output, floor) = (SegmentId(6), LogPosition(floor));
    let effect = Effect::Compacted { shard: SHARD, inputs, output, partition: P, floor, rows: 3 };
    assert_eq!(outcome.effects, [effect]);
    // It has the place of its inputs in the log's order, although its number is the largest.
    assert_eq!(rig.shard().sealed_of(P), [6, 4].map(SegmentId));
    rig.run(compact(&[6, 4], floor.0, 5)).reply.unwrap();
    assert_eq!(rig.shard().sealed_of(P), [7].map(SegmentId));
    assert_eq!(rig.shard().segments[&SegmentId(7)].rows, 5);
}

#[test]
fn i13_without_rows_there_is_no_output() {
    let mut rig = rig();
    let floor = rig.at;
    let outcome = rig.run(compact(&[2], floor, 0));
    assert_eq!(outcome.effects, [Effect::SegmentsDropped { shard: SHARD, segments: vec![SegmentId(2)] }]);
    assert_eq!(rig.shard().sealed_of(P), [1, 4].map(SegmentId));
}

#[test]
fn i13_what_the_proposer_did_not_see_right_is_refused_and_changes_nothing() {
    let mut rig = rig();
    let floor = rig.at;
    for inputs in [&[][..], &[9], &[5], &[1, 4], &[2, 1], &[1, 1], &[1, 2, 3], &[4, 5], &[1, 2, 4, 9]] {
        rig.refuses(compact(inputs, floor, 2));
    }
    // More rows than there are.
    rig.refuses(compact(&[1, 2], floor, 5));
    // A floor that the proposer cannot have applied.
    let ahead = rig.at + 1;
    rig.refuses(compact(&[1, 2], ahead, 2));
    // Twice: the inputs are gone.
    let floor = rig.at;
    rig.run(compact(&[1, 2], floor, 4)).reply.unwrap();
    rig.refuses(compact(&[1, 2], floor, 4));
}

#[test]
fn i13_an_index_of_an_input_goes_with_it() {
    let mut rig = rig();
    let build = IndexBuild {
        index: IndexId(4),
        field: FieldId(101),
        version: 1,
        build: BuildId(1),
        checksum: 1,
        file_bytes: 1,
        over: 1,
    };
    let ready = |segment| ShardCommand::IndexReady { segment: SegmentId(segment), build };
    rig.run(ready(2)).reply.unwrap();
    let floor = rig.at;
    rig.run(compact(&[1, 2], floor, 4)).reply.unwrap();
    assert_eq!(rig.shard().builds().count(), 0);
    assert_eq!(rig.run(ready(2)).reply, Err(Refusal::NotSealed));
    rig.run(ready(6)).reply.unwrap();
    // One with an index is compacted as any other.
    let floor = rig.at;
    rig.run(compact(&[6, 4], floor, 6)).reply.unwrap();
    assert_eq!(rig.shard().sealed_of(P), [7].map(SegmentId));
}
