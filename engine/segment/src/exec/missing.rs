//! Why rows are not among the hits of a search.
//!
//! ```text
//! key columns of all segments -> rows of the key -> behind the view? deleted? partition? filter? range?
//!                                                -> distance -> rows before it (all are compared) -> limit, or lost
//! ```
//! A key may have several rows: old ones that were replaced, and several at once where the collection allows it. The one that
//! came the farthest is told of.

use super::exact::{Sink, offer};
use super::lost::lost;
use super::matches::{Matches, matches, segments};
use super::queries::Queries;
use super::rank::{order, rows_before};
use super::scan::{key_column_of, no_key};
use super::{Cancel, Hit, RowAddress, SearchPlan, filter};
use crate::{Block, Error, Result, SegmentView, ShardView, Values};
use std::collections::HashMap;
use vecraft_expr::Filter;
use vecraft_kernel::reported_score;
use vecraft_types::api::{FailedPart, KeyExplanation, KeyVerdict};
use vecraft_types::{Bitmap, PrimaryKey};

/// What became of a key in a search of this shard.
#[derive(Clone, Debug, PartialEq)]
pub struct Sought {
    /// What became of it. Rank and place are those within the shard, the partition is named by its id.
    pub told: KeyExplanation,
    /// How far it is from the query, when it matches.
    pub distance: Option<f32>,
}

/// What became of each key in the search that found `hits`. The plan has one query; every matching row is compared with it.
///
/// CPU-bound. Errors: as [`search`](super::search()), and [`Error::Field`] for several queries.
pub fn why_missing(
    view: &ShardView,
    plan: &SearchPlan<'_>,
    keys: &[PrimaryKey],
    hits: &[Hit],
    cancel: Cancel<'_>,
) -> Result<Vec<Sought>> {
    let queries = Queries::read(&view.schema, plan)?;
    if queries.len() != 1 {
        let what =
            format!("is asked with {} query vectors why keys are missing, it takes one", queries.len());
        return Err(Error::Field { field: plan.field, what });
    }
    let mut best: Vec<Sought> = keys
        .iter()
        .map(|key| Sought { told: KeyExplanation::new(key.clone(), KeyVerdict::Absent), distance: None })
        .collect();
    let rows = rows_of(view, keys, cancel)?;
    if rows.is_empty() {
        return Ok(best);
    }
    let mut searched = Vec::new();
    for shown in segments(view, plan.partitions) {
        searched.push((shown, matches(view, shown, plan.filter, cancel)?));
    }
    let search = Search { view, plan, queries: &queries, searched: &searched, hits, cancel };
    let mut places: Vec<Option<RowAddress>> = vec![None; keys.len()];
    for (at, shown, row) in rows {
        let sought = search.standing(&keys[at], shown, row)?;
        let address = RowAddress { segment: shown.segment.id(), row };
        let is_farther = match (sought.distance.zip(Some(address)), best[at].distance.zip(places[at])) {
            (Some(new), Some(old)) => order(new, old).is_lt(),
            _ => stage(sought.told.verdict) > stage(best[at].told.verdict),
        };
        if is_farther {
            (best[at], places[at]) = (sought, Some(address));
        }
    }
    search.rank(&mut best, &places)?;
    Ok(best)
}

/// How far a row came.
fn stage(verdict: KeyVerdict) -> u8 {
    match verdict {
        KeyVerdict::Absent => 0,
        KeyVerdict::Deleted => 1,
        KeyVerdict::NotVisibleYet => 2,
        KeyVerdict::OtherPartition => 3,
        KeyVerdict::FilteredOut => 4,
        KeyVerdict::OutOfRange => 5,
        _ => 6,
    }
}

/// All rows of the keys, also those that the view does not show: number of the key, segment, row.
fn rows_of<'v>(
    view: &'v ShardView,
    keys: &[PrimaryKey],
    cancel: Cancel<'_>,
) -> Result<Vec<(usize, &'v SegmentView, u32)>> {
    let mut ints: HashMap<i64, Vec<usize>> = HashMap::new();
    let mut texts: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for (at, key) in keys.iter().enumerate() {
        match key {
            PrimaryKey::Int64(key) => ints.entry(*key).or_default().push(at),
            PrimaryKey::VarChar(key) => texts.entry(key.as_bytes()).or_default().push(at),
        }
    }
    let mut rows = Vec::new();
    for shown in &view.segments {
        for block in shown.segment.blocks(shown.segment.rows()) {
            cancel.check()?;
            let column = key_column_of(view, &block)?;
            let mut note = |row: usize, of: Option<&Vec<usize>>| {
                let row = block.first_row() + row as u32;
                rows.extend(of.into_iter().flatten().map(|at| (*at, shown, row)));
            };
            match column.values {
                Values::Int64(v) => v.iter().enumerate().for_each(|(row, key)| note(row, ints.get(key))),
                Values::VarChar(v) => (0..v.len()).for_each(|row| note(row, texts.get(v.bytes(row)))),
                _ => return Err(no_key(view)),
            }
        }
    }
    Ok(rows)
}

/// The search in which the keys were missed.
struct Search<'a> {
    view: &'a ShardView,
    plan: &'a SearchPlan<'a>,
    queries: &'a Queries<'a>,
    searched: &'a [(&'a SegmentView, Vec<Matches>)],
    hits: &'a [Hit],
    cancel: Cancel<'a>,
}

