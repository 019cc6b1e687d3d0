//! Bytes of earlier programs: log entries and checkpoints written before indexes were named by the log.

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use vecraft_rpc::codec;
use vecraft_state::shard::{
    AskedCompaction, DedupWindow, ReadPins, SegmentPhase, SegmentState, ShardCommand, ShardState,
};
use vecraft_types::*;

/// The state of a shard as it was; field by field what an older program encoded.
#[derive(Serialize)]
struct OldShardState {
    id: ShardId,
    schema: CollectionSchema,
    segments: BTreeMap<SegmentId, OldSegmentState>,
    next_segment: SegmentId,
    dropped_partitions: BTreeSet<PartitionId>,
    dedup: DedupWindow,
    last_position: LogPosition,
    read_pins: ReadPins,
    asked_compaction: Option<AskedCompaction>,
}

#[derive(Serialize)]
struct OldSegmentState {
    partition: PartitionId,
    rows: u32,
    bytes: u64,
    phase: OldPhase,
}

#[derive(Serialize)]
enum OldPhase {
    Growing,
    Sealed(LogPosition),
}

#[test]
fn a_checkpoint_without_index_builds_decodes() {
    let segment = |phase| OldSegmentState { partition: PartitionId(1), rows: 10, bytes: 100, phase };
    let old = OldShardState {
        id: ShardId { collection: CollectionId(3), index: 0 },
        schema: CollectionSchema::new(vec![FieldSchema::new("id", DataType::Int64).primary(false)]),
        segments: BTreeMap::from([
            (SegmentId(1), segment(OldPhase::Sealed(LogPosition(7)))),
            (SegmentId(2), segment(OldPhase::Growing)),
        ]),
        next_segment: SegmentId(3),
        dropped_partitions: BTreeSet::from([PartitionId(5)]),
        dedup: DedupWindow::default(),
        last_position: LogPosition(9),
        read_pins: ReadPins::default(),
        asked_compaction: None,
    };
    let new: ShardState = codec::decode(&codec::encode(&old).unwrap()).unwrap();
    let segment = |phase| SegmentState { partition: PartitionId(1), rows: 10, bytes: 100, phase };
    let expected = BTreeMap::from([
        (SegmentId(1), segment(SegmentPhase::Sealed(LogPosition(7)))),
        (SegmentId(2), segment(SegmentPhase::Growing)),
    ]);
    assert_eq!((new.segments, new.last_position), (expected, LogPosition(9)));
}

#[test]
fn what_was_asked_for_keeps_its_bytes() {
    let asked = AskedCompaction { position: LogPosition(5), bytes_max: 6, decided: 7, is_done: true };
    assert_eq!(codec::encode(&Some(asked)).unwrap(), [codec::VERSION, 1, 5, 6, 7, 1]);
}

#[test]
fn commands_keep_their_numbers() {
    // version of the codec, number of the command, its fields
    let seal = ShardCommand::Seal { segment: SegmentId(5) };
    assert_eq!(codec::encode(&seal).unwrap(), [codec::VERSION, 6, 5]);
    let dropped = ShardCommand::IndexDropped { index: IndexId(5) };
    assert_eq!(codec::encode(&dropped).unwrap(), [codec::VERSION, 8, 5]);
    let inputs = vec![SegmentId(5)];
    let compact = ShardCommand::Compact { inputs, floor: LogPosition(6), rows: 7, bytes: 8 };
    assert_eq!(codec::encode(&compact).unwrap(), [codec::VERSION, 9, 1, 5, 6, 7, 8]);
    let pinned = ShardCommand::PinRead { timestamp: Timestamp(5), newest_partition: PartitionId(7) };
    assert_eq!(codec::encode(&pinned).unwrap(), [codec::VERSION, 10, 5, 7]);
    let ask = ShardCommand::AskCompaction { bytes_max: 5 };
    assert_eq!(codec::encode(&ask).unwrap(), [codec::VERSION, 11, 5]);
    let done = ShardCommand::CompactionDone { asked: LogPosition(5) };
    assert_eq!(codec::encode(&done).unwrap(), [codec::VERSION, 12, 5]);
}
