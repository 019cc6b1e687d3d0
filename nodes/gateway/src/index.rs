//! Indexes: create, describe, drop.

use crate::call::Context;
use crate::collection::wire_id;
use crate::params::{Params, pair};
use crate::proto::common::IndexState;
use crate::proto::milvus as pb;
use vecraft_types::api::{CollectionName, CreateIndex, DropIndex, IndexInfo};
use vecraft_types::schema::MMAP_ENABLED;
use vecraft_types::{Code, Error, Metric, Result};

pub(crate) async fn create(cx: Context, request: pb::CreateIndexRequest) -> Result<()> {
    let mut params = Params::new("index parameter", request.extra_params)?;
    for (key, value) in params.object("params")? {
        params.add(key, value)?;
    }
    let mmap = params.said(MMAP_ENABLED)?.map(|is_on| (MMAP_ENABLED.to_owned(), is_on.to_string()));
    let metric = params.take("metric_type").map(|name| metric(&name)).transpose()?;
    let index_type = params.take("index_type").unwrap_or_default();
    let create = CreateIndex {
        collection: request.collection_name,
        field: request.field_name,
        name: request.index_name,
        index_type,
        metric,
        // The server knows the index types and refuses keys that mean nothing to them.
        params: params.rest().into_iter().chain(mmap).collect(),
    };
    cx.db.create_index(cx.call, create).await
}

pub(crate) async fn describe(
    cx: Context,
    request: pb::DescribeIndexRequest,
) -> Result<pb::DescribeIndexResponse> {
    let mut found = cx.db.describe_indexes(cx.call.clone(), request.collection_name.clone()).await?;
    let fits = |asked: &str, name: &str| asked.is_empty() || asked == name;
    found.retain(|info| {
        fits(&request.index_name, &info.index.spec.name) && fits(&request.field_name, &info.field)
    });
    if found.is_empty() {
        let error = Error::new(Code::IndexNotFound, "").with("collection", &request.collection_name);
        return Err(if request.index_name.is_empty() {
            error
        } else {
            error.with("index", &request.index_name)
        });
    }
    let known = cx.db.known_collection(cx.call, CollectionName::Name(request.collection_name)).await?;
    let is_scalar =
        |info: &IndexInfo| known.schema.field(&info.field).is_some_and(|field| !field.data_type.is_vector());
    let index_descriptions = found
        .into_iter()
        .map(|info| (is_scalar(&info), info))
        .map(|(scalar, info)| description(info, scalar))
        .collect();
    Ok(pb::DescribeIndexResponse { index_descriptions, ..Default::default() })
}

/// What is told of an index. One on a scalar field has no metric.
pub(crate) fn description(info: IndexInfo, is_scalar: bool) -> pb::IndexDescription {
    let spec = info.index.spec;
    let mut params = vec![pair("index_type", &spec.index_type)];
    if !is_scalar {
        params.push(pair("metric_type", spec.metric.name()));
    }
    let mmap = spec.params.get(MMAP_ENABLED);
    params.extend(mmap.map(|value| pair(MMAP_ENABLED, value)));
    if spec.params.len() > usize::from(mmap.is_some()) {
        let object: serde_json::Map<String, serde_json::Value> = spec
            .params
            .iter()
            .filter(|(key, _)| *key != MMAP_ENABLED)
            .map(|(key, value)| (key.clone(), json(value)))
            .collect();
        params.push(pair("params", serde_json::Value::Object(object)));
    }
    let state = match (&info.failure, info.pending_rows) {
        (Some(_), _) => IndexState::Failed,
        (None, 0) => IndexState::Finished,
        (None, _) => IndexState::InProgress,
    };
    pb::IndexDescription {
        index_name: spec.name,
        index_id: wire_id(info.index.id.0),
        params,
        field_name: info.field,
        indexed_rows: wire_id(info.indexed_rows),
        total_rows: wire_id(info.total_rows),
        state: state.into(),
        index_state_fail_reason: info.failure.unwrap_or_default(),
        pending_index_rows: wire_id(info.pending_rows),
    }
}

/// Numbers and booleans as the client wrote them, everything else as text.
fn json(value: &str) -> serde_json::Value {
    match serde_json::from_str(value) {
        Ok(plain @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) => plain,
        _ => serde_json::Value::String(value.to_owned()),
    }
}

pub(crate) async fn drop(cx: Context, request: pb::DropIndexRequest) -> Result<()> {
    let drop = DropIndex {
        collection: request.collection_name,
        field: request.field_name,
        name: request.index_name,
    };
    cx.db.drop_index(cx.call, drop).await
}

/// Reads a metric.
///
/// # Errors
/// Code 1100 with the list of those that are served.
pub(crate) fn metric(name: &str) -> Result<Metric> {
    Metric::parse(name).ok_or_else(|| {
        let known = Metric::ALL.map(Metric::name).join(", ");
        Error::invalid(format!("metric type {name:?} is not served, allowed are {known}"))
    })
}