impl Search<'_> {
    /// How far a row of the key came, up to its distance.
    fn standing(&self, key: &PrimaryKey, shown: &SegmentView, row: u32) -> Result<Sought> {
        let mut told = KeyExplanation::new(key.clone(), KeyVerdict::NotVisibleYet);
        (told.shard, told.segment) = (self.view.shard.index, Some(shown.segment.id()));
        told.partition = Some(shown.segment.partition().to_string());
        if row >= shown.rows {
            return Ok(Sought { told, distance: None });
        }
        if let Some(at) = shown.segment.deletes().deleted_at(row).filter(|at| *at <= self.view.position) {
            (told.verdict, told.deleted_at) = (KeyVerdict::Deleted, Some(at));
            return Ok(Sought { told, distance: None });
        }
        let id = shown.segment.id();
        let Some((_, found)) = self.searched.iter().find(|(other, _)| other.segment.id() == id) else {
            told.verdict = KeyVerdict::OtherPartition;
            return Ok(Sought { told, distance: None });
        };
        let matching = found.iter().find_map(|found| {
            let within = row.checked_sub(found.block.first_row())? as usize;
            let is_in = within < found.block.rows() && found.bits().is_none_or(|bits| bits.get(within));
            is_in.then_some((&found.block, within))
        });
        let Some((block, within)) = matching else {
            told.verdict = KeyVerdict::FilteredOut;
            told.failed = self.failed(shown, row)?;
            return Ok(Sought { told, distance: None });
        };
        let distance = self.distance(block, within)?;
        told.score = distance.map(|distance| reported_score(self.plan.metric, distance));
        let is_in_range =
            distance.is_some_and(|distance| self.plan.range.is_none_or(|range| range.contains(distance)));
        told.verdict = if is_in_range { KeyVerdict::BeyondLimit } else { KeyVerdict::OutOfRange };
        Ok(Sought { told, distance: distance.filter(|_| is_in_range) })
    }

    /// The same number as the search has of it.
    fn distance(&self, block: &Block, row: usize) -> Result<Option<f32>> {
        let lone = [Matches::new(block.clone(), Some(only(block, row)))];
        let mut last = [Last(None)];
        offer(&lone, self.plan.field, &self.queries.ready(0..1)?, None, &mut last, self.cancel)?;
        Ok(last[0].0)
    }

    /// The parts of the filter that are not true of a row.
    fn failed(&self, shown: &SegmentView, row: u32) -> Result<Vec<FailedPart>> {
        let mut failed = Vec::new();
        let blocks = shown.segment.blocks(shown.rows);
        let block = blocks.iter().rev().find(|block| block.first_row() <= row);
        let Some((filter, block)) = self.plan.filter.zip(block) else { return Ok(failed) };
        let within = (row - block.first_row()) as usize;
        let lone = only(block, within);
        let is_true = |filter: &Filter| -> Result<bool> {
            Ok(filter::evaluate(filter, &self.view.schema, block, None, Some(&lone))?.get(within))
        };
        for part in filter.parts() {
            if !is_true(&part)? {
                let is_unknown = !is_true(&part.negated())?;
                failed.push(FailedPart { part: part.to_string(), is_unknown });
            }
        }
        Ok(failed)
    }

    /// Gives those that match their rank and place, and says of what is within the limit what lost it.
    fn rank(&self, sought: &mut [Sought], places: &[Option<RowAddress>]) -> Result<()> {
        let at: Vec<usize> = (0..sought.len()).filter(|at| sought[*at].distance.is_some()).collect();
        let rows: Vec<(f32, RowAddress)> =
            at.iter().filter_map(|at| sought[*at].distance.zip(places[*at])).collect();
        let before = rows_before(self.searched, self.plan, self.queries, &rows, self.cancel)?;
        let last = self.hits.last().map(|hit| (hit.distance, hit.address));
        for ((at, row), before) in at.into_iter().zip(rows).zip(before) {
            let told = &mut sought[at].told;
            told.rank = Some(before + 1);
            let place = self.hits.iter().position(|hit| hit.address == row.1);
            told.place = place.map(|place| place as u64 + 1);
            // An index's distance may differ in the last bit: what is as near as the last hit by its own is not lost.
            let is_owed = self.hits.len() < self.plan.k || last.is_some_and(|last| order(row, last).is_lt());
            if place.is_some() {
                told.verdict = KeyVerdict::Found;
            } else if before < self.plan.k as u64 && is_owed {
                told.verdict = KeyVerdict::LostByIndex;
                let searched = self.searched.iter().find(|(shown, _)| shown.segment.id() == row.1.segment);
                if let Some((shown, found)) = searched {
                    told.lost = lost(shown, found, self.plan, self.queries, row.1.row, self.cancel)?;
                }
            }
        }
        Ok(())
    }
}

fn only(block: &Block, row: usize) -> Bitmap {
    let mut bits = Bitmap::new(block.rows(), false);
    bits.set(row, true);
    bits
}

/// The last distance pushed.
struct Last(Option<f32>);

impl Sink for Last {
    fn push(&mut self, distance: f32, _row: u32) {
        self.0 = Some(distance);
    }
}
