//! Proposals: into the log, and when they are durable, into the shards and back to the proposer.

use super::{Simulation, Step, Stop};
use crate::history::Known;
use crate::invariants::{
    broken, i10_retries, i11_shard_logs, i12_resolved_deletes, i13_indexes, i15_views, i20_rows,
};
use crate::node::{BYSTANDER, MAIN};
use crate::picture;
use crate::workload::Sight;
use bytes::Bytes;
use vecraft_log_store::{EntryId, EntryKind, GroupKey, LogEntry, Record, VoteState, WriteAheadLog};
use vecraft_rpc::codec;
use vecraft_segment::ShardView;
use vecraft_state::shard::{ShardCommand, ShardEntry};
use vecraft_types::{IndexBuild, LogPosition};

impl Simulation {
    /// One batch of proposals.
    pub(crate) fn propose(&mut self) -> Step {
        let Some(life) = &self.life else { return Ok(()) };
        let current = life.shards.views.list();
        let views: Vec<&ShardView> = current.iter().chain(self.held.views()).map(|view| &**view).collect();
        let seal_due = life.shards.replica.seal_due(self.plan.seal_bytes, 1);
        let sight = Sight { twin: &self.twin, views: &views, seal_due: &seal_due };
        let count = self.rng.between(1, self.plan.batch_max);
        let commands: Vec<ShardEntry> = (0..count).map(|_| self.workload.next(&self.plan, &sight)).collect();

        let mut entries = Vec::new();
        for (index, command) in (self.main.next_index()..).zip(&commands) {
            let payload = codec::encode(command).map_err(|error| broken("I6", error.to_string()))?;
            let id = EntryId { term: self.term, leader: MAIN.replica, index };
            entries.push(LogEntry { id, kind: EntryKind::Normal, payload: Bytes::from(payload) });
        }
        let mut records = Vec::new();
        // The commit index is written lazily, with the next batch, and never synced for itself.
        if self.rng.chance(50) {
            records.extend(self.main.entries.last().map(|known| (MAIN, Record::Committed(Some(known.id)))));
        }
        records.extend(entries.iter().map(|entry| (MAIN, Record::Entry(entry.clone()))));
        self.main.in_flight = entries.iter().map(Known::new).collect();
        if !self.commit(records)? {
            self.main.in_flight.clear();
            return Ok(());
        }
        self.main.entries.append(&mut self.main.in_flight);
        entries.iter().zip(&commands).try_for_each(|(entry, command)| self.answer(entry, command))
    }

    /// Applies a durable entry and compares the answer with the twin's.
    fn answer(&mut self, entry: &LogEntry, command: &ShardEntry) -> Step {
        let Some(life) = &mut self.life else { return Ok(()) };
        let position = LogPosition(entry.id.index);
        let is_retry = self.answers.first(command).is_some();
        let looks_at_rows = is_retry || matches!(command.command, ShardCommand::DeleteVersions { .. });
        let before = if looks_at_rows { i20_rows::rows(&life.shards, command.shard)? } else { Vec::new() };
        let reply = life
            .shards
            .apply(entry)
            .map_err(|what| broken("I12", format!("the replica stops at {position}: {what}")))?
            .ok_or_else(|| broken("I12", format!("{position} was taken for a blank entry")))?;
        let after = if looks_at_rows { i20_rows::rows(&life.shards, command.shard)? } else { Vec::new() };
        self.trace.note(format!("{position} {} {}: {reply:?}", command.shard, describe(&command.command)));

        i11_shard_logs::refused(command, &self.twin, &reply)?;
        let expected = self.twin.apply(position, command);
        if reply != expected {
            return Err(
                broken("I20", format!("{position} was answered {reply:?}, expected {expected:?}")).into()
            );
        }
        self.stamps.answered(position, command.suggested, &reply)?;
        self.answers.answered(command, &reply, (picture::hash(&before), picture::hash(&after)))?;
        if !is_retry {
            i12_resolved_deletes::check(command, &reply, &before, &after)?;
        }
        self.named.answered(command, &reply);
        i13_indexes::check(&life.shards, &self.twin, command.shard)?;
        self.named.seen(&life.shards, command.shard)?;
        i15_views::published(&life.shards, command, &reply)?;
        if let Some(known) = self.main.entries.get_mut(entry.id.index as usize) {
            known.reply = Some(reply);
        }
        Ok(())
    }

    /// Writes records durably. False when the disk is full: nothing happened.
    pub(crate) fn commit(&mut self, records: Vec<(GroupKey, Record)>) -> Step<bool> {
        self.write(|log| log.commit(&records))
    }

