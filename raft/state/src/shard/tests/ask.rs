//! Compactions that somebody asked for: what the entry means, and when it is done.

use super::*;
use crate::shard::AskedCompaction;

impl Rig {
    fn ask(&mut self, bytes_max: u64) -> Outcome {
        self.run(ShardCommand::AskCompaction { bytes_max })
    }

    fn done(&mut self, asked: u64) {
        let outcome = self.run(ShardCommand::CompactionDone { asked: LogPosition(asked) });
        assert!(outcome.reply.is_ok() && outcome.effects.is_empty());
    }

    fn asked(&self) -> Option<AskedCompaction> {
        self.group.shards[&SHARD].asked_compaction
    }
}

fn compact(input: u64, floor: u64, rows: u32) -> ShardCommand {
    ShardCommand::Compact { inputs: vec![SegmentId(input)], floor: LogPosition(floor), rows, bytes: 10 }
}

#[test]
fn i13_what_grows_is_sealed_by_the_entry_that_asks_and_later_rows_grow_anew() {
    let mut rig = Rig::new(PkConflict::Replace);
    rig.insert(&[1, 2]).reply.unwrap();
    rig.insert_into(PartitionId(2), &[3]).reply.unwrap();
    let outcome = rig.ask(0);
    let sealed = |segment| Effect::Sealed { shard: SHARD, segment: SegmentId(segment) };
    assert_eq!(outcome.effects, [sealed(1), sealed(2)]);
    let position = LogPosition(rig.at);
    assert_eq!(outcome.reply.unwrap().position, position);
    let shard = &rig.group.shards[&SHARD];
    assert!(shard.segments.values().all(|segment| segment.phase.sealed() == Some(position)));
    rig.insert(&[4]).reply.unwrap();
    assert_eq!(rig.group.shards[&SHARD].growing(P), Some(SegmentId(3)));
    assert!(rig.group.shards[&SHARD].segments[&SegmentId(3)].phase.sealed().is_none());
}

#[test]
fn an_ask_is_open_until_its_own_end_and_counts_what_was_decided_meanwhile() {
    let mut rig = Rig::new(PkConflict::Replace);
    rig.insert(&[1, 2]).reply.unwrap();
    assert_eq!(rig.asked(), None);
    rig.ask(7).reply.unwrap();
    let first = rig.at;
    rig.run(compact(1, first, 2)).reply.unwrap();
    // What is refused is nothing that was decided.
    rig.run(compact(1, first, 2)).reply.unwrap_err();
    let open = AskedCompaction { position: LogPosition(first), bytes_max: 7, decided: 1, is_done: false };
    assert_eq!(rig.asked(), Some(open));
    // Asked again before it is done: the later one counts, and the leader's word about the first comes too late.
    rig.ask(0).reply.unwrap();
    let second = rig.at;
    rig.done(first);
    let open = AskedCompaction { position: LogPosition(second), bytes_max: 0, ..open };
    assert_eq!(rig.asked(), Some(open));
    rig.done(second);
    rig.done(second);
    assert_eq!(rig.asked(), Some(AskedCompaction { is_done: true, ..open }));
    assert_eq!(rig.group.shards[&SHARD].open_ask(), None);
    // A compaction of the leader's own policy is nobody's ask; the next ask counts from nothing.
    rig.run(compact(2, second, 2)).reply.unwrap();
    assert_eq!(rig.asked().map(|ask| ask.decided), Some(1));
    rig.ask(0).reply.unwrap();
    assert_eq!(rig.asked().map(|ask| (ask.decided, ask.is_done)), Some((0, false)));
}

#[test]
fn nothing_is_remembered_of_a_shard_that_is_not_there() {
    let mut rig = Rig::new(PkConflict::Replace);
    rig.run(ShardCommand::Drop).reply.unwrap();
    assert_eq!(rig.ask(0).reply, Err(Refusal::UnknownShard));
}
