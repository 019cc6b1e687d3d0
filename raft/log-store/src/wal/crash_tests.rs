//! Power cuts by seed, planted lies, and damaged files.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use vecraft_storage::{Disk, OpenMode, SimDisk};

use super::tests::{DIR, check_entries, entry, id, key, open, segment_paths, small, vote};
use super::*;
use crate::record::VoteState;

/// A tiny generator, so that a seed is all a failing case needs.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What a correct log must hold: everything acknowledged.
#[derive(Clone, Default, Debug)]
struct Model(BTreeMap<GroupKey, GroupState>);

impl Model {
    fn apply(&mut self, records: &[(GroupKey, Record)]) {
        let mut written = Written { groups: std::mem::take(&mut self.0), ..Written::default() };
        for (key, record) in records {
            written.apply(*key, record, (0, 0, 0)).unwrap();
        }
        self.0 = written.groups;
    }

    fn facts(&self) -> Vec<Facts> {
        facts(&self.0)
    }
}

/// A replica's vote, purge point, last entry and all entries.
type Facts = (GroupKey, Option<VoteState>, Option<EntryId>, Option<EntryId>, Vec<EntryId>);

fn facts(groups: &BTreeMap<GroupKey, GroupState>) -> Vec<Facts> {
    groups.iter().map(|(key, g)| (*key, g.vote, g.purged, g.last, g.entry_ids().collect())).collect()
}

fn random_batch(dice: &mut Dice, model: &Model, round: u64) -> Vec<(GroupKey, Record)> {
    let mut after = model.clone();
    let mut batch = Vec::new();
    for _ in 0..=dice.below(6) {
        let group = dice.below(3);
        let state = after.0.get(&key(group)).cloned().unwrap_or_default();
        let next = state.last.map_or(0, |last| last.index + 1);
        let within = |dice: &mut Dice| {
            let ids: Vec<_> = state.entry_ids().collect();
            (!ids.is_empty()).then(|| ids[dice.below(ids.len() as u64) as usize])
        };
        let record = match dice.below(20) {
            0..=12 => entry(group, round, next),
            13..=14 => vote(round),
            15 => match within(dice) {
                Some(after) => Record::Truncate { after: Some(after) },
                None => vote(round),
            },
            16..=17 => match within(dice) {
                Some(id) => Record::Purge(id),
                None => vote(round),
            },
            18 => Record::Purge(id(round, next + 3)),
            _ if dice.below(4) == 0 => Record::Removed,
            _ => Record::Committed(state.last),
        };
        after.apply(&[(key(group), record.clone())]);
        batch.push((key(group), record));
    }
    batch
}

/// Runs a log through power cuts. `Err` names the first broken promise.
fn crash_loop(seed: u64, lie: bool, tighten_bytes: u64) -> std::result::Result<(), String> {
    let disk = SimDisk::new(seed);
    let mut dice = Dice(seed ^ 0x5eed);
    let mut model = Model::default();
    // A batch whose commit failed may be there or not; afterwards it is one or the other for good.
    let mut in_doubt: Option<Model> = None;
    for round in 1..12 {
        let options = LogOptions { tighten_bytes, ..small() };
        let mut log = match WriteAheadLog::open(Arc::new(disk.clone()), DIR, options) {
            Ok(log) => log,
            Err(error) => return Err(format!("round {round}: does not open: {error}")),
        };
        let found = facts(&log.groups());
        if found != model.facts() {
            match in_doubt.take().filter(|doubt| doubt.facts() == found) {
                Some(doubt) => model = doubt,
                None => {
                    return Err(format!("round {round}: found {found:?}, acknowledged {:?}", model.facts()));
                }
            }
        }
        in_doubt = None;
        check_entries(&log);
        disk.set_sync_is_a_lie(lie);
        for _ in 0..dice.below(40) {
            let batch = random_batch(&mut dice, &model, round);
            if dice.below(25) == 0 {
                disk.fail_syncs(1);
            }
            let mut after = model.clone();
            after.apply(&batch);
            match log.commit(&batch) {
                Ok(()) => model = after,
                Err(_) if log.poisoned().is_some() => {
                    in_doubt = Some(after);
                    break;
                }
                Err(error) => return Err(format!("round {round}: {error}")),
            }
        }
        disk.fail_syncs(0);
        disk.crash();
    }
    Ok(())
}

