//! Query: rows by filter, or their exact number.

use crate::call::Context;
use crate::columns;
use crate::consistency::Wanted;
use crate::iterator::Said;
use crate::params::{Params, refuse};
use crate::proto::milvus as pb;
use vecraft_types::api::{NamedRows, QueryRequest};
use vecraft_types::limits::{META_FIELD, TOPK_MAX};
use vecraft_types::{Column, ColumnData, Error, FieldId, Result};

/// The output field that asks for a number.
const COUNT: &str = "count(*)";

pub(crate) async fn query(cx: Context, request: pb::QueryRequest) -> Result<pb::QueryResults> {
    let name = request.collection_name.clone();
    let in_collection = |error: Error| error.with("collection", &name);
    refuse(&[
        ("expr_params (filter templates)", !request.expr_template_values.is_empty()),
        ("travel_timestamp", request.travel_timestamp != 0),
        ("namespace", request.namespace.is_some()),
        ("rls_principal (row-level security)", !request.rls_principal.is_empty()),
        ("skip_rls (row-level security)", request.skip_rls),
    ])
    .map_err(in_collection)?;
    let params = Params::new("query parameter", request.query_params)?;
    let Page { limit, offset, said } = page(params).map_err(in_collection)?;
    let wanted = Wanted {
        level: request.consistency_level,
        use_default: request.use_default_consistency,
        guarantee: request.guarantee_timestamp,
    };
    let (found, consistency, moment) = said.of_collection(&cx, &name, &wanted).await?;
    let query = QueryRequest {
        collection: request.collection_name,
        partitions: request.partition_names,
        filter: request.expr,
        output_fields: request.output_fields,
        limit,
        offset,
        consistency,
        moment,
        seen: Vec::new(),
    };
    let reply = cx.db.query(cx.call, query).await?;
    let (rows, output_fields) = match reply.count {
        Some(count) => (count_column(count), vec![COUNT.to_owned()]),
        None => {
            let output = output_names(reply.output_fields, &reply.rows.names);
            (reply.rows, output)
        }
    };
    let fields_data = rows.names.iter().zip(rows.batch.columns);
    Ok(pb::QueryResults {
        fields_data: fields_data
            .map(|(name, column)| columns::field_data(name, column, &found.schema))
            .collect(),
        collection_name: name,
        output_fields,
        session_ts: reply.timestamp.0,
        primary_field_name: reply.primary_field,
        ..Default::default()
    })
}

/// Which of the matching rows are wanted.
struct Page {
    limit: Option<usize>,
    offset: usize,
    said: Said,
}

/// Reads the parameters; a limit of `-1` means none.
fn page(mut params: Params) -> Result<Page> {
    let said = Said::read(&mut params)?;
    if said.is_iterator {
        // Whether Milvus may leave out what is not the best: every page here is.
        params.switch("reduce_stop_for_best")?;
    }
    params.refuse_if_on(&["ignore_growing", "reduce_stop_for_best"])?;
    let limit = params.integer("limit")?.filter(|limit| *limit != -1);
    let offset = params.integer("offset")?.unwrap_or(0);
    params.finish()?;
    match limit {
        Some(limit) => {
            let (limit, offset) = window(limit, offset)?;
            Ok(Page { limit: Some(limit), offset, said })
        }
        None if (0..TOPK_MAX as i64).contains(&offset) => {
            Ok(Page { limit: None, offset: offset as usize, said })
        }
        None => Err(Error::invalid(format!("offset is {offset}, allowed is 0 to {}", TOPK_MAX - 1))),
    }
}

/// Checks a page of results.
///
/// # Errors
/// Code 1100 when limit is below 1, offset below 0, or both together above 16,384.
pub(crate) fn window(limit: i64, offset: i64) -> Result<(usize, usize)> {
    let max = TOPK_MAX as i64;
    if !(1..=max).contains(&limit) {
        return Err(Error::invalid(format!("limit (topk) is {limit}, allowed is 1 to {TOPK_MAX}")));
    }
    if !(0..=max - limit).contains(&offset) {
        let text =
            format!("offset is {offset} and limit is {limit}: offset + limit can be {TOPK_MAX} at most");
        return Err(Error::invalid(text));
    }
    Ok((limit as usize, offset as usize))
}

/// The names a client takes as the output fields, from what was asked for with `*` spelled out. It shows all dynamic
/// keys when every name is a column, else only the keys named; so beside `$meta` a single key is left out.
pub(crate) fn output_names(mut asked: Vec<String>, columns: &[String]) -> Vec<String> {
    if asked.iter().any(|name| name == META_FIELD) {
        asked.retain(|name| columns.contains(name));
    }
    asked
}

fn count_column(count: u64) -> NamedRows {
    let data = ColumnData::Int64(vec![i64::try_from(count).unwrap_or(i64::MAX)]);
    let column = Column::new(FieldId(0), data);
    NamedRows {
        names: vec![COUNT.to_owned()],
        batch: vecraft_types::RowBatch { rows: 1, columns: vec![column] },
    }
}
