//! From whatever a death left to a leader that takes writes.

use super::{Simulation, Step, Stop};
use crate::history::{History, Known};
use crate::invariants::{Broken, broken, i3_checkpoint, i4_purge, i6_log, i7_votes, i13_files};
use crate::node::{self, BYSTANDER, Life, MAIN, Shards};
use bytes::Bytes;
use vecraft_log_store::{EntryId, EntryKind, GroupKey, LogEntry, Record, VoteState, WriteAheadLog};
use vecraft_types::LogPosition;

/// Starts that may die half way, in a row.
const DEADLY_STARTS: u64 = 3;

impl Simulation {
    /// Starts the process, again and again until it lives.
    pub(crate) fn start(&mut self) -> Result<(), Broken> {
        for attempt in 0.. {
            if attempt < DEADLY_STARTS && self.plan.deaths > 0 && self.rng.chance(25) {
                let operations = self.rng.below(50);
                self.trace.note(format!("death in {operations} operations of a start"));
                self.machine.fuse.light(operations);
            }
            match self.try_start() {
                Ok(()) => break,
                Err(Stop::Broken(broken)) if !self.machine.fuse.is_blown() => return Err(broken),
                Err(_) => {
                    let is_power_cut = self.rng.chance(50);
                    self.die(is_power_cut);
                    self.machine.disk.inner.set_capacity(None);
                }
            }
        }
        self.check()
    }

    fn try_start(&mut self) -> Step {
        let log = match self.machine.open_log() {
            Ok(log) => log,
            // A full disk may refuse a start; the next attempt finds room.
            Err(error) if error.is_no_space() => return Err(Stop::Died),
            Err(error) => return Err(i6_log::refused(error).into()),
        };
        self.recovered(&log, MAIN)?;
        self.recovered(&log, BYSTANDER)?;
        let mut life = Life { log, shards: self.restored()? };
        let state = life.log.groups().remove(&MAIN).unwrap_or_default();
        i4_purge::check(i4_purge::Pointers {
            purged: state.purged.map(|id| id.index),
            checkpoint: life.shards.mark.map(|position| position.0),
            applied: state.last.map(|_| life.shards.replica.applied().0),
            last: state.last.map(|id| id.index),
        })?;
        self.replay(&mut life)?;
        life.shards.replayed();
        self.life = Some(life);
        self.lead()
    }

    /// Takes over what the log has beyond the promises: with one voter it is committed.
    fn recovered(&mut self, log: &WriteAheadLog, key: GroupKey) -> Step {
        let read_bytes = self.rng.between(1, 3_000) as usize;
        let history = self.history(key).clone();
        let survivors = i6_log::recovered(log, key, &history, read_bytes)?;
        let voted = i7_votes::recovered(log, key, &history)?;
        let purged = log.groups().get(&key).and_then(|state| state.purged).map(|id| id.index);
        self.trace.note(format!("{key}: {} entries, {} of them news", history.next_index(), survivors.len()));
        let history = self.history(key);
        *history =
            History { entries: std::mem::take(&mut history.entries), purged, voted, ..History::default() };
        for entry in survivors {
            let mut known = Known::new(&entry);
            if key == MAIN {
                self.adopt(&mut known)?;
            }
            self.history(key).entries.push(known);
        }
        Ok(())
    }

    /// The answer that nobody was there to hear.
    fn adopt(&mut self, known: &mut Known) -> Result<(), Broken> {
        if known.kind != EntryKind::Normal {
            return Ok(());
        }
        let entry = node::decode(&known.payload).map_err(|what| broken("I6", what))?;
        let position = LogPosition(known.id.index);
        let reply = self.twin.apply(position, &entry);
        self.stamps.answered(position, entry.suggested, &reply)?;
        self.answers.answered(&entry, &reply, Default::default())?;
        self.named.answered(&entry, &reply);
        known.reply = Some(reply);
        Ok(())
    }

    fn restored(&mut self) -> Step<Shards> {
        let shards = self.machine.restore().map_err(i3_checkpoint::refused)?;
        self.checkpoints.restored(&shards)?;
        i13_files::check(&self.machine, &shards)?;
        if self.rng.chance(25) {
            // Reading changes nothing, so doing it again gives the same.
            i3_checkpoint::twice(&shards, &self.machine.restore().map_err(i3_checkpoint::refused)?)?;
        }
        Ok(shards)
    }

    fn replay(&mut self, life: &mut Life) -> Step {
        let end = self.main.next_index();
        let start = life.shards.mark.map_or(0, |position| position.0 + 1);
        let read_bytes = self.rng.between(1, 3_000) as usize;
        let entries = i6_log::read_all(&life.log, MAIN, start, end, read_bytes)?;
        for entry in entries {
            let position = LogPosition(entry.id.index);
            let reply = life
                .shards
                .apply(&entry)
                .map_err(|what| broken("I3", format!("replay of {position}: {what}")))?;
            let expected = &self.main.entries[entry.id.index as usize].reply;
            i3_checkpoint::replayed(position, &format!("{reply:?}"), &format!("{expected:?}"))?;
        }
        self.trace.note(format!("replayed {start}..{end}"));
        Ok(())
    }

    /// Becomes leader: a vote and an empty entry of the new term.
    fn lead(&mut self) -> Step {
        self.term += 1;
        let term = self.term;
        let vote = VoteState { term, leader: MAIN.replica, committed: true };
        self.main.vote_in_flight = Some(term);
        if !self.commit(vec![(MAIN, Record::Vote(vote))])? {
            self.main.vote_in_flight = None;
            return Err(Stop::Died);
        }
        (self.main.voted, self.main.vote_in_flight) = (term, None);
        let id = EntryId { term, leader: MAIN.replica, index: self.main.next_index() };
        let blank = LogEntry { id, kind: EntryKind::Blank, payload: Bytes::new() };
        self.main.in_flight = vec![Known::new(&blank)];
        if !self.commit(vec![(MAIN, Record::Entry(blank.clone()))])? {
            self.main.in_flight.clear();
            return Err(Stop::Died);
        }
        self.main.entries.append(&mut self.main.in_flight);
        if let Some(life) = &mut self.life {
            life.shards.apply(&blank).map_err(|what| broken("I3", what))?;
        }
        Ok(())
    }
}