    fn write(
        &mut self,
        write: impl FnOnce(&mut WriteAheadLog) -> vecraft_log_store::Result<()>,
    ) -> Step<bool> {
        let Some(life) = &mut self.life else { return Ok(false) };
        match write(&mut life.log) {
            Ok(()) => Ok(true),
            Err(error) if error.is_no_space() && life.log.poisoned().is_none() => {
                self.trace.note("the log has no room".to_owned());
                Ok(false)
            }
            Err(error) => {
                // I7: a log that failed is closed until the next start, whatever failed.
                if life.log.poisoned().is_none() {
                    return Err(broken("I7", format!("the log failed and goes on: {error}")).into());
                }
                self.trace.note(format!("the log failed: {error}"));
                Err(Stop::Died)
            }
        }
    }

    /// Marks the last batch as synced (I6).
    pub(crate) fn mark(&mut self) -> Step {
        self.write(WriteAheadLog::mark).map(|_| ())
    }

    /// The other group in the same log votes, appends or purges.
    pub(crate) fn bystander_writes(&mut self) -> Step {
        let next = self.bystander.next_index();
        let id = |index| EntryId { term: 1, leader: BYSTANDER.replica, index };
        match self.rng.below(10) {
            0..3 => {
                let term = self.bystander.voted + 1;
                let vote = VoteState { term, leader: BYSTANDER.replica, committed: false };
                self.bystander.vote_in_flight = Some(term);
                if self.commit(vec![(BYSTANDER, Record::Vote(vote))])? {
                    self.bystander.voted = term;
                }
                self.bystander.vote_in_flight = None;
            }
            3..8 => {
                let payload = Bytes::from(vec![next as u8; self.rng.between(1, 700) as usize]);
                let entry = LogEntry { id: id(next), kind: EntryKind::Normal, payload };
                self.bystander.in_flight = vec![Known::new(&entry)];
                if self.commit(vec![(BYSTANDER, Record::Entry(entry))])? {
                    self.bystander.entries.append(&mut self.bystander.in_flight);
                }
                self.bystander.in_flight.clear();
            }
            _ => {
                let first = self.bystander.purged.map_or(0, |index| index + 1);
                if first < next {
                    let to = self.rng.between(first, next - 1);
                    self.purge(BYSTANDER, id(to))?;
                }
            }
        }
        Ok(())
    }

    /// Lets entries go, up to this one.
    pub(crate) fn purge(&mut self, key: GroupKey, to: EntryId) -> Step {
        self.trace.note(format!("{key}: purge up to {}", to.index));
        self.history(key).purge_in_flight = Some(to.index);
        let is_done = self.commit(vec![(key, Record::Purge(to))])?;
        let history = self.history(key);
        history.purge_in_flight = None;
        if is_done {
            history.purged = Some(to.index);
        }
        Ok(())
    }
}

/// A command in a word and a size.
fn describe(command: &ShardCommand) -> String {
    let request =
        i10_retries::request(command).map_or(String::new(), |request| format!(" #{}", request.sequence));
    match command {
        ShardCommand::Create { schema } => format!("create, {:?}", schema.pk_conflict),
        ShardCommand::Drop => "drop".to_owned(),
        ShardCommand::DropPartition { partition } => format!("drop partition {partition}"),
        ShardCommand::Insert { partition, batch, is_upsert, .. } => {
            let verb = if *is_upsert { "upsert" } else { "insert" };
            format!("{verb} into {partition}, {} bytes{request}", batch.len())
        }
        ShardCommand::DeleteKeys { keys, .. } => format!("delete {} keys{request}", keys.len()),
        ShardCommand::DeleteVersions { rows, .. } => format!("delete {} versions{request}", rows.len()),
        ShardCommand::Seal { segment } => format!("seal {segment}"),
        ShardCommand::IndexReady { segment, build } => {
            let IndexBuild { index, version, build, .. } = build;
            format!("index {index} of {segment} ready, version {version}, build {build}")
        }
        ShardCommand::IndexDropped { index } => format!("drop index {index}"),
        ShardCommand::Compact { inputs, floor, rows, .. } => {
            format!("compact {inputs:?} above {floor} to {rows} rows")
        }
        ShardCommand::PinRead { timestamp, .. } => format!("pin a read at {timestamp}"),
        ShardCommand::AskCompaction { bytes_max } => format!("ask for a compaction, {bytes_max} bytes"),
        ShardCommand::CompactionDone { asked } => format!("the compaction asked for at {asked} is done"),
    }
}
