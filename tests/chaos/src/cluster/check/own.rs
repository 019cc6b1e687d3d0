//! Keys with one writer: exact at each level.
//!
//! A writer's acknowledged writes are a sequence, so a state of its keys is a *place* in it: "the first n are done". A
//! read of several keys in one query must fit one place for all of them (else it is torn, I20), and its level says
//! how early that place may be:
//!
//! ```text
//! acknowledged writes  1  2  3  4  5  6  7 ...
//! Strong        acknowledged before the read began ──> [ low .. high ] <── sent before the read ended
//! Session       acknowledged when the session's time was taken
//! Bounded       acknowledged before (the read began - the bound)
//! Eventually    nothing
//! at rest       all of them
//! ```
//! A key is left alone after a write of unknown outcome, so beside the sequence only that one state is allowed to it,
//! at any later time.

use super::findings::{Findings, Kind};
use crate::cluster::history::{Got, Level, Micros, Op, Outcome, What};
use crate::ledger::Seen;
use crate::row::owner;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a key.
#[derive(Clone, Debug, Default)]
struct Key {
    /// Places at which an acknowledged write changed it, ascending, and the state from there on.
    changes: Vec<(usize, Seen)>,
    /// The write of unknown outcome: its number in the history, when it was sent, what it would leave.
    unknown: Option<(usize, Micros, Seen)>,
    /// What refused writes would have left.
    refused: Vec<Seen>,
}

/// One writer's acknowledged writes and keys.
#[derive(Clone, Debug, Default)]
struct Writer {
    /// When each was sent and acknowledged.
    acked: Vec<(Micros, Micros)>,
    keys: BTreeMap<i64, Key>,
}

/// A read to be judged.
struct Reading<'a> {
    op: &'a Op,
    level: Level,
    session_at: Micros,
    is_final: bool,
}

/// Judges each read of keys that one writer owns.
pub fn check(ops: &[Op], owners: &[i64], findings: &mut Findings) {
    let mut writers: BTreeMap<i64, Writer> = owners.iter().map(|id| (*id, Writer::default())).collect();
    for (number, op) in ops.iter().enumerate() {
        let What::Write { changes } = &op.what else { continue };
        let Some(writer) = changes.first().and_then(|(id, _)| writers.get_mut(&owner(*id))) else { continue };
        writer.note(number, op, changes);
    }
    for op in ops {
        let What::Read { level, session_at, keys, rows, is_final } = &op.what else { continue };
        if op.outcome != Outcome::Ok {
            continue;
        }
        let reading = Reading { op, level: *level, session_at: *session_at, is_final: *is_final };
        let mut by_owner: BTreeMap<i64, Vec<(i64, Seen)>> = BTreeMap::new();
        let rows: BTreeMap<i64, i64> = rows.iter().map(|row| (row.id, row.version)).collect();
        for id in keys {
            let seen = rows.get(id).map_or(Seen::Absent, |version| Seen::Version(*version));
            by_owner.entry(owner(*id)).or_default().push((*id, seen));
        }
        for (owner, seen) in by_owner {
            if let Some(writer) = writers.get(&owner) {
                writer.judge(&reading, &seen, findings);
            }
        }
    }
}

/// What needs no model: rows that are torn, twice there, or of a key that was not asked for.
pub fn check_rows(ops: &[Op], findings: &mut Findings) {
    for op in ops {
        let What::Read { keys, rows, .. } = &op.what else { continue };
        let keys: BTreeSet<i64> = keys.iter().copied().collect();
        let mut there = BTreeSet::new();
        for row in rows {
            let Got { id, version, is_whole } = *row;
            if !is_whole {
                findings.add(
                    Kind::Torn,
                    op.end,
                    format!("key {id} has values that version {version} did not write"),
                );
            }
            if !there.insert(id) {
                findings.add(
                    Kind::Duplicate,
                    op.end,
                    format!("key {id} twice in one answer of node {}", op.door),
                );
            }
            if !keys.contains(&id) {
                findings.add(Kind::Phantom, op.end, format!("key {id} was not asked for, or never written"));
            }
        }
    }
}

impl Writer {
    fn note(&mut self, number: usize, op: &Op, changes: &[(i64, Seen)]) {
        if op.outcome == Outcome::Ok {
            self.acked.push((op.start, op.end));
        }
        let place = self.acked.len();
        for (id, after) in changes {
            let key = self.keys.entry(*id).or_default();
            match op.outcome {
                Outcome::Ok => key.changes.push((place, *after)),
                Outcome::Unknown(_) => key.unknown = Some((number, op.start, *after)),
                Outcome::Refused(_) => key.refused.push(*after),
            }
        }
    }

