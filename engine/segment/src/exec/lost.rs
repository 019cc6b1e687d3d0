//! A row that an index, or a graph in its place, should have returned: how hard it looked, and how hard it would have had to.

use super::indexed::{Answer, by_index, usable};
use super::matches::Matches;
use super::notes::Note;
use super::queries::Queries;
use super::reasons::INTERIM;
use super::{Cancel, SearchPlan, interim};
use crate::{Result, SegmentView};
use vecraft_index::{SearchParams, Strategy};
use vecraft_types::api::LostByIndex;

/// Efforts tried, as multiples of the one that lost the row.
const TIMES: [usize; 3] = [2, 4, 8];

/// What lost the row, when it is the segment's index. The searches that this takes are told to nobody.
pub(super) fn lost(
    shown: &SegmentView,
    found: &[Matches],
    plan: &SearchPlan<'_>,
    queries: &Queries<'_>,
    row: u32,
    cancel: Cancel<'_>,
) -> Result<Option<LostByIndex>> {
    let usable = usable(shown, found, plan);
    let matching = found.iter().map(Matches::count).sum();
    let ask = |params: SearchParams| -> Result<Option<Answer>> {
        let plan = SearchPlan { params, ..*plan };
        let note = &mut Note::none();
        let answers = match &usable {
            Ok((index, block)) => Some(by_index(&**index, block, &plan, queries, cancel, note)?),
            Err(_) => interim::nearest(shown, found, matching, &plan, queries, cancel, note)?,
        };
        Ok(answers.and_then(|mut answers| answers.pop()))
    };
    let Some(stats) = ask(plan.params)?.map(|answer| answer.stats) else { return Ok(None) };
    // One that compared every match has lost nothing.
    let Some(used) = stats.effort else { return Ok(None) };
    let is_lists = stats.strategy == Strategy::Lists;
    let mut lost = LostByIndex {
        kind: usable.as_ref().map_or(INTERIM, |(index, ..)| index.kind().name()).to_owned(),
        parameter: if is_lists { "nprobe" } else { "ef" }.to_owned(),
        used: used as u64,
        refined: stats.refined as u64,
        found_with: None,
        tried: Vec::new(),
    };
    for times in TIMES {
        let effort = used.saturating_mul(times);
        let params = SearchParams {
            ef: (!is_lists).then_some(effort),
            nprobe: is_lists.then_some(effort),
            reorder_k: (stats.refined > 0).then_some(stats.refined.saturating_mul(times)),
            rbq_query_bits: plan.params.rbq_query_bits,
            ..SearchParams::default()
        };
        lost.tried.push(effort as u64);
        if ask(params)?.is_some_and(|answer| answer.hits.iter().any(|hit| hit.row == row)) {
            lost.found_with = Some(effort as u64);
            break;
        }
    }
    Ok(Some(lost))
}
