//! Search: the nearest rows to some vectors.

use crate::call::Context;
use crate::consistency::Wanted;
use crate::explain;
use crate::index::metric;
use crate::iterator::{self, Pages, Said};
use crate::params::{Params, refuse};
use crate::proto::common::Status;
use crate::proto::milvus as pb;
use crate::proto::schema::SearchResultData;
use crate::{columns, query, query_vectors};
use std::collections::BTreeMap;
use vecraft_types::api::{Explain, GroupBy, SearchReply, SearchRequest};
use vecraft_types::{CollectionSchema, Error, Metric, Result};

/// `DslType`: the filter is an expression.
const EXPRESSION: i32 = 1;

pub(crate) async fn search(cx: Context, request: pb::SearchRequest) -> Result<pb::SearchResults> {
    let name = request.collection_name.clone();
    let in_collection = |error: Error| error.with("collection", &name);
    check_features(&request).map_err(in_collection)?;
    let mut options =
        Options::read(Params::new("search parameter", request.search_params)?).map_err(in_collection)?;
    let (dim, vectors, queries) =
        query_vectors::read(request.search_input, request.nq).map_err(in_collection)?;
    let wanted = Wanted {
        level: request.consistency_level,
        use_default: request.use_default_consistency,
        guarantee: request.guarantee_timestamp,
    };
    let (found, consistency, moment) = options.said.of_collection(&cx, &name, &wanted).await?;
    let search = SearchRequest {
        collection: request.collection_name,
        partitions: request.partition_names,
        field: options.field.clone(),
        dim,
        vectors,
        metric: options.metric,
        limit: options.limit,
        offset: options.offset,
        filter: request.dsl,
        params: std::mem::take(&mut options.params),
        output_fields: request.output_fields,
        group_by: options.group_by.clone(),
        page: options.pages.map(|pages| pages.page),
        consistency,
        moment,
        seen: Vec::new(),
        explain: options.explain.take(),
    };
    let reply = cx.db.search(cx.call, search).await?;
    if reply.counts.len() != queries {
        return Err(Error::internal(format!("{queries} queries, {} answers", reply.counts.len())));
    }
    results(reply, &found.schema, &options, name)
}

fn check_features(request: &pb::SearchRequest) -> Result<()> {
    refuse(&[
        (
            "a filter that is not an expression (dsl_type)",
            request.dsl_type != EXPRESSION && !request.dsl.is_empty(),
        ),
        ("expr_params (filter templates)", !request.expr_template_values.is_empty()),
        ("travel_timestamp", request.travel_timestamp != 0),
        ("search by primary keys", request.search_by_primary_keys),
        ("hybrid search (sub_reqs)", !request.sub_reqs.is_empty()),
        ("function_score (ranker)", request.function_score.is_some()),
        ("function_chains", !request.function_chains.is_empty()),
        ("highlighter", request.highlighter.is_some()),
        ("search_aggregation", request.search_aggregation.is_some()),
        ("namespace", request.namespace.is_some()),
        ("rls_principal (row-level security)", !request.rls_principal.is_empty()),
        ("skip_rls (row-level security)", request.skip_rls),
    ])
}

/// What the search parameters say.
#[derive(Debug)]
pub(crate) struct Options {
    pub field: String,
    pub metric: Option<Metric>,
    pub limit: usize,
    pub offset: usize,
    pub group_by: Option<GroupBy>,
    pub round_decimal: Option<i32>,
    pub params: BTreeMap<String, String>,
    pub said: Said,
    pub pages: Option<Pages>,
    /// A recall or a level was asked for: the answer says which recall to expect.
    pub tells_recall: bool,
    /// The answer says how it came about.
    pub explain: Option<Explain>,
}

impl Options {
    /// Reads the parameters. Clients repeat their own ones inside the JSON object `params`; what else is in there
    /// belongs to the index and is checked by the server.
    ///
    /// # Errors
    /// Code 1100 for a wrong value, and for anything that is not built, by name.
    pub fn read(mut given: Params) -> Result<Options> {
        let mut params = given.object("params")?;
        for key in ["metric_type", "topk", "limit", "offset", "anns_field", "round_decimal"] {
            if let Some(value) = params.remove(key) {
                given.add(key.to_owned(), value)?;
            }
        }
        for key in SWITCHES.iter().chain(FEATURES).chain(GROUPS).chain(explain::WORDS).chain(iterator::WORDS)
        {
            if let Some(value) = params.remove(*key) {
                given.add((*key).to_owned(), value)?;
            }
        }
        for key in RANGE {
            if let Some(value) = given.take(key) {
                params.insert((*key).to_owned(), value);
            }
        }
        given.refuse_if_on(SWITCHES)?;
        let mut said = Said::read(&mut given)?;
        let pages = said.pages(&mut given)?;
        let topk = match (given.integer("topk")?, given.integer("limit")?) {
            (Some(topk), Some(limit)) if topk != limit => {
                return Err(Error::invalid(format!(
                    "topk is {topk} and limit is {limit}, only one can hold"
                )));
            }
            (topk, limit) => topk.or(limit),
        };
        let topk = pages.map(|pages| pages.limit).or(topk);
        let topk = topk.ok_or_else(|| Error::invalid("search parameter \"topk\" (limit) is missing"))?;
        let (limit, offset) = query::window(topk, given.integer("offset")?.unwrap_or(0))?;
        let round_decimal = match given.integer("round_decimal")? {
            None | Some(-1) => None,
            Some(digits @ 0..=6) => Some(digits as i32),
            Some(other) => {
                return Err(Error::invalid(format!("round_decimal is {other}, allowed is -1 to 6")));
            }
        };
        let group_by = group_by(&mut given)?;
        if said.is_iterator && group_by.is_some() {
            return Err(Error::invalid("a search iterator cannot group (group_by_field)"));
        }
        let explain = explain::read(&mut given, said.is_iterator)?;
        let metric = given.take("metric_type").map(|name| metric(&name)).transpose()?;
        let field = given.take("anns_field").unwrap_or_default();
        given.forget_empty(FEATURES);
        given.finish()?;
        let tells_recall = ["recall", "level"].iter().any(|word| params.contains_key(*word));
        Ok(Options {
            field,
            metric,
            limit,
            offset,
            group_by,
            round_decimal,
            params,
            said,
            pages,
            tells_recall,
            explain,
        })
    }
}