    /// The first and the last place that a read may show.
    fn range(&self, reading: &Reading) -> (usize, usize) {
        let acked_by = |at: Micros| self.acked.partition_point(|(_, end)| *end <= at);
        let high = self.acked.partition_point(|(start, _)| *start <= reading.op.end);
        let low = match reading.level {
            _ if reading.is_final => self.acked.len(),
            Level::Strong => acked_by(reading.op.start),
            Level::Session => acked_by(reading.session_at),
            Level::Bounded(ms) => acked_by(reading.op.start.saturating_sub(ms * 1_000)),
            Level::Eventually => 0,
        };
        (low, high)
    }

    fn judge(&self, reading: &Reading, seen: &[(i64, Seen)], findings: &mut Findings) {
        let (low, high) = self.range(reading);
        let never = Key::default();
        // Places that fit all keys so far, as disjoint stretches.
        let mut places = vec![(low, high)];
        // Whether each write of unknown outcome shows, by those of its keys for which that is clear.
        let mut halves: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
        let mut is_wrong = false;
        for (id, value) in seen {
            let key = self.keys.get(id).unwrap_or(&never);
            let fits = key.places(*value, low, high);
            let open = key.unknown.filter(|(_, sent, _)| *sent <= reading.op.end);
            if let Some((number, _, after)) = open {
                let (yes, no) = halves.entry(number).or_default();
                match (after == *value, fits.is_empty()) {
                    (true, true) => *yes += 1,
                    (false, false) => *no += 1,
                    _ => {}
                }
                if after == *value {
                    continue;
                }
            }
            if fits.is_empty() {
                is_wrong = true;
                let kind = key.kind(*value, reading);
                findings.add(kind, reading.op.end, key.evidence(*id, *value, reading, self, (low, high)));
                continue;
            }
            places = intersect(&places, &fits);
        }
        if !is_wrong && places.is_empty() {
            let text = format!("node {}, {}: no moment has {seen:?}", reading.op.door, reading.level.name());
            findings.add(Kind::Torn, reading.op.end, text);
        }
        for (number, (yes, no)) in halves.into_iter().filter(|(_, (yes, no))| *yes > 0 && *no > 0) {
            let text = format!("operation {number}: {yes} of its keys show it, {no} do not: {seen:?}");
            findings.add(Kind::Torn, reading.op.end, text);
        }
    }
}

impl Key {
    /// The stretches of `low..=high` in which the key is so.
    fn places(&self, value: Seen, low: usize, high: usize) -> Vec<(usize, usize)> {
        let mut stretches = Vec::new();
        let mut since = (0, Seen::Absent);
        let ends = self.changes.iter().copied().chain([(usize::MAX, Seen::Absent)]);
        for (place, state) in ends {
            let (from, to) = (since.0.max(low), (place - 1).min(high));
            if since.1 == value && since.0 < place && from <= to {
                stretches.push((from, to));
            }
            since = (place, state);
        }
        stretches
    }

    fn kind(&self, value: Seen, reading: &Reading) -> Kind {
        let was = self.changes.iter().any(|(_, state)| *state == value);
        let last = self.changes.last().map(|(_, state)| *state);
        match value {
            Seen::Version(_) if !was && self.refused.contains(&value) => Kind::RefusedButDone,
            Seen::Version(_) if !was => Kind::Phantom,
            // Deleted by a write that was refused.
            Seen::Absent if self.refused.contains(&value) && reading.is_final => Kind::RefusedButDone,
            Seen::Version(_) if reading.is_final && last == Some(Seen::Absent) => Kind::Resurrected,
            _ if reading.is_final => Kind::Lost,
            _ => match reading.level {
                Level::Strong => Kind::StaleStrong,
                Level::Session => Kind::StaleSession,
                Level::Bounded(_) => Kind::StaleBounded,
                // Any place is allowed, so this was written after the read ended.
                Level::Eventually => Kind::Phantom,
            },
        }
    }

    fn evidence(
        &self,
        id: i64,
        value: Seen,
        reading: &Reading,
        writer: &Writer,
        (low, high): (usize, usize),
    ) -> String {
        let around = self.changes.iter().filter(|(place, _)| *place <= high).rev().take(3);
        let lines: Vec<String> = around
            .map(|(place, state)| {
                let (start, end) = writer.acked[place - 1];
                format!("{state:?} sent {start} acknowledged {end}")
            })
            .collect();
        format!(
            "key {id} is {value:?} for node {} at {} (read {}..{}, places {low}..{high}); newest first: {}; unknown: {:?}",
            reading.op.door,
            reading.level.name(),
            reading.op.start,
            reading.op.end,
            lines.join(" <- "),
            self.unknown,
        )
    }
}

fn intersect(a: &[(usize, usize)], b: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let pairs = a.iter().flat_map(|x| b.iter().map(move |y| (x.0.max(y.0), x.1.min(y.1))));
    pairs.filter(|(from, to)| from <= to).collect()
}
