//! Writes: insert, upsert, delete.

use crate::call::Context;
use crate::columns;
use crate::params::refuse;
use crate::proto::milvus as pb;
use vecraft_types::api::{DeleteRequest, DeleteRows, InsertRequest, MutationReply};
use vecraft_types::{Error, Result, Timestamp};

pub(crate) async fn insert(cx: Context, request: pb::InsertRequest) -> Result<pb::MutationResult> {
    refuse(&[
        ("namespace", request.namespace.is_some()),
        ("rls_principal (row-level security)", !request.rls_principal.is_empty()),
        ("skip_rls (row-level security)", request.skip_rls),
    ])?;
    let rows = request.num_rows;
    let insert = InsertRequest {
        rows: columns::rows(request.fields_data, rows).map_err(in_collection(&request.collection_name))?,
        collection: request.collection_name,
        partition: named(request.partition_name),
        schema_timestamp: schema_timestamp(request.schema_timestamp),
        request: None,
    };
    Ok(result(cx.db.insert(cx.call, insert).await?, rows))
}

pub(crate) async fn upsert(cx: Context, request: pb::UpsertRequest) -> Result<pb::MutationResult> {
    refuse(&[
        ("partial_update", request.partial_update),
        ("field_ops", !request.field_ops.is_empty()),
        ("namespace", request.namespace.is_some()),
        ("rls_principal (row-level security)", !request.rls_principal.is_empty()),
        ("skip_rls (row-level security)", request.skip_rls),
    ])?;
    let rows = request.num_rows;
    let upsert = InsertRequest {
        rows: columns::rows(request.fields_data, rows).map_err(in_collection(&request.collection_name))?,
        collection: request.collection_name,
        partition: named(request.partition_name),
        schema_timestamp: schema_timestamp(request.schema_timestamp),
        request: None,
    };
    Ok(result(cx.db.upsert(cx.call, upsert).await?, rows))
}

pub(crate) async fn delete(cx: Context, request: pb::DeleteRequest) -> Result<pb::MutationResult> {
    refuse(&[
        ("expr_params (filter templates)", !request.expr_template_values.is_empty()),
        ("namespace", request.namespace.is_some()),
        ("rls_principal (row-level security)", !request.rls_principal.is_empty()),
        ("skip_rls (row-level security)", request.skip_rls),
    ])?;
    if request.expr.trim().is_empty() {
        let error = Error::invalid("delete needs a filter; to remove all rows drop the collection");
        return Err(error.with("collection", &request.collection_name));
    }
    let delete = DeleteRequest {
        collection: request.collection_name,
        partition: named(request.partition_name),
        rows: DeleteRows::Filter(request.expr),
        request: None,
    };
    Ok(result(cx.db.delete(cx.call, delete).await?, 0))
}

fn named(partition: String) -> Option<String> {
    (!partition.is_empty()).then_some(partition)
}

/// Clients that do not cache schemas send 0.
fn schema_timestamp(wire: u64) -> Option<Timestamp> {
    (wire != 0).then_some(Timestamp(wire))
}

fn in_collection(name: &str) -> impl FnOnce(Error) -> Error {
    move |error| error.with("collection", name)
}

fn result(reply: MutationReply, rows: u32) -> pb::MutationResult {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    pb::MutationResult {
        ids: Some(columns::ids_of(reply.keys)),
        succ_index: (0..rows).collect(),
        acknowledged: true,
        insert_cnt: count(reply.inserted),
        delete_cnt: count(reply.deleted),
        upsert_cnt: count(reply.upserted),
        timestamp: reply.timestamp.0,
        ..Default::default()
    }
}