/// What is said about groups. The plural word with one name means the same as the singular one.
fn group_by(given: &mut Params) -> Result<Option<GroupBy>> {
    let (one, several) = (given.take("group_by_field"), given.take("group_by_fields"));
    let (size, is_strict) = (given.integer("group_size")?, given.switch("strict_group_size")?);
    let field = match (one, several) {
        (Some(one), Some(several)) if one != several => {
            let text =
                format!("group_by_field is {one:?} and group_by_fields is {several:?}, only one can hold");
            return Err(Error::invalid(text));
        }
        (one, several) => one.or(several),
    };
    let Some(field) = field else {
        return match size {
            Some(size) => Err(Error::invalid(format!("group_size is {size}, but group_by_field is missing"))),
            None => Ok(None),
        };
    };
    if field.contains(',') {
        return Err(Error::not_built(format!("grouping by several fields (group_by_fields = {field:?})")));
    }
    let size = size.unwrap_or(1);
    let size = usize::try_from(size)
        .map_err(|_| Error::invalid(format!("group_size is {size}, at least 1 is needed")))?;
    Ok(Some(GroupBy { field, size, is_strict }))
}

/// Switches of features that are not built; off is accepted.
const SWITCHES: &[&str] = &["ignore_growing", "page_retain_order", "strict_cast", "reduce_stop_for_best"];

/// Bounds of a range, which clients write beside the index's parameters or among them.
const RANGE: &[&str] = &["radius", "range_filter"];

/// Words about groups, which may stand there too.
const GROUPS: &[&str] = &["group_by_field", "group_by_fields", "group_size", "strict_group_size"];

/// Features that are not built and have no off. They may hide among the index's parameters.
const FEATURES: &[&str] =
    &["order_by_fields", "hints", "analyzer_name", "json_path", "json_type", "timezone", "time_fields"];

fn results(
    reply: SearchReply,
    schema: &CollectionSchema,
    options: &Options,
    collection_name: String,
) -> Result<pb::SearchResults> {
    let explained = reply.explanation.as_deref().map(explain::told).transpose()?;
    let search_iterator_v2_results = options.pages.map(|pages| pages.ended(&reply));
    let keys = reply.rows.column(&reply.primary_field).and_then(|column| columns::ids(&column.data));
    let keys = keys.ok_or_else(|| Error::internal("a search came back without keys"))?;
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let output_fields = query::output_names(reply.output_fields, &reply.rows.names);
    // Hits name their key anyway; as a field it shows only when asked for.
    let wants_key = output_fields.contains(&reply.primary_field);
    let fields_data = reply.rows.names.iter().zip(reply.rows.batch.columns);
    let fields_data = fields_data
        .filter(|(name, _)| wants_key || **name != reply.primary_field)
        .map(|(name, column)| columns::field_data(name, column, schema))
        .collect();
    let groups = options.group_by.as_ref().zip(reply.groups.and_then(|rows| rows.columns.into_iter().next()));
    let group_by_field_value = groups.map(|(by, column)| columns::field_data(&by.field, column, schema));
    let data = SearchResultData {
        num_queries: count(reply.counts.len()),
        top_k: count(options.limit * options.group_by.as_ref().map_or(1, |by| by.size)),
        fields_data,
        scores: rounded(reply.scores, options.round_decimal),
        ids: Some(keys),
        topks: reply.counts.into_iter().map(count).collect(),
        output_fields,
        group_by_field_value,
        search_iterator_v2_results,
        recalls: if options.tells_recall { reply.recalls } else { Vec::new() },
        primary_field_name: reply.primary_field,
        agg_topks: explained.iter().map(|_| 1).collect(),
        agg_buckets: explained.into_iter().collect(),
    };
    let extra_info = reply.explanation.as_deref().map(explain::scanned).into_iter().collect();
    Ok(pb::SearchResults {
        status: Some(Status { extra_info, ..Status::default() }),
        results: Some(data),
        collection_name,
        session_ts: reply.timestamp.0,
    })
}

fn rounded(mut scores: Vec<f32>, digits: Option<i32>) -> Vec<f32> {
    if let Some(digits) = digits {
        let unit = 10f64.powi(digits);
        scores.iter_mut().for_each(|score| *score = ((f64::from(*score) * unit + 0.5).floor() / unit) as f32);
    }
    scores
}
