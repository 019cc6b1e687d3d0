//! Nearest rows of a view.

use super::{parse_filter, partitions};
use crate::explain;
use crate::params;
use crate::room::AnswerRoom;
use crate::wanted::Watch;
use vecraft_expr::Filter;
use vecraft_index::{Range, SearchParams};
use vecraft_rpc::services::{ShardHits, ShardSearch};
use vecraft_segment::ShardView;
use vecraft_segment::exec::{self, Cancel, GroupBy, Notebook, PageBounds, RowAddress, SearchPlan};
use vecraft_types::{Code, Error, PartitionId, Result};

/// What one hit takes while hits are compared, in bytes.
const HIT_BYTES: u64 = 32;
/// Rows of a segment that may be equally near where a page ends: 32 MiB while they are compared.
const PAGE_ROWS_MAX: usize = 1 << 20;

pub(crate) fn run(
    view: &ShardView,
    asked: &ShardSearch,
    hits_max: usize,
    watch: &Watch,
    room: &mut AnswerRoom,
) -> vecraft_segment::Result<Result<ShardHits>> {
    let checked = check(view, asked, hits_max)
        .and_then(|checked| room.for_hits(held_hits(view, asked) as u64 * HIT_BYTES).map(|()| checked))
        .and_then(|checked| explain::check(asked, room).map(|()| checked));
    let Checked { filter, params, range, partitions } = match checked {
        Ok(checked) => checked,
        Err(error) => return Ok(Err(error)),
    };
    let plan = SearchPlan {
        field: asked.field,
        metric: asked.metric,
        queries: &asked.vectors,
        k: asked.k,
        partitions,
        filter: filter.as_ref(),
        range,
        params,
    };
    let is_over = || watch.is_over();
    let cancel = Cancel::when(&is_over);
    let now_us = || watch.now_us();
    let notebook = asked.explain.as_ref().map(|_| Notebook::new(&now_us));
    let notes = notebook.as_ref();
    let mut recalls = Vec::new();
    let found = match (group_by(asked), asked.page) {
        (Some(by), _) => exec::search_groups(view, &plan, &by, cancel, notes)?,
        (None, None) => {
            let found = exec::search_told(view, &plan, cancel, notes)?;
            recalls = found.iter().map(|found| found.recall).collect();
            found.into_iter().map(|found| found.hits).collect()
        }
        (None, Some(page)) => {
            let bounds = PageBounds { after: page.after, rows_max: hits_max.min(PAGE_ROWS_MAX) };
            let found = exec::search_page(view, &plan, bounds, cancel, notes)?;
            // Those that came because they are as near as the last one: nobody could count them before.
            let more = found.len().saturating_sub(held_hits(view, asked)) as u64;
            if let Err(error) = room.for_hits(more * HIT_BYTES) {
                return Ok(Err(error));
            }
            vec![found]
        }
    };
    let mut explained = None;
    if let Some(notebook) = notebook {
        let hits = found.first().map_or(&[][..], Vec::as_slice);
        let mut told = explain::keys(view, asked, &plan, hits, cancel, watch)?;
        told.shard.shard = view.shard.index;
        (told.shard.position, told.shard.timestamp) = (view.position, view.timestamp);
        told.shard.segments = notebook.into_segments();
        explained = Some(Box::new(told));
    }
    let counts = found.iter().map(Vec::len).collect();
    let addresses: Vec<RowAddress> = found.iter().flatten().map(|hit| hit.address).collect();
    let scores = found.iter().flatten().map(|hit| hit.score).collect();
    if let Err(error) = room.for_rows(exec::fetch_bytes(view, &addresses, &asked.output)?) {
        return Ok(Err(error));
    }
    let began_us = explained.as_ref().map_or(0, |_| now_us());
    let rows = exec::fetch(view, &addresses, &asked.output)?;
    if let Some(explained) = &mut explained {
        explained.shard.fetch_us = now_us().saturating_sub(began_us);
    }
    Ok(Ok(ShardHits { counts, scores, recalls, rows, timestamp: view.timestamp, explained }))
}

/// What a search says, read.
struct Checked<'a> {
    partitions: Option<&'a [PartitionId]>,
    filter: Option<Filter>,
    params: SearchParams,
    range: Option<Range>,
}

fn check<'a>(view: &ShardView, asked: &'a ShardSearch, hits_max: usize) -> Result<Checked<'a>> {
    let partitions = partitions(view, &asked.partitions)?;
    let data_type = view.schema.field_by_id(asked.field).map(|field| field.data_type);
    let dim = data_type.and_then(|data_type| data_type.dim());
    if data_type.and_then(|data_type| data_type.packed()).map(|(kind, _)| kind) != asked.vectors.packed() {
        let text = format!(
            "the queries are {}, field {} is {} here",
            asked.vectors.type_name(),
            asked.field,
            data_type.map_or("missing", |data_type| data_type.name())
        );
        return Err(Error::new(Code::SchemaMismatch, text));
    }
    if dim != Some(asked.dim) || asked.dim == 0 {
        // The proxy checked against the catalogue; the shard's schema is another one (I11).
        let text =
            format!("the queries have {} dimensions, field {} has {dim:?} here", asked.dim, asked.field);
        return Err(Error::new(Code::SchemaMismatch, text));
    }
    if most_hits(view, asked) > hits_max {
        let queries = asked.vectors.count(asked.dim).unwrap_or(0);
        let text = format!(
            "{queries} queries with up to {} hits each, at most {hits_max} hits are allowed in one search",
            asked.k
        );
        return Err(Error::new(Code::ParameterTooLarge, text));
    }
    let filter = parse_filter(&asked.filter, &view.schema)?;
    let (params, range) = params::read(asked.metric, &asked.params)?;
    Ok(Checked { filter, params, range, partitions })
}

fn group_by(asked: &ShardSearch) -> Option<GroupBy> {
    let by = asked.group_by?;
    Some(GroupBy { field: by.field, size: by.size, is_strict: by.is_strict })
}

/// Hits that the search may come to: not more a query than there are rows.
fn most_hits(view: &ShardView, asked: &ShardSearch) -> usize {
    // Those that are not whole are refused when they are read.
    let queries = asked.vectors.count(asked.dim).unwrap_or(0);
    let wanted = asked.k.saturating_mul(asked.group_by.map_or(1, |by| by.size));
    queries.saturating_mul(wanted.min(rows(view)))
}

/// Hits held at once: for groups, one query of each segment looks at more than it keeps.
fn held_hits(view: &ShardView, asked: &ShardSearch) -> usize {
    let looked = group_by(asked).map_or(0, |by| by.held_max(asked.k).min(rows(view)));
    most_hits(view, asked).saturating_add(looked)
}

fn rows(view: &ShardView) -> usize {
    view.segments.iter().map(|shown| shown.rows as usize).sum()
}