/// A power cut in the middle of a batch: written, not synced, so kept, dropped or torn at random.
fn cut_mid_batch(seed: u64) {
    let disk = SimDisk::new(seed);
    let mut log = open(&disk).unwrap();
    for index in 0..3 {
        log.commit(&[(key(1), entry(1, 1, index))]).unwrap();
    }
    // What `write_batch` does, without the sync.
    let (file, offset) = {
        let written = log.written.lock();
        let segment = &written.segments[&log.active.generation];
        (Arc::clone(&segment.file), segment.len)
    };
    let batch: Vec<_> = (3..40).map(|index| (key(1), entry(1, 1, index))).collect();
    log.encode(&batch);
    file.write_at(offset, log.builder.finish()).unwrap();
    disk.crash();
    let log = open(&disk).unwrap();
    let last = log.groups()[&key(1)].last.unwrap().index;
    assert!(last == 2 || last == 39, "seed {seed}: a batch is whole or gone, found {last}");
    check_entries(&log);
}

#[test]
fn power_cuts_lose_nothing_acknowledged_and_bring_nothing_back() {
    for seed in 0..200 {
        if let Err(broken) = crash_loop(seed, false, u64::MAX) {
            panic!("seed {seed}: {broken}");
        }
    }
}

#[test]
fn nor_where_purges_give_space_back() {
    for seed in 0..200 {
        if let Err(broken) = crash_loop(seed, false, 300) {
            panic!("seed {seed}: {broken}");
        }
    }
}

#[test]
fn power_cuts_inside_a_batch_keep_it_whole_or_not_at_all() {
    (0..200).for_each(cut_mid_batch);
}

/// The planted bug: with syncs that lie, the same loop must fail. Otherwise it checks nothing.
#[test]
fn skipped_syncs_are_caught() {
    let caught = (0..50).filter(|seed| crash_loop(*seed, true, u64::MAX).is_err()).count();
    assert!(caught > 25, "only {caught} of 50 seeds noticed");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A damaged file is refused, or what it gives is a prefix of the truth; never a panic, never a wrong entry.
    #[test]
    fn damage_never_yields_a_wrong_entry(
        flips in prop::collection::vec((0_usize..4, any::<u32>(), 1_u8..=255), 1..4),
        cut in prop::option::of(any::<u32>()),
    ) {
        let disk = SimDisk::new(1);
        let mut log = open(&disk).unwrap();
        for index in 0..120 {
            log.commit(&[(key(1), entry(1, 1, index)), (key(2), entry(2, 1, index))]).unwrap();
        }
        drop(log);
        let paths = segment_paths(&disk);
        for (file, at, mask) in flips {
            let path = &paths[file % paths.len()];
            let len = disk.open(path, OpenMode::Read).unwrap().len().unwrap();
            disk.corrupt(path, u64::from(at) % len, mask).unwrap();
        }
        if let Some(cut) = cut {
            let file = disk.open(paths.last().unwrap(), OpenMode::Write).unwrap();
            file.truncate(u64::from(cut) % file.len().unwrap()).unwrap();
        }
        if let Ok(log) = open(&disk) {
            check_entries(&log);
            for (key, state) in log.groups() {
                let ids: Vec<_> = state.entry_ids().collect();
                let wanted: Vec<_> = (0..ids.len() as u64).map(|index| id(1, index)).collect();
                prop_assert_eq!(ids, wanted, "a prefix, for {}", key);
            }
        }
    }

    /// Arbitrary bytes as a segment: refused or ignored, never a panic.
    #[test]
    fn noise_is_no_log(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let disk = SimDisk::new(1);
        disk.create_dir_all(DIR).unwrap();
        let path = format!("{DIR}/{}", SegmentId { generation: 3, salt: 9 }.file_name());
        disk.open(&path, OpenMode::Create).unwrap().append(&bytes).unwrap();
        if let Ok(log) = open(&disk) {
            prop_assert!(log.groups().is_empty());
        }
    }
}
