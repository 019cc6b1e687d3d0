//! Groups over one log through power cuts: what a callback confirmed is there, what was truncated stays away.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use openraft::vote::RaftLeaderId;
use vecraft_log_store::{
    Entry, EntryPayload, GroupLog, LeaderId, LogId, LogOptions, NodeLog, Payload, TypeConfig, Vote,
    WriterMode,
};
use vecraft_storage::SimDisk;
use vecraft_types::{GroupId, ReplicaId};

const GROUPS: u64 = 3;

fn options() -> LogOptions {
    LogOptions {
        segment_bytes: 4096,
        preallocate_bytes: 1024,
        reserve_bytes: 1024,
        reserve_segments: 1,
        cache_bytes: 2000,
        writer: WriterMode::Inline,
        ..LogOptions::default()
    }
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn payload(group: u64, term: u64, index: u64) -> EntryPayload {
    let text = format!("{group}.{term}.{index} ").repeat(1 + (index % 9) as usize);
    EntryPayload::Normal(Payload(Bytes::from(text)))
}

fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(LeaderId::new(term, 1), index)
}

/// What one group was told, in the order of its calls. Term of each entry by index.
#[derive(Clone, Default, Debug, PartialEq)]
struct Told {
    vote: u64,
    purged: Option<u64>,
    entries: BTreeMap<u64, u64>,
    next: u64,
}

/// All states a group passed through since its last confirmed one; a power cut may leave any of them.
#[derive(Clone, Debug)]
struct History(Vec<Told>);

impl History {
    fn now(&self) -> Told {
        self.0.last().unwrap().clone()
    }

    fn confirm(&mut self) {
        self.0.drain(..self.0.len() - 1);
    }
}

async fn found(log: &mut GroupLog, group: u64) -> Result<Told, String> {
    let state = log.get_log_state().await.unwrap();
    let entries = log.try_get_log_entries(..).await.map_err(|error| error.to_string())?;
    let mut told = Told {
        vote: log.read_vote().await.unwrap().map_or(0, |vote| vote.leader_id.term),
        purged: state.last_purged_log_id.map(|id| id.index),
        next: state.last_log_id.map_or(0, |id| id.index + 1),
        ..Told::default()
    };
    for entry in entries {
        let (term, index) = (entry.log_id.committed_leader_id().term, entry.log_id.index);
        if entry.payload != payload(group, term, index) {
            return Err(format!("group {group}: entry {index} holds other bytes"));
        }
        told.entries.insert(index, term);
    }
    Ok(told)
}

async fn run(seed: u64, lie: bool) -> Result<(), String> {
    let disk = SimDisk::new(seed);
    let mut dice = Dice(seed.wrapping_mul(77) + 1);
    let mut histories = vec![History(vec![Told::default()]); GROUPS as usize];
    for term in 1..8 {
        let (node, _) = NodeLog::open(Arc::new(disk.clone()), "log", options())
            .map_err(|error| format!("life {term}: does not open: {error}"))?;
        let mut logs: Vec<_> =
            (0..GROUPS).map(|group| node.group(GroupId(group), ReplicaId(group))).collect();
        for (group, log) in logs.iter_mut().enumerate() {
            let told = found(log, group as u64).await?;
            let history = &mut histories[group];
            if !history.0.contains(&told) {
                return Err(format!("life {term}: group {group} has {told:?}, may have {:?}", history.0));
            }
            history.0 = vec![told];
        }
        disk.set_sync_is_a_lie(lie);
        for _ in 0..dice.below(60) {
            if !step(&disk, &node, &mut logs, &mut histories, &mut dice, term).await {
                break;
            }
        }
        disk.crash();
    }
    Ok(())
}

/// One call on one group. False when the log failed for good and only a restart helps.
async fn step(
    disk: &SimDisk,
    node: &NodeLog,
    logs: &mut [GroupLog],
    histories: &mut [History],
    dice: &mut Dice,
    term: u64,
) -> bool {
    let group = dice.below(GROUPS) as usize;
    let (log, history) = (&mut logs[group], &mut histories[group]);
    let mut told = history.now();
    if dice.below(40) == 0 {
        disk.fail_syncs(1);
    }
    // Whether the call asks for durability, and the call itself.
    let outcome = match dice.below(10) {
        0 => {
            told.vote = term;
            history.0.push(told);
            Some(log.save_vote(&Vote::new(term, 1)).await)
        }
        1 if !told.entries.is_empty() => {
            let keep = *told.entries.keys().nth(dice.below(told.entries.len() as u64) as usize).unwrap();
            told.entries.retain(|index, _| *index <= keep);
            told.next = keep + 1;
            let after = log_id(told.entries[&keep], keep);
            history.0.push(told);
            log.truncate_after(Some(after)).await.unwrap();
            None
        }
        2 if !told.entries.is_empty() => {
            let upto = *told.entries.keys().nth(dice.below(told.entries.len() as u64) as usize).unwrap();
            let id = log_id(told.entries[&upto], upto);
            told.entries.retain(|index, _| *index > upto);
            told.purged = Some(upto);
            history.0.push(told);
            log.purge(id).await.unwrap();
            None
        }
        3 => {
            node.tick();
            None
        }
        _ => {
            let mut entries = Vec::new();
            for _ in 0..=dice.below(4) {
                let index = told.next;
                entries
                    .push(Entry { log_id: log_id(term, index), payload: payload(group as u64, term, index) });
                told.entries.insert(index, term);
                told.next += 1;
            }
            history.0.push(told);
            let (tx, rx) = <TypeConfig as TypeConfigExt>::oneshot::<std::io::Result<()>>();
            log.append(entries, IOFlushed::signal(tx)).await.unwrap();
            Some(rx.await.unwrap())
        }
    };
    match outcome {
        Some(Err(_)) => false,
        // One file: what is confirmed for one group is so for everything any group said before.
        Some(Ok(())) => {
            histories.iter_mut().for_each(History::confirm);
            true
        }
        None => !matches!(node.health(), vecraft_log_store::LogHealth::Failed { .. }),
    }
}

#[tokio::test]
async fn nothing_confirmed_is_lost_and_nothing_truncated_returns() {
    for seed in 0..150 {
        if let Err(broken) = run(seed, false).await {
            panic!("seed {seed}: {broken}");
        }
    }
}

/// The planted bug: with syncs that lie, the same loop must notice. Otherwise it checks nothing.
#[tokio::test]
async fn skipped_syncs_are_caught() {
    let mut caught = 0;
    for seed in 0..40 {
        caught += usize::from(run(seed, true).await.is_err());
    }
    assert!(caught > 20, "only {caught} of 40 seeds noticed");
}
